// The command line as a whole. The options' values have a test of their own each.
#include "sandbox/options/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/build_info.h"
#include "sandbox/options/option_table.h"
#include "tests/unit/sandbox/parsed_options.h"

namespace postern {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(OptionsTest, LeastCommandLineGivesTheDefaults) {
  const Options options = Parsed(With({}));
  EXPECT_EQ(options.shared_dir, "/share");
  EXPECT_EQ(options.socket_path, "/run/s");
  EXPECT_EQ(options.socket, std::nullopt);
  EXPECT_EQ(options.fd, std::nullopt);
  EXPECT_EQ(options.socket_group, std::nullopt);
  EXPECT_EQ(options.tag, "");
  EXPECT_EQ(options.log_level, LogLevel::kInfo);
  EXPECT_FALSE(options.debug);
  EXPECT_FALSE(options.syslog);
  EXPECT_EQ(options.thread_pool_size, 0u);
  EXPECT_EQ(options.request_queues, std::nullopt);
  EXPECT_EQ(options.poll_us, 50u);
  EXPECT_EQ(options.rlimit_nofile, std::nullopt);
  EXPECT_EQ(options.sandbox, config::SANDBOX_MODE_NAMESPACE);
  EXPECT_EQ(options.seccomp, config::SECCOMP_ACTION_KILL);
  EXPECT_EQ(options.modcaps, std::nullopt);
  EXPECT_EQ(options.worker_user, std::nullopt);
  EXPECT_EQ(options.selinux_level, std::nullopt);
  EXPECT_THAT(options.uid_map, IsEmpty());
  EXPECT_THAT(options.gid_map, IsEmpty());
  EXPECT_EQ(options.cache, config::CACHE_MODE_AUTO);
  EXPECT_EQ(options.inode_file_handles, config::INODE_FILE_HANDLES_PREFER);
  EXPECT_THAT(options.translate_uid, IsEmpty());
  EXPECT_THAT(options.translate_gid, IsEmpty());
  EXPECT_EQ(options.migration_mode, Options::MigrationMode::kFindPaths);
  EXPECT_FALSE(options.migration_guest_error);
  EXPECT_FALSE(options.WantsXattr());
}

// Each flag, alone, sets its field and no other flag's.
struct FlagRow {
  const char* option;
  bool Options::*field;
};
constexpr FlagRow kFlags[] = {
    {"--syslog", &Options::syslog},
    {"-d", &Options::debug},
    {"-f", &Options::compat_foreground},
    {"--xattr", &Options::xattr},
    {"--posix-acl", &Options::posix_acl},
    {"--security-label", &Options::security_label},
    {"--readonly", &Options::readonly},
    {"--writeback", &Options::writeback},
    {"--no-readdirplus", &Options::no_readdirplus},
    {"--allow-mmap", &Options::allow_mmap},
    {"--allow-direct-io", &Options::allow_direct_io},
    {"--killpriv-v2", &Options::killpriv_v2},
    {"--no-announce-submounts", &Options::no_announce_submounts},
    {"--preserve-noatime", &Options::preserve_noatime},
    {"--migration-verify-handles", &Options::migration_verify_handles},
    {"--migration-confirm-paths", &Options::migration_confirm_paths},
};
class FlagTest : public testing::TestWithParam<FlagRow> {};
INSTANTIATE_TEST_SUITE_P(, FlagTest, testing::ValuesIn(kFlags), [](const auto& row) {
  std::string name;
  for (const char* c = row.param.option; *c != '\0'; ++c) name += *c == '-' ? '_' : *c;
  return name;
});

TEST_P(FlagTest, SetsItsFieldOnly) {
  const Options without = Parsed(With({}));
  const Options with = Parsed(With({GetParam().option}));
  for (const FlagRow& row : kFlags) {
    EXPECT_FALSE(without.*row.field) << row.option;
    EXPECT_EQ(with.*row.field, row.option == GetParam().option) << row.option;
  }
}

TEST_P(FlagTest, TakesNoValueAndMayBeRepeated) {
  UsageError(With({std::string(GetParam().option) + "=maybe"}));
  EXPECT_TRUE(Parsed(With({GetParam().option, GetParam().option})).*GetParam().field);
}

TEST(OptionsTest, LaterOfTwoOppositeFlagsHolds) {
  EXPECT_FALSE(
      Parsed(With({"--no-announce-submounts", "--announce-submounts"})).no_announce_submounts);
  EXPECT_TRUE(
      Parsed(With({"--announce-submounts", "--no-announce-submounts"})).no_announce_submounts);
  EXPECT_FALSE(Parsed(With({"--killpriv-v2", "--no-killpriv-v2"})).killpriv_v2);
  EXPECT_TRUE(Parsed(With({"--no-killpriv-v2", "--killpriv-v2"})).killpriv_v2);
}

struct OfferRow {
  const char* option;
  bool Options::*offered;
  bool Options::*may_lack;
};
class OfferTest : public testing::TestWithParam<OfferRow> {};
INSTANTIATE_TEST_SUITE_P(, OfferTest,
                         testing::Values(OfferRow{"--posix-acl", &Options::posix_acl,
                                                  &Options::posix_acl_auto},
                                         OfferRow{"--security-label", &Options::security_label,
                                                  &Options::security_label_auto}));

TEST_P(OfferTest, HasThreeValuesAndMeansAlwaysWithoutOne) {
  const std::string name = GetParam().option;
  const auto offer = [&](const std::string& text) {
    const Options options = Parsed(With({text}));
    return std::pair(options.*GetParam().offered, options.*GetParam().may_lack);
  };
  EXPECT_EQ(offer(name), std::pair(true, false));
  EXPECT_EQ(offer(name + "=always"), std::pair(true, false));
  EXPECT_EQ(offer(name + "=auto"), std::pair(true, true));
  EXPECT_EQ(offer(name + "=never"), std::pair(false, false));
  const Options later = Parsed(With({name + "=auto", name}));
  EXPECT_FALSE(later.*GetParam().may_lack) << "the later of two holds";
}

TEST_P(OfferTest, TakesItsValueFromNowhereElse) {
  const std::string name = GetParam().option;
  EXPECT_THAT(UsageError(With({name, "auto"})), HasSubstr("unexpected argument 'auto'"));
  EXPECT_THAT(UsageError(With({name + "=Auto"})), HasSubstr("not one of never, auto, always"));
  EXPECT_THAT(UsageError(With({name + "="})), HasSubstr("not one of never, auto, always"));
}

TEST(OptionsTest, XattrIsImplied) {
  EXPECT_TRUE(Parsed(With({"--xattr"})).WantsXattr());
  EXPECT_TRUE(Parsed(With({"--posix-acl"})).WantsXattr());
  EXPECT_TRUE(Parsed(With({"--security-label"})).WantsXattr());
  EXPECT_TRUE(Parsed(With({"--xattrmap=:ok:all:::"})).WantsXattr());
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
  const Options options = Parsed(With({"--tag", "a", "--tag=b", "--sandbox=none", "--sandbox",
                                       "chroot", "--xattrmap=:ok:all:::", "--xattrmap=:map:::"}));
  EXPECT_EQ(options.tag, "b");
  EXPECT_EQ(options.sandbox, config::SANDBOX_MODE_CHROOT);
  EXPECT_THAT(options.xattr_map, SizeIs(2));
}

TEST(OptionsTest, OverriddenValueMustBeValidToo) {
  UsageError(With({"--sandbox=jail", "--sandbox=none"}));
}

TEST(OptionsTest, MapsAndTranslationsAccumulate) {
  const Options options =
      Parsed(With({"--uid-map=:0:1:1:", "--uid-map=:1:100:9:", "--gid-map=:0:1:1:",
                   "--translate-uid=guest:0:1:1", "--translate-uid=host:1:0:1",
                   "--translate-gid=forbid-guest:0:1"}));
  EXPECT_THAT(options.uid_map, SizeIs(2));
  EXPECT_THAT(options.gid_map, SizeIs(1));
  EXPECT_THAT(options.translate_uid, SizeIs(2));
  EXPECT_THAT(options.translate_gid, SizeIs(1));
}

TEST(OptionsTest, UnknownOptionsAreRefused) {
  EXPECT_THAT(UsageError(With({"--source=/x"})), HasSubstr("'--source'"));
  EXPECT_THAT(UsageError(With({"-x"})), HasSubstr("'-x'"));
  EXPECT_THAT(UsageError(With({"word"})), HasSubstr("'word'"));
  for (const char* old : {"--flock", "--posix-lock", "--timeout=1", "--daemonize"}) {
    UsageError(With({old}));
  }
}

TEST(OptionsTest, AbbreviatedOptionsAreRefused) { UsageError(With({"--sand=none"})); }

TEST(OptionsTest, InodeFileHandlesNeedAnEqualsSign) {
  EXPECT_THAT(UsageError(With({"--inode-file-handles", "never"})), HasSubstr("equal sign"));
}

TEST(OptionsTest, SocketsExcludeEachOther) {
  EXPECT_THAT(UsageError(With({"--fd=3"})), HasSubstr("--fd can't be used with --socket-path"));
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=3", "--socket=/run/s"}),
              HasSubstr("--fd can't be used with --socket"));
}

