#include "worker/fuse/fuse_options.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

struct CacheExpectation {
  config::CacheMode mode;
  uint64_t timeout_seconds;
  uint32_t open_flags;
  uint32_t open_directory_flags;
  bool readdirplus;
};

class CachePolicyTest : public testing::TestWithParam<CacheExpectation> {};

TEST_P(CachePolicyTest, IsVirtiofsds) {
  const CachePolicy policy = MakeCachePolicy(GetParam().mode);
  EXPECT_EQ(policy.timeout_seconds, GetParam().timeout_seconds);
  EXPECT_EQ(policy.open_flags, GetParam().open_flags);
  EXPECT_EQ(policy.open_directory_flags, GetParam().open_directory_flags);
  EXPECT_EQ(policy.readdirplus, GetParam().readdirplus);
}

// DIRECT_IO 1, KEEP_CACHE 2, CACHE_DIR 8, PARALLEL_DIRECT_WRITES 64.
INSTANTIATE_TEST_SUITE_P(
    All, CachePolicyTest,
    testing::Values(CacheExpectation{config::CACHE_MODE_UNSPECIFIED, 1, 0, 0, true},
                    CacheExpectation{config::CACHE_MODE_NEVER, 0, 65, 0, false},
                    CacheExpectation{config::CACHE_MODE_METADATA, 86400, 65, 10, true},
                    CacheExpectation{config::CACHE_MODE_AUTO, 1, 0, 0, true},
                    CacheExpectation{config::CACHE_MODE_ALWAYS, 86400, 2, 10, true}));

// ---- readdirplus: the cache mode and an option ----

struct ReaddirplusExpectation {
  config::CacheMode mode;
  bool no_readdirplus;
  bool readdirplus;
};

class ReaddirplusTest : public testing::TestWithParam<ReaddirplusExpectation> {};

TEST_P(ReaddirplusTest, IsOnUnlessTheModeOrTheOptionSaysNo) {
  config::WorkerConfig config;
  config.set_cache(GetParam().mode);
  config.set_no_readdirplus(GetParam().no_readdirplus);
  EXPECT_EQ(MakeFuseOptions(config).cache.readdirplus, GetParam().readdirplus);
}

INSTANTIATE_TEST_SUITE_P(
    All, ReaddirplusTest,
    testing::Values(ReaddirplusExpectation{config::CACHE_MODE_NEVER, false, false},
                    ReaddirplusExpectation{config::CACHE_MODE_NEVER, true, false},
                    ReaddirplusExpectation{config::CACHE_MODE_METADATA, false, true},
                    ReaddirplusExpectation{config::CACHE_MODE_METADATA, true, false},
                    ReaddirplusExpectation{config::CACHE_MODE_AUTO, false, true},
                    ReaddirplusExpectation{config::CACHE_MODE_AUTO, true, false},
                    ReaddirplusExpectation{config::CACHE_MODE_ALWAYS, false, true},
                    ReaddirplusExpectation{config::CACHE_MODE_ALWAYS, true, false}));

// ---- the switches: each reaches its own, and no other ----

struct Switch {
  std::string name;
  void (*set)(config::WorkerConfig&);
  FuseOptions expected;
};

FuseOptions With(void (*change)(FuseOptions&)) {
  FuseOptions options;
  change(options);
  return options;
}

class FuseOptionsTest : public testing::TestWithParam<Switch> {};

TEST_P(FuseOptionsTest, SwitchReachesItsOwnAndNoOther) {
  config::WorkerConfig config;
  GetParam().set(config);
  const FuseOptions options = MakeFuseOptions(config);
  const FuseOptions& expected = GetParam().expected;
  EXPECT_EQ(options.xattr, expected.xattr);
  EXPECT_EQ(options.posix_acl, expected.posix_acl);
  EXPECT_EQ(options.security_label, expected.security_label);
  EXPECT_EQ(options.readonly, expected.readonly);
  EXPECT_EQ(options.writeback, expected.writeback);
  EXPECT_EQ(options.allow_mmap, expected.allow_mmap);
  EXPECT_EQ(options.killpriv_v2, expected.killpriv_v2);
  EXPECT_EQ(options.announce_submounts, expected.announce_submounts);
}

INSTANTIATE_TEST_SUITE_P(
    All, FuseOptionsTest,
    testing::Values(
        Switch{"None", [](config::WorkerConfig&) {}, FuseOptions()},
        Switch{"Xattr", [](config::WorkerConfig& config) { config.set_xattr(true); },
               With([](FuseOptions& options) { options.xattr = true; })},
        Switch{"PosixAclImpliesXattr",
               [](config::WorkerConfig& config) { config.set_posix_acl(true); },
               With([](FuseOptions& options) { options.xattr = options.posix_acl = true; })},
        Switch{"SecurityLabelImpliesXattr",
               [](config::WorkerConfig& config) { config.set_security_label(true); },
               With([](FuseOptions& options) { options.xattr = options.security_label = true; })},
        Switch{"Readonly", [](config::WorkerConfig& config) { config.set_readonly(true); },
               With([](FuseOptions& options) { options.readonly = true; })},
        Switch{"Writeback", [](config::WorkerConfig& config) { config.set_writeback(true); },
               With([](FuseOptions& options) { options.writeback = true; })},
        Switch{"AllowMmap", [](config::WorkerConfig& config) { config.set_allow_mmap(true); },
               With([](FuseOptions& options) { options.allow_mmap = true; })},
        Switch{"KillprivV2", [](config::WorkerConfig& config) { config.set_killpriv_v2(true); },
               With([](FuseOptions& options) { options.killpriv_v2 = true; })},
        Switch{"NoAnnounceSubmounts",
               [](config::WorkerConfig& config) { config.set_no_announce_submounts(true); },
               With([](FuseOptions& options) { options.announce_submounts = false; })}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace postern
