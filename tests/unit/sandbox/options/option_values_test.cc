// The values that each option takes and refuses.
#include "sandbox/options/option_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/unit/sandbox/parsed_options.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(OptionValuesTest, SandboxIsCaseInsensitive) {
  EXPECT_EQ(Parsed(With({"--sandbox=NameSpace"})).sandbox, config::SANDBOX_MODE_NAMESPACE);
  EXPECT_EQ(Parsed(With({"--sandbox=CHROOT"})).sandbox, config::SANDBOX_MODE_CHROOT);
  EXPECT_EQ(Parsed(With({"--sandbox=none"})).sandbox, config::SANDBOX_MODE_NONE);
  EXPECT_THAT(
      UsageError(With({"--sandbox=jail"})),
      HasSubstr("invalid value 'jail' for '--sandbox': not one of namespace, chroot, none"));
}

TEST(OptionValuesTest, CacheIsCaseInsensitive) {
  EXPECT_EQ(Parsed(With({"--cache=Always"})).cache, config::CACHE_MODE_ALWAYS);
  EXPECT_EQ(Parsed(With({"--cache=NEVER"})).cache, config::CACHE_MODE_NEVER);
  EXPECT_EQ(Parsed(With({"--cache", "metadata"})).cache, config::CACHE_MODE_METADATA);
  EXPECT_EQ(Parsed(With({"--cache", "auto"})).cache, config::CACHE_MODE_AUTO);
  EXPECT_THAT(UsageError(With({"--cache=none"})),
              HasSubstr("not one of auto, always, never, metadata"));
}

TEST(OptionValuesTest, SeccompIsCaseSensitive) {
  EXPECT_EQ(Parsed(With({"--seccomp=kill"})).seccomp, config::SECCOMP_ACTION_KILL);
  EXPECT_EQ(Parsed(With({"--seccomp=log"})).seccomp, config::SECCOMP_ACTION_LOG);
  EXPECT_EQ(Parsed(With({"--seccomp=trap"})).seccomp, config::SECCOMP_ACTION_TRAP);
  EXPECT_EQ(Parsed(With({"--seccomp", "none"})).seccomp, config::SECCOMP_ACTION_NONE);
  EXPECT_THAT(UsageError(With({"--seccomp=KILL"})), HasSubstr("not one of none, kill, log, trap"));
}

TEST(OptionValuesTest, InodeFileHandlesAreCaseSensitive) {
  const auto handles = [](const char* value) {
    return Parsed(With({std::string("--inode-file-handles=") + value})).inode_file_handles;
  };
  EXPECT_EQ(handles("never"), config::INODE_FILE_HANDLES_NEVER);
  EXPECT_EQ(handles("prefer"), config::INODE_FILE_HANDLES_PREFER);
  EXPECT_EQ(handles("mandatory"), config::INODE_FILE_HANDLES_MANDATORY);
  EXPECT_THAT(UsageError(With({"--inode-file-handles=Never"})),
              HasSubstr("not one of never, prefer, mandatory"));
  UsageError(With({"--inode-file-handles="}));
}

TEST(OptionValuesTest, FallbackIsADeprecatedPrefer) {
  const Options options = Parsed(With({"--inode-file-handles=fallback"}));
  EXPECT_EQ(options.inode_file_handles, config::INODE_FILE_HANDLES_PREFER);
  EXPECT_TRUE(options.inode_file_handles_fallback);
  EXPECT_FALSE(Parsed(With({"--inode-file-handles=fallback", "--inode-file-handles=never"}))
                   .inode_file_handles_fallback);
}

TEST(OptionValuesTest, LogLevelIsCaseInsensitive) {
  EXPECT_EQ(Parsed(With({"--log-level=WARN"})).log_level, LogLevel::kWarn);
  EXPECT_EQ(Parsed(With({"--log-level=error"})).log_level, LogLevel::kError);
  EXPECT_EQ(Parsed(With({"--log-level=trace"})).log_level, LogLevel::kTrace);
  EXPECT_EQ(Parsed(With({"--log-level=off"})).log_level, LogLevel::kOff);
  EXPECT_THAT(UsageError(With({"--log-level=loud"})), HasSubstr("not one of error"));
}