TEST(OptionsTest, BothSpellingsOfTheSocketPathMayBeGiven) {
  const Options options = Parsed(With({"--socket=/run/old"}));
  EXPECT_EQ(options.socket_path, "/run/s");
  EXPECT_EQ(options.socket, "/run/old");
  EXPECT_EQ(Parsed({"--shared-dir=/s", "--socket=/run/old"}).socket, "/run/old");
}

TEST(OptionsTest, SocketGroupNeedsASocketOfOurOwn) {
  EXPECT_THAT(UsageError({"--shared-dir=/s", "--fd=3", "--socket-group=kvm"}),
              HasSubstr("--socket-group can't be used with --fd"));
  EXPECT_THAT(UsageError({"--print-capabilities", "--socket-group=kvm"}),
              HasSubstr("--print-capabilities"));
}

TEST(OptionsTest, AclsExcludeTranslatedIds) {
  EXPECT_THAT(UsageError(With({"--posix-acl", "--translate-uid=map:0:1:1"})),
              HasSubstr("--posix-acl (-o posix_acl) can't be used with --translate-uid"));
  EXPECT_THAT(UsageError(With({"--posix-acl", "--translate-gid=map:0:1:1"})),
              HasSubstr("--posix-acl (-o posix_acl) can't be used with --translate-gid"));
  EXPECT_THAT(UsageError(With({"--posix-acl=auto", "--translate-gid=map:0:1:1"})),
              HasSubstr("can't be used with --translate-gid"));
  EXPECT_FALSE(Parsed(With({"--posix-acl=never", "--translate-uid=map:0:1:1"})).posix_acl);
  EXPECT_THAT(UsageError(With({"-o", "posix_acl", "--translate-gid=map:0:1:1"})),
              HasSubstr("-o posix_acl) can't be used"));
}

