#include "sandbox/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "common/build_info.h"
#include "sandbox/option_table.h"

namespace postern {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

using Arguments = std::vector<std::string>;

// The least that posternd starts with, and what a test adds.
Arguments With(const Arguments& added) {
  Arguments arguments = {"--shared-dir", "/share", "--socket-path", "/run/s"};
  arguments.insert(arguments.end(), added.begin(), added.end());
  return arguments;
}

Options Parsed(const Arguments& arguments) {
  auto result = ParseOptions(arguments);
  if (const auto* exit = std::get_if<EarlyExit>(&result)) {
    ADD_FAILURE() << exit->status << ": " << exit->text;
    return {};
  }
  return std::get<Options>(result);
}

EarlyExit Exit(const Arguments& arguments) {
  auto result = ParseOptions(arguments);
  if (const auto* exit = std::get_if<EarlyExit>(&result)) return *exit;
  ADD_FAILURE() << "accepted";
  return {-1, ""};
}

// The text of a usage error; checks that it is one.
std::string UsageError(const Arguments& arguments) {
  const EarlyExit exit = Exit(arguments);
  EXPECT_EQ(exit.status, 2);
  EXPECT_THAT(exit.text, AllOf(StartsWith("error: "), HasSubstr("\nUsage: posternd ")));
  return exit.text;
}

TEST(OptionsTest, LeastCommandLineGivesTheDefaults) {
  const Options options = Parsed(With({}));
  EXPECT_EQ(options.shared_dir, "/share");
  EXPECT_EQ(options.socket_path, "/run/s");
  EXPECT_EQ(options.fd, std::nullopt);
  EXPECT_EQ(options.socket_group, std::nullopt);
  EXPECT_EQ(options.tag, "");
  EXPECT_EQ(options.log_level, LogLevel::kInfo);
  EXPECT_EQ(options.thread_pool_size, 0u);
  EXPECT_EQ(options.request_queues, std::nullopt);
  EXPECT_EQ(options.sandbox, config::SANDBOX_MODE_NAMESPACE);
  EXPECT_EQ(options.seccomp, config::SECCOMP_ACTION_KILL);
  EXPECT_FALSE(options.xattr);
}

TEST(OptionsTest, ValuesMayFollowAnEqualsSign) {
  const Options options = Parsed({"--shared-dir=/a=b", "--socket-path=/run/t"});
  EXPECT_EQ(options.shared_dir, "/a=b");
  EXPECT_EQ(options.socket_path, "/run/t");
}

TEST(OptionsTest, LibvirtsCommandLineIsAccepted) {
  const Options options = Parsed({"--fd=27", "--shared-dir", "/srv/export", "--sandbox", "chroot",
                                  "--xattr", "--thread-pool-size=16", "--log-level", "debug"});
  EXPECT_EQ(options.fd, 27);
  EXPECT_EQ(options.socket_path, std::nullopt);
  EXPECT_EQ(options.shared_dir, "/srv/export");
  EXPECT_EQ(options.sandbox, config::SANDBOX_MODE_CHROOT);
  EXPECT_EQ(options.thread_pool_size, 16u);
  EXPECT_EQ(options.log_level, LogLevel::kDebug);
  EXPECT_TRUE(options.xattr);
}

TEST(OptionsTest, RepeatedOptionTakesItsLastValue) {
  const Options options = Parsed(With(
      {"--tag", "a", "--tag=b", "--xattr", "--xattr", "--sandbox=none", "--sandbox", "chroot"}));
  EXPECT_EQ(options.tag, "b");
  EXPECT_EQ(options.sandbox, config::SANDBOX_MODE_CHROOT);
}

TEST(OptionsTest, SocketGroupIsTaken) {
  EXPECT_EQ(Parsed(With({"--socket-group", "kvm"})).socket_group, "kvm");
}

TEST(OptionsTest, SandboxIsCaseInsensitive) {
  EXPECT_EQ(Parsed(With({"--sandbox=NameSpace"})).sandbox, config::SANDBOX_MODE_NAMESPACE);
  EXPECT_EQ(Parsed(With({"--sandbox=NONE"})).sandbox, config::SANDBOX_MODE_NONE);
  EXPECT_EQ(Parsed(With({"--cache=Always"})).cache, config::CACHE_MODE_ALWAYS);
  EXPECT_EQ(Parsed(With({"--cache", "never"})).cache, config::CACHE_MODE_NEVER);
  EXPECT_EQ(Parsed(With({"--cache", "metadata"})).cache, config::CACHE_MODE_METADATA);
}

TEST(OptionsTest, SeccompActionsAreTaken) {
  EXPECT_EQ(Parsed(With({"--seccomp=kill"})).seccomp, config::SECCOMP_ACTION_KILL);
  EXPECT_EQ(Parsed(With({"--seccomp=log"})).seccomp, config::SECCOMP_ACTION_LOG);
  EXPECT_EQ(Parsed(With({"--seccomp=trap"})).seccomp, config::SECCOMP_ACTION_TRAP);
  EXPECT_EQ(Parsed(With({"--seccomp", "none"})).seccomp, config::SECCOMP_ACTION_NONE);
}

TEST(OptionsTest, LogLevelIsCaseInsensitive) {
  EXPECT_EQ(Parsed(With({"--log-level=WARN"})).log_level, LogLevel::kWarn);
  EXPECT_EQ(Parsed(With({"--log-level=off"})).log_level, LogLevel::kOff);
}

TEST(OptionsTest, NumbersAtTheirLimitsAreTaken) {
  EXPECT_EQ(Parsed(With({"--request-queues=1"})).request_queues, 1u);
  EXPECT_EQ(Parsed(With({"--request-queues=64"})).request_queues, 64u);
  EXPECT_EQ(Parsed(With({"--thread-pool-size=0"})).thread_pool_size, 0u);
  EXPECT_EQ(Parsed(With({"--tag", std::string(36, 't')})).tag.size(), 36u);
  EXPECT_EQ(Parsed({"--shared-dir=/s", "--fd=0"}).fd, 0);
}

TEST(OptionsTest, NumbersBeyondTheirLimitsAreRefused) {
  EXPECT_THAT(UsageError(With({"--request-queues=0"})), HasSubstr("not a number from 1 to 64"));
  EXPECT_THAT(UsageError(With({"--request-queues=65"})), HasSubstr("'--request-queues'"));
  EXPECT_THAT(UsageError(With({"--request-queues=0x2"})), HasSubstr("'0x2'"));
  EXPECT_THAT(UsageError(With({"--thread-pool-size=-1"})), HasSubstr("not a number of threads"));
  EXPECT_THAT(UsageError(With({"--thread-pool-size=4294967296"})),
              HasSubstr("not a number of threads"));
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=-1"}), HasSubstr("not a descriptor"));
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=x"}), HasSubstr("not a descriptor"));
  EXPECT_THAT(UsageError(With({"--tag", std::string(37, 't')})), HasSubstr("1 to 36 bytes"));
}

TEST(OptionsTest, UnknownValuesAreRefused) {
  EXPECT_THAT(UsageError(With({"--sandbox=jail"})), HasSubstr("invalid value 'jail'"));
  EXPECT_THAT(UsageError(With({"--cache=none"})), HasSubstr("invalid value 'none'"));
  EXPECT_THAT(UsageError(With({"--seccomp=KILL"})), HasSubstr("not one of none, kill, log, trap"));
  EXPECT_THAT(UsageError(With({"--log-level=loud"})), HasSubstr("not one of error"));
}

TEST(OptionsTest, EmptyPathsAreRefused) {
  UsageError({"--shared-dir=", "--socket-path=/run/s"});
  UsageError({"--shared-dir=/s", "--socket-path", ""});
  UsageError(With({"--socket-group", ""}));
  UsageError(With({"--tag", ""}));
}

TEST(OptionsTest, UnknownOptionsAreRefused) {
  EXPECT_THAT(UsageError(With({"--source=/x"})), HasSubstr("--source"));
  UsageError(With({"-x"}));
  UsageError(With({"word"}));
}

TEST(OptionsTest, AbbreviatedOptionsAreRefused) { UsageError(With({"--sand=none"})); }

TEST(OptionsTest, MissingValueIsRefused) { UsageError(With({"--tag"})); }

TEST(OptionsTest, FlagWithValueIsRefused) { UsageError(With({"--xattr=maybe"})); }

TEST(OptionsTest, FdExcludesSocketPath) {
  EXPECT_THAT(UsageError(With({"--fd=3"})), HasSubstr("--fd can't be used with --socket-path"));
}

TEST(OptionsTest, SocketGroupNeedsASocketOfOurOwn) {
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=3", "--socket-group=kvm"}),
              HasSubstr("--socket-group can't be used with --fd"));
  EXPECT_THAT(UsageError({"--print-capabilities", "--socket-group=kvm"}),
              HasSubstr("--print-capabilities"));
}

