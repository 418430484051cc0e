#include "worker/fuse_session.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

constexpr CachePolicy kDefaultCache;

fuse_init_in Init(uint32_t major, uint32_t minor, uint32_t flags = 0, uint32_t flags2 = 0) {
  fuse_init_in init{};
  init.major = major;
  init.minor = minor;
  init.max_readahead = 0x20000;
  init.flags = flags;
  init.flags2 = flags2;
  return init;
}

TEST(FuseNegotiationTest, Version6IsTooOld) {
  EXPECT_EQ(NegotiateFuse(Init(6, 99), kDefaultCache).errno_value(), EPROTO);
}

TEST(FuseNegotiationTest, Version7_26IsTooOld) {
  EXPECT_EQ(NegotiateFuse(Init(7, 26), kDefaultCache).errno_value(), EPROTO);
}

TEST(FuseNegotiationTest, Version7_27IsTheOldestServed) {
  EXPECT_TRUE(NegotiateFuse(Init(7, 27), kDefaultCache).ok());
}

TEST(FuseNegotiationTest, OurVersionIsNamedToAnOlderGuest) {
  const auto negotiation = NegotiateFuse(Init(7, 31), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->reply.major, 7u);
  EXPECT_EQ(negotiation->reply.minor, uint32_t{FUSE_KERNEL_MINOR_VERSION});
}

TEST(FuseNegotiationTest, OurVersionIsNamedToANewerGuest) {
  const auto negotiation = NegotiateFuse(Init(7, 99), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->reply.major, 7u);
  EXPECT_EQ(negotiation->reply.minor, uint32_t{FUSE_KERNEL_MINOR_VERSION});
  EXPECT_EQ(negotiation->reply.max_write, 1048576u);
}

TEST(FuseNegotiationTest, Version8IsToldOursAndNothingIsEnabled) {
  const auto negotiation = NegotiateFuse(Init(8, 0, UINT32_MAX, UINT32_MAX), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->reply.major, 7u);
  EXPECT_EQ(negotiation->reply.minor, uint32_t{FUSE_KERNEL_MINOR_VERSION});
  EXPECT_EQ(negotiation->flags, 0u);
  EXPECT_EQ(negotiation->reply.flags, 0u);
}

TEST(FuseNegotiationTest, LimitsAreVirtiofsds) {
  const auto negotiation = NegotiateFuse(Init(7, 38, FUSE_MAX_PAGES), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  const fuse_init_out& reply = negotiation->reply;
  EXPECT_EQ(reply.max_readahead, 0x20000u);
  EXPECT_EQ(reply.max_background, 65535);
  EXPECT_EQ(reply.congestion_threshold, 49149);
  EXPECT_EQ(reply.max_write, 1048576u);
  EXPECT_EQ(reply.time_gran, 1u);
  EXPECT_EQ(reply.max_pages, 256);
  EXPECT_EQ(reply.map_alignment, 0);
}

TEST(FuseNegotiationTest, EverythingOfferedEnablesExactlyWhatIsWanted) {
  const auto negotiation = NegotiateFuse(Init(7, 38, UINT32_MAX, UINT32_MAX), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  // ASYNC_READ 0, ATOMIC_O_TRUNC 3, BIG_WRITES 5, HAS_IOCTL_DIR 11, AUTO_INVAL_DATA 12,
  // DO_READDIRPLUS 13, READDIRPLUS_AUTO 14, ASYNC_DIO 15, PARALLEL_DIROPS 18, MAX_PAGES 22,
  // SUBMOUNTS 27, INIT_EXT 30.
  EXPECT_EQ(negotiation->reply.flags, 0x4844'f829u);
  // CREATE_SUPP_GROUP 34, ALLOW_IDMAP 40.
  EXPECT_EQ(negotiation->reply.flags2, 0x104u);
  EXPECT_EQ(negotiation->flags, 0x104'4844'f829u);
}

TEST(FuseNegotiationTest, NothingOfferedEnablesNothing) {
  const auto negotiation = NegotiateFuse(Init(7, 38), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, 0u);
  EXPECT_EQ(negotiation->reply.flags, 0u);
  EXPECT_EQ(negotiation->reply.flags2, 0u);
}

TEST(FuseNegotiationTest, SecondWordIsIgnoredWithoutInitExt) {
  const auto negotiation = NegotiateFuse(Init(7, 38, FUSE_ASYNC_READ, UINT32_MAX), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, uint64_t{FUSE_ASYNC_READ});
  EXPECT_EQ(negotiation->reply.flags2, 0u);
  EXPECT_FALSE(negotiation->enabled(kFuseCreateSuppGroup));
}

TEST(FuseNegotiationTest, SecondWordCountsWithInitExt) {
  const auto negotiation = NegotiateFuse(Init(7, 38, FUSE_INIT_EXT, 1u << 2), kDefaultCache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_TRUE(negotiation->enabled(kFuseCreateSuppGroup));
  EXPECT_EQ(negotiation->reply.flags, uint32_t{FUSE_INIT_EXT});
  EXPECT_EQ(negotiation->reply.flags2, 4u);
}

TEST(FuseNegotiationTest, ReaddirplusIsOffWhenTheCachePolicySaysSo) {
  CachePolicy cache;
  cache.readdirplus = false;
  const auto negotiation =
      NegotiateFuse(Init(7, 38, FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO), cache);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, 0u);
}

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

// DIRECT_IO 1, KEEP_CACHE 2, CACHE_DIR 8.
INSTANTIATE_TEST_SUITE_P(
    All, CachePolicyTest,
    testing::Values(CacheExpectation{config::CACHE_MODE_UNSPECIFIED, 1, 0, 0, true},
                    CacheExpectation{config::CACHE_MODE_NEVER, 0, 1, 0, false},
                    CacheExpectation{config::CACHE_MODE_METADATA, 86400, 1, 10, true},
                    CacheExpectation{config::CACHE_MODE_AUTO, 1, 0, 0, true},
                    CacheExpectation{config::CACHE_MODE_ALWAYS, 86400, 2, 10, true}));

TEST(FuseSessionTest, IsInactiveUntilItBeginsAndAfterItEnds) {
  FuseSession session;
  EXPECT_FALSE(session.active());
  EXPECT_FALSE(session.enabled(FUSE_ASYNC_READ));
  session.Begin(FUSE_ASYNC_READ);
  EXPECT_TRUE(session.active());
  EXPECT_TRUE(session.enabled(FUSE_ASYNC_READ));
  EXPECT_FALSE(session.enabled(FUSE_BIG_WRITES));
  session.End();
  EXPECT_FALSE(session.active());
}

TEST(FuseSessionTest, ASecondBeginReplacesTheFlags) {
  FuseSession session;
  session.Begin(FUSE_ASYNC_READ);
  session.Begin(FUSE_BIG_WRITES);
  EXPECT_FALSE(session.enabled(FUSE_ASYNC_READ));
  EXPECT_TRUE(session.enabled(FUSE_BIG_WRITES));
}

}  // namespace
}  // namespace postern