TEST(OptionsTest, SharedDirIsRequired) {
  EXPECT_THAT(UsageError({"--socket-path=/run/s"}), HasSubstr("--shared-dir is required"));
}

TEST(OptionsTest, CompatOptionsPutTheMissingSharedDirOffToTheStart) {
  EXPECT_EQ(Parsed({"--socket-path=/run/s", "-o", "xattr"}).shared_dir, "");
}

TEST(OptionsTest, SocketIsRequired) {
  EXPECT_THAT(UsageError({"--shared-dir=/s"}), HasSubstr("--socket-path"));
  UsageError({"-o", "source=/s"});
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
    EXPECT_THAT(full.text, HasSubstr(row.summary));
  }
  EXPECT_LT(brief.text.size(), full.text.size());
}

TEST(OptionsTest, HelpAndVersionCountFromWhereTheyStand) {
  EXPECT_EQ(Exit({"--help", "--bad"}).status, 0);
  EXPECT_EQ(Exit({"--bad", "--help"}).status, 2);
  EXPECT_EQ(Exit({"--log-level=loud", "--help"}).status, 2);
  EXPECT_EQ(Exit({"-dV"}).status, 0);
}

// virtiofsd's callers compare its version with the one from which on it knows an option.
TEST(OptionsTest, VersionUnderTheNameVirtiofsdIsVirtiofsdsFirst) {
  const std::string expected =
      "virtiofsd " + std::string(kVirtiofsdVersion) + " (posternd " + kVersion + ")\n";
  for (const char* called : {"virtiofsd", "/usr/libexec/virtiofsd", "./virtiofsd"}) {
    EXPECT_EQ(std::get<EarlyExit>(ParseOptions({"--version"}, called)).text, expected) << called;
  }
  for (const char* called : {"posternd", "", "/virtiofsd/posternd", "not-virtiofsd"}) {
    EXPECT_EQ(std::get<EarlyExit>(ParseOptions({"--version"}, called)).text,
              "posternd " + std::string(kVersion) + "\n")
        << called;
  }
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
            "{\n  \"type\": \"fs\",\n  \"features\": [\n    \"posix-acl-negotiation-mode\",\n"
            "    \"security-label-negotiation-mode\",\n    \"separate-options\"\n  ]\n}\n");
}

TEST(OptionsTest, PrintCapabilitiesStillRefusesABadOption) {
  UsageError({"--print-capabilities", "--sandbox=jail"});
  UsageError({"--print-capabilities", "-o", "foo"});
  UsageError({"--print-capabilities", "--fd=3", "--socket=/run/s"});
  EXPECT_EQ(Exit(With({"--print-capabilities"})).status, 0);
}

TEST(OptionsTest, PrintCapabilitiesLeavesWhatIsCheckedAtTheStart) {
  EXPECT_EQ(Exit({"--print-capabilities", "--modcaps=foo", "--translate-uid=map:1:2:4294967295",
                  "--migration-mode=file-handles", "--migration-verify-handles"})
                .status,
            0);
}

}  // namespace
}  // namespace postern
