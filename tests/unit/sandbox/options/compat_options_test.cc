#include "sandbox/options/compat_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/sandbox/parsed_options.h"

namespace postern {
namespace {

using testing::HasSubstr;

Options Applied(const std::string& list) { return Parsed(With({"-o", list})); }

// Items that switch a field.
struct SwitchRow {
  const char* item;
  bool Options::*field;
  bool on;
};
constexpr SwitchRow kSwitches[] = {
    {"xattr", &Options::xattr, true},
    {"no_xattr", &Options::xattr, false},
    {"readdirplus", &Options::no_readdirplus, false},
    {"no_readdirplus", &Options::no_readdirplus, true},
    {"writeback", &Options::writeback, true},
    {"no_writeback", &Options::writeback, false},
    {"allow_direct_io", &Options::allow_direct_io, true},
    {"no_allow_direct_io", &Options::allow_direct_io, false},
    {"killpriv_v2", &Options::killpriv_v2, true},
    {"no_killpriv_v2", &Options::killpriv_v2, false},
    {"posix_acl", &Options::posix_acl, true},
    {"no_posix_acl", &Options::posix_acl, false},
    {"security_label", &Options::security_label, true},
    {"no_security_label", &Options::security_label, false},
};
class SwitchTest : public testing::TestWithParam<SwitchRow> {};
INSTANTIATE_TEST_SUITE_P(, SwitchTest, testing::ValuesIn(kSwitches),
                         [](const auto& row) { return std::string(row.param.item); });

TEST_P(SwitchTest, SetsItsFieldOnly) {
  const auto [item, field, on] = GetParam();
  for (const bool before : {false, true}) {
    Options options;
    for (const SwitchRow& row : kSwitches) options.*row.field = before;
    ASSERT_TRUE(ApplyCompatOptions(item, options).ok());
    EXPECT_EQ(options.*field, on);
    for (const SwitchRow& row : kSwitches) {
      if (row.field == field) continue;
      EXPECT_EQ(options.*row.field, before) << row.item;
    }
  }
}

TEST_P(SwitchTest, TakesNoValue) {
  const std::string item = std::string(GetParam().item) + "=1";
  EXPECT_THAT(UsageError(With({"-o", item})),
              HasSubstr("Invalid compat argument '-o " + item + "'"));
}

TEST(CompatOptionsTest, SourceIsTheSharedDir) {
  EXPECT_EQ(Parsed({"--socket-path=/run/s", "-o", "source=/x"}).shared_dir, "/x");
}

TEST(CompatOptionsTest, CacheHasNoneForNever) {
  EXPECT_EQ(Applied("cache=none").cache, config::CACHE_MODE_NEVER);
  EXPECT_EQ(Applied("cache=auto").cache, config::CACHE_MODE_AUTO);
  EXPECT_EQ(Applied("cache=always").cache, config::CACHE_MODE_ALWAYS);
  EXPECT_EQ(Applied("cache=metadata").cache, config::CACHE_MODE_METADATA);
  EXPECT_THAT(UsageError(With({"-o", "cache=never"})),
              HasSubstr("Invalid compat value 'never' for '-o cache'"));
  UsageError(With({"-o", "cache=Auto"}));
}

TEST(CompatOptionsTest, LogLevelHasFourWords) {
  EXPECT_EQ(Applied("loglevel=err").log_level, LogLevel::kError);
  EXPECT_EQ(Applied("loglevel=warn").log_level, LogLevel::kWarn);
  EXPECT_EQ(Applied("loglevel=info").log_level, LogLevel::kInfo);
  EXPECT_EQ(Applied("loglevel=debug").log_level, LogLevel::kDebug);
  for (const char* word : {"error", "trace", "off", "WARN"}) {
    EXPECT_THAT(UsageError(With({"-o", std::string("loglevel=") + word})),
                HasSubstr("for '-o loglevel'"));
  }
}

TEST(CompatOptionsTest, SandboxHasNoNone) {
  EXPECT_EQ(Applied("sandbox=chroot").sandbox, config::SANDBOX_MODE_CHROOT);
  EXPECT_EQ(Applied("sandbox=namespace").sandbox, config::SANDBOX_MODE_NAMESPACE);
  EXPECT_THAT(UsageError(With({"-o", "sandbox=none"})), HasSubstr("for '-o sandbox'"));
  UsageError(With({"-o", "sandbox=Chroot"}));
}

TEST(CompatOptionsTest, ModcapsAndXattrMapAreTaken) {
  EXPECT_EQ(Applied("modcaps=+sys_admin").modcaps, "+sys_admin");
  EXPECT_TRUE(Applied("xattrmap=:ok:all:::").WantsXattr());
  EXPECT_THAT(UsageError(With({"-o", "xattrmap=:foo:"})),
              HasSubstr("Invalid compat value ':foo:' for '-o xattrmap'"));
}

TEST(CompatOptionsTest, LocksCanOnlyBeOff) {
  Applied("no_posix_lock,no_flock");
  for (const char* item : {"posix_lock", "flock", "timeout=1", "vhost_user_socket=/s",
                           "no_announce_submounts", "source", "cache"}) {
    EXPECT_THAT(UsageError(With({"-o", item})), HasSubstr("Invalid compat argument"));
  }
}

TEST(CompatOptionsTest, ItemsApplyInOrderAfterAllOtherOptions) {
  const Options options =
      Parsed({"--socket-path=/run/s", "-o", "source=/a,xattr,cache=none", "-o",
              "no_xattr,source=/b", "--shared-dir=/c", "--xattr", "--cache=always"});
  EXPECT_EQ(options.shared_dir, "/b");
  EXPECT_FALSE(options.xattr);
  EXPECT_EQ(options.cache, config::CACHE_MODE_NEVER);
}

TEST(CompatOptionsTest, AnnounceSubmountsDoesNotTakeTheFlagBack) {
  EXPECT_TRUE(
      Parsed(With({"--no-announce-submounts", "-o", "announce_submounts"})).no_announce_submounts);
  EXPECT_FALSE(Applied("announce_submounts").no_announce_submounts);
}

TEST(CompatOptionsTest, EmptyItemsAreRefused) {
  for (const char* list : {"", ",", "xattr,", ",xattr", "xattr,,,writeback"}) {
    EXPECT_THAT(UsageError(With({"-o", list})), HasSubstr("Invalid compat argument '-o ")) << list;
  }
  EXPECT_THAT(UsageError(With({"-o", ""})), HasSubstr("Invalid compat argument '-o '"));
}

TEST(CompatOptionsTest, DoubledCommaIsACommaInAnItem) {
  EXPECT_EQ(Applied("source=/a,,b,,,,c,xattr").shared_dir, "/a,b,,c");
  EXPECT_THAT(UsageError(With({"-o", "xattr,,xattr"})),
              HasSubstr("Invalid compat argument '-o xattr,xattr'"));
}

TEST(CompatOptionsTest, ItemHasOneEqualsSign) {
  EXPECT_THAT(UsageError(With({"-o", "source=/a=b"})),
              HasSubstr("Invalid compat argument '-o source=/a=b'"));
}

}  // namespace
}  // namespace postern