TEST(OptionsTest, SharedDirIsRequired) {
  EXPECT_THAT(UsageError({"--socket-path=/run/s"}), HasSubstr("--shared-dir is required"));
}

TEST(OptionsTest, SocketIsRequired) {
  EXPECT_THAT(UsageError({"--shared-dir=/s"}), HasSubstr("--socket-path"));
}

TEST(OptionsTest, NoArgumentsGiveHelpWithStatus2) {
  const EarlyExit exit = Exit({});
  EXPECT_EQ(exit.status, 2);
  EXPECT_THAT(exit.text, AllOf(HasSubstr("\nUsage: "), HasSubstr("--shared-dir PATH")));
}

TEST(OptionsTest, HelpNamesEveryOption) {
  const EarlyExit brief = Exit({"-h"});
  const EarlyExit full = Exit({"--help"});
  EXPECT_EQ(brief.status, 0);
  EXPECT_EQ(full.status, 0);
  for (const OptionRow& row : OptionTable()) {
    EXPECT_THAT(brief.text, HasSubstr(row.LongName()));
    EXPECT_THAT(full.text, HasSubstr(row.LongName()));
  }
  EXPECT_LT(brief.text.size(), full.text.size());
}

TEST(OptionsTest, VersionIsPrinted) {
  const std::string expected = "posternd " + std::string(kVersion) + "\n";
  EXPECT_EQ(Exit({"--version"}).text, expected);
  EXPECT_EQ(Exit({"-V"}).text, expected);
  EXPECT_EQ(Exit({"-V"}).status, 0);
}

TEST(OptionsTest, PrintCapabilitiesNeedsNothingElse) {
  const EarlyExit exit = Exit({"--print-capabilities"});
  EXPECT_EQ(exit.status, 0);
  EXPECT_EQ(exit.text,
            "{\n  \"type\": \"fs\",\n  \"features\": [\n    \"separate-options\"\n  ]\n}\n");
}

TEST(OptionsTest, PrintCapabilitiesStillRefusesABadOption) {
  UsageError({"--print-capabilities", "--sandbox=jail"});
  EXPECT_EQ(Exit(With({"--print-capabilities"})).status, 0);
}

}  // namespace
}  // namespace postern