TEST(OptionValuesTest, MigrationWordsAreTaken) {
  EXPECT_EQ(Parsed(With({"--migration-mode=file-handles"})).migration_mode,
            Options::MigrationMode::kFileHandles);
  EXPECT_EQ(Parsed(With({"--migration-mode=find-paths"})).migration_mode,
            Options::MigrationMode::kFindPaths);
  EXPECT_TRUE(Parsed(With({"--migration-on-error=guest-error"})).migration_guest_error);
  EXPECT_FALSE(Parsed(With({"--migration-on-error=abort"})).migration_guest_error);
  EXPECT_THAT(UsageError(With({"--migration-mode=Find-Paths"})),
              HasSubstr("not one of find-paths, file-handles"));
  EXPECT_THAT(UsageError(With({"--migration-on-error=abrt"})),
              HasSubstr("not one of abort, guest-error"));
}

TEST(OptionValuesTest, NumbersAtTheirLimitsAreTaken) {
  EXPECT_EQ(Parsed(With({"--request-queues=1"})).request_queues, 1u);
  EXPECT_EQ(Parsed(With({"--request-queues=64"})).request_queues, 64u);
  EXPECT_EQ(Parsed(With({"--thread-pool-size=0"})).thread_pool_size, 0u);
  EXPECT_EQ(Parsed(With({})).poll_us, 50u);
  EXPECT_EQ(Parsed(With({"--poll-us=0"})).poll_us, 0u);
  EXPECT_EQ(Parsed(With({"--poll-us=10000"})).poll_us, 10'000u);
  EXPECT_EQ(Parsed({"--shared-dir=/s", "--fd=0"}).fd, 0);
  EXPECT_EQ(Parsed(With({"--rlimit-nofile=0"})).rlimit_nofile, 0u);
  EXPECT_EQ(Parsed(With({"--rlimit-nofile=+5"})).rlimit_nofile, 5u);
  EXPECT_EQ(Parsed(With({})).max_inodes, 16'777'216u);
  EXPECT_EQ(Parsed(With({"--max-inodes=0"})).max_inodes, 0u);
  EXPECT_EQ(Parsed(With({"--max-inodes=100"})).max_inodes, 100u);
  EXPECT_EQ(Parsed(With({"--rlimit-nofile=18446744073709551615"})).rlimit_nofile,
            std::numeric_limits<uint64_t>::max());
}

TEST(OptionValuesTest, WhatIsNoNumberIsRefused) {
  EXPECT_THAT(UsageError(With({"--request-queues=0"})), HasSubstr("not a number from 1 to 64"));
  EXPECT_THAT(UsageError(With({"--request-queues=65"})), HasSubstr("'--request-queues'"));
  EXPECT_THAT(UsageError(With({"--request-queues=0x2"})), HasSubstr("'0x2'"));
  UsageError(With({"--request-queues= 2"}));
  UsageError(With({"--request-queues="}));
  UsageError(With({"--request-queues=+"}));
  UsageError(With({"--request-queues=+-2"}));
  EXPECT_THAT(UsageError(With({"--poll-us=10001"})),
              StartsWith("error: invalid value '10001' for '--poll-us'"));
  EXPECT_THAT(UsageError(With({"--poll-us=10001"})), HasSubstr("not a number from 0 to 10000\n"));
  EXPECT_THAT(UsageError(With({"--poll-us=-1"})), HasSubstr("not a number from 0 to 10000\n"));
  UsageError(With({"--poll-us=4294967296"}));
  UsageError(With({"--poll-us=50us"}));
  UsageError(With({"--poll-us="}));
  EXPECT_THAT(UsageError(With({"--thread-pool-size=-1"})), HasSubstr("not a number of threads"));
  UsageError(With({"--thread-pool-size=4294967296"}));
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=-1"}), HasSubstr("not a descriptor"));
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=x"}), HasSubstr("not a descriptor"));
  EXPECT_THAT(UsageError(With({"--rlimit-nofile=-1"})), HasSubstr("not a number of files"));
  UsageError(With({"--rlimit-nofile=18446744073709551616"}));
  EXPECT_THAT(UsageError(With({"--max-inodes=x"})), HasSubstr("not a number of files"));
}

TEST(OptionValuesTest, TagHas1To36Bytes) {
  EXPECT_EQ(Parsed(With({"--tag", std::string(36, 't')})).tag.size(), 36u);
  EXPECT_THAT(UsageError(With({"--tag", std::string(37, 't')})), HasSubstr("1 to 36 bytes"));
  EXPECT_THAT(UsageError(With({"--tag", ""})), HasSubstr("1 to 36 bytes"));
}

TEST(OptionValuesTest, NamesAreTakenAsTheyAre) {
  EXPECT_EQ(Parsed(With({"--socket-group", "kvm"})).socket_group, "kvm");
  EXPECT_EQ(Parsed(With({"--worker-user=me"})).worker_user, "me");
  EXPECT_EQ(Parsed(With({"--modcaps="})).modcaps, "");
  EXPECT_EQ(Parsed(With({"--modcaps=-chown"})).modcaps, "-chown");
}

TEST(OptionValuesTest, LevelsHaveNoOtherCharacters) {
  EXPECT_EQ(Parsed(With({"--selinux-level=s0:c1,c2"})).selinux_level, "s0:c1,c2");
  EXPECT_EQ(Parsed(With({"--selinux-level", "s0-s15:c0.c1023"})).selinux_level, "s0-s15:c0.c1023");
  for (const char* level : {"", "s0 c1", "s0:c1\n", "s0/c1"}) {
    EXPECT_THAT(UsageError(With({"--selinux-level", level})), HasSubstr("level")) << level;
  }
}

TEST(OptionValuesTest, EmptyNamesAreRefused) {
  UsageError({"--shared-dir=", "--socket-path=/run/s"});
  UsageError({"--shared-dir=/s", "--socket-path", ""});
  UsageError({"--shared-dir=/s", "--socket="});
  UsageError(With({"--socket-group", ""}));
  UsageError(With({"--worker-user", ""}));
}

TEST(OptionValuesTest, MapsAndRulesAreParsed) {
  const Options options =
      Parsed(With({"--uid-map=:0:1000:1:", "--gid-map=:0:1001:1:", "--translate-uid=guest:0:1:2",
                   "--translate-gid=guest:0:1:3", "--xattrmap=:map:::"}));
  EXPECT_EQ(options.uid_map.at(0).outside, 1000u);
  EXPECT_EQ(options.gid_map.at(0).outside, 1001u);
  EXPECT_EQ(options.translate_uid.at(0).count, 2u);
  EXPECT_EQ(options.translate_gid.at(0).count, 3u);
  EXPECT_EQ(options.xattr_map.size(), 2u);
}

TEST(OptionValuesTest, MalformedMapsAndRulesAreRefused) {
  EXPECT_THAT(UsageError(With({"--uid-map=0:1:1"})), HasSubstr("for '--uid-map': not of the form"));
  EXPECT_THAT(UsageError(With({"--gid-map=0:1:1"})), HasSubstr("for '--gid-map'"));
  EXPECT_THAT(UsageError(With({"--translate-uid=x"})), HasSubstr("for '--translate-uid'"));
  EXPECT_THAT(UsageError(With({"--translate-gid=x"})), HasSubstr("for '--translate-gid'"));
  EXPECT_THAT(UsageError(With({"--xattrmap=x"})), HasSubstr("for '--xattrmap'"));
}

TEST(OptionValuesTest, CompatOptionsAreKept) {
  EXPECT_THAT(Parsed(With({"-o", "xattr", "-owriteback", "-o=no_flock"})).compat_options,
              ElementsAre("xattr", "writeback", "no_flock"));
}

}  // namespace
}  // namespace postern
