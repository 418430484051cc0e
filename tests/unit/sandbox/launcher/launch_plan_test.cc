#include "sandbox/launcher/launch_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "sandbox/jail/capabilities.h"
#include "tests/unit/sandbox/parsed_options.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr Caller kRoot{0, 0};
constexpr Caller kUser{1000, 1001};

LaunchPlan Plan(const Arguments& arguments, const Caller& caller = kRoot) {
  auto plan = MakeLaunchPlan(Parsed(With(arguments)), caller);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : LaunchPlan();
}

std::string PlanError(const Arguments& arguments, const Caller& caller = kRoot) {
  const auto plan = MakeLaunchPlan(Parsed(With(arguments)), caller);
  return plan.ok() ? "accepted" : Text(plan.status());
}

TEST(LaunchPlanTest, DefaultsAreSpelledOut) {
  const LaunchPlan plan = Plan({"--request-queues=3"});
  const config::CommonConfig& common = plan.broker.common();
  EXPECT_EQ(common.sandbox(), config::SANDBOX_MODE_NAMESPACE);
  EXPECT_EQ(common.seccomp(), config::SECCOMP_ACTION_KILL);
  EXPECT_EQ(common.log_level(), static_cast<uint32_t>(LogLevel::kInfo));
  EXPECT_EQ(common.poll_us(), 50u);
  EXPECT_EQ(plan.broker.channels(), 4u);
  EXPECT_EQ(plan.broker.threads(), 6u);
  EXPECT_EQ(plan.worker.channels(), 4u);
  EXPECT_EQ(plan.broker.inode_file_handles(), config::INODE_FILE_HANDLES_PREFER);
  EXPECT_EQ(plan.worker.cache(), config::CACHE_MODE_AUTO);
  EXPECT_FALSE(plan.broker.xattr());
  EXPECT_FALSE(plan.worker.xattr());
  EXPECT_FALSE(plan.worker.no_readdirplus());
  EXPECT_EQ(plan.worker.common().SerializeAsString(), common.SerializeAsString());
  EXPECT_FALSE(plan.user_namespace.has_value());
}

TEST(LaunchPlanTest, CommonOptionsReachBoth) {
  const LaunchPlan plan =
      Plan({"--sandbox=chroot", "--seccomp=log", "--log-level=warn", "--poll-us=0"});
  for (const config::CommonConfig* common : {&plan.broker.common(), &plan.worker.common()}) {
    EXPECT_EQ(common->sandbox(), config::SANDBOX_MODE_CHROOT);
    EXPECT_EQ(common->seccomp(), config::SECCOMP_ACTION_LOG);
    EXPECT_EQ(common->log_level(), static_cast<uint32_t>(LogLevel::kWarn));
    EXPECT_EQ(common->poll_us(), 0u);
  }
}

TEST(LaunchPlanTest, BrokerGetsItsOptions) {
  const LaunchPlan plan =
      Plan({"--thread-pool-size=7", "--inode-file-handles=mandatory", "--security-label",
            "--xattrmap=:map::p:", "--readonly", "--preserve-noatime", "--allow-direct-io",
            "--translate-uid=guest:0:5:1", "--translate-gid=host:6:0:1"});
  EXPECT_EQ(plan.broker.waiting(), 7u);
  EXPECT_EQ(plan.worker.io_waiting(), 7u);
  EXPECT_GT(plan.broker.threads(), plan.broker.channels());
  EXPECT_EQ(plan.broker.inode_file_handles(), config::INODE_FILE_HANDLES_MANDATORY);
  EXPECT_TRUE(plan.broker.xattr());
  EXPECT_TRUE(plan.broker.security_label());
  EXPECT_FALSE(plan.broker.posix_acl());
  EXPECT_EQ(plan.broker.xattr_map_size(), 2);
  EXPECT_TRUE(plan.broker.readonly());
  EXPECT_TRUE(plan.broker.preserve_noatime());
  EXPECT_TRUE(plan.broker.allow_direct_io());
  EXPECT_EQ(plan.broker.uid_translation().to_host_size(), 1);
  EXPECT_EQ(plan.broker.uid_translation().to_guest_size(), 0);
  EXPECT_EQ(plan.broker.gid_translation().to_host_size(), 0);
  EXPECT_EQ(plan.broker.gid_translation().to_guest_size(), 1);
}

TEST(LaunchPlanTest, WorkerGetsItsOptions) {
  const LaunchPlan plan = Plan({"--tag=t", "--cache=metadata", "--posix-acl", "--security-label",
                                "--readonly", "--writeback", "--no-readdirplus", "--allow-mmap",
                                "--killpriv-v2", "--no-announce-submounts"});
  EXPECT_EQ(plan.worker.tag(), "t");
  EXPECT_EQ(plan.worker.cache(), config::CACHE_MODE_METADATA);
  EXPECT_TRUE(plan.worker.xattr());
  EXPECT_TRUE(plan.worker.posix_acl());
  EXPECT_TRUE(plan.broker.posix_acl());
  EXPECT_TRUE(plan.worker.security_label());
  EXPECT_TRUE(plan.worker.readonly());
  EXPECT_TRUE(plan.worker.writeback());
  EXPECT_TRUE(plan.worker.no_readdirplus());
  EXPECT_TRUE(plan.worker.allow_mmap());
  EXPECT_TRUE(plan.worker.killpriv_v2());
  EXPECT_TRUE(plan.worker.no_announce_submounts());
}

TEST(LaunchPlanTest, NoCacheMeansNoReaddirplus) {
  EXPECT_TRUE(Plan({"--cache=never"}).worker.no_readdirplus());
  EXPECT_TRUE(Plan({"--cache=never", "-o", "readdirplus"}).worker.no_readdirplus());
}

TEST(LaunchPlanTest, TwentyWaitOrWhatWasAskedForWithinABound) {
  EXPECT_EQ(Plan({}).broker.waiting(), 20u);
  EXPECT_EQ(Plan({}).worker.io_waiting(), 20u);
  EXPECT_EQ(Plan({"--thread-pool-size=1"}).broker.waiting(), 1u);
  EXPECT_EQ(Plan({"--thread-pool-size=100000"}).broker.waiting(), 256u);
  EXPECT_EQ(Plan({"--thread-pool-size=100000"}).worker.io_waiting(), 256u);
}

TEST(LaunchPlanTest, ModcapsChangeTheBrokersCapabilities) {
  const LaunchPlan plan = Plan({"--modcaps=+sys_admin:-mknod"});
  EXPECT_EQ(CapabilitySet::FromBits(plan.broker.added_capabilities()),
            CapabilitySet{CAP_SYS_ADMIN});
  EXPECT_EQ(CapabilitySet::FromBits(plan.broker.removed_capabilities()), CapabilitySet{CAP_MKNOD});
}

TEST(LaunchPlanTest, ModcapsMustBeRightForRoot) {
  EXPECT_THAT(PlanError({"--modcaps="}), HasSubstr("empty modcap found"));
  EXPECT_THAT(PlanError({"--modcaps=chown"}), HasSubstr("invalid modcap action"));
  EXPECT_THAT(PlanError({"--modcaps=+foo"}), HasSubstr("invalid capability 'foo'"));
}

TEST(LaunchPlanTest, FileHandlesNeedTheirCapability) {
  EXPECT_THAT(PlanError({"--modcaps=-dac_read_search"}), HasSubstr("need dac_read_search"));
  EXPECT_THAT(PlanError({"--modcaps=-dac_read_search", "--inode-file-handles=mandatory"}),
              HasSubstr("need dac_read_search"));
  EXPECT_EQ(PlanError({"--modcaps=-dac_read_search", "--inode-file-handles=never"}), "accepted");
}

TEST(LaunchPlanTest, ModcapsAreIgnoredWhereTheBrokerIsNotRoot) {
  const LaunchPlan plan = Plan({"--modcaps=nonsense"}, kUser);
  EXPECT_EQ(plan.broker.added_capabilities(), 0u);
  EXPECT_EQ(PlanError({"--modcaps=nonsense", "--uid-map=:0:1000:1:"}, kUser),
            "invalid modcap action: expecting '+'|'-' but found 'n'");
}

TEST(LaunchPlanTest, BadTranslationsAreErrorsOfTheStart) {
  EXPECT_EQ(PlanError({"--translate-uid=guest:0:1:2", "--translate-uid=guest:1:9:1"}),
            "--translate-uid: 'guest:1:9:1' overlaps 'guest:0:1:2'");
  EXPECT_EQ(PlanError({"--translate-gid=map:1:2:4294967295"}),
            "--translate-gid: 'map:1:2:4294967295' goes beyond the last id");
}

TEST(LaunchPlanTest, MigrationOptionsMustFitTheMode) {
  EXPECT_EQ(PlanError({"--migration-verify-handles", "--migration-confirm-paths"}), "accepted");
  EXPECT_THAT(PlanError({"--migration-mode=file-handles", "--migration-verify-handles"}),
              HasSubstr("--migration-verify-handles can't be used with"));
  EXPECT_THAT(PlanError({"--migration-mode=file-handles", "--migration-confirm-paths"}),
              HasSubstr("--migration-confirm-paths can't be used with"));
}

TEST(LaunchPlanTest, ChrootIsForRoot) {
  EXPECT_EQ(PlanError({"--sandbox=chroot"}), "accepted");
  EXPECT_THAT(PlanError({"--sandbox=chroot"}, kUser),
              HasSubstr("sandbox mode 'chroot' can only be used by root"));
}

TEST(LaunchPlanTest, PlainUserGetsAUserNamespaceWithItsOwnIds) {
  const LaunchPlan plan = Plan({}, kUser);
  ASSERT_TRUE(plan.user_namespace.has_value());
  ASSERT_THAT(plan.user_namespace->uids, SizeIs(1));
  ASSERT_THAT(plan.user_namespace->gids, SizeIs(1));
  EXPECT_EQ(plan.user_namespace->uids[0].inside, 1000u);
  EXPECT_EQ(plan.user_namespace->uids[0].outside, 1000u);
  EXPECT_EQ(plan.user_namespace->gids[0].inside, 1001u);
  EXPECT_EQ(plan.user_namespace->gids[0].count, 1u);
  EXPECT_FALSE(plan.worker.has_uid());
}

TEST(LaunchPlanTest, PlainUserWithoutSandboxHasNoUserNamespace) {
  const LaunchPlan plan = Plan({"--sandbox=none"}, kUser);
  EXPECT_FALSE(plan.user_namespace.has_value());
}

TEST(LaunchPlanTest, GivenMapReplacesTheOwnId) {
  const LaunchPlan plan = Plan({"--uid-map=:0:1000:1:", "--uid-map=:1:100000:9:"}, kUser);
  ASSERT_THAT(plan.user_namespace->uids, SizeIs(2));
  EXPECT_EQ(plan.user_namespace->uids[1].outside, 100000u);
  EXPECT_THAT(plan.user_namespace->gids, SizeIs(1));
}

// Such a child could switch to a guest's user, and not back.
TEST(LaunchPlanTest, MapInWhichTheChildrenHaveNoIdIsRefused) {
  EXPECT_EQ(PlanError({"--uid-map=:5:100000:10:"}, kUser),
            "--uid-map maps neither to 0 nor the caller's own id, 1000: posternd's processes would "
            "have no id inside (add --uid-map=:0:1000:1:)");
  EXPECT_THAT(PlanError({"--gid-map=:5:100000:10:"}, kUser),
              HasSubstr("--gid-map maps neither to 0 nor the caller's own id, 1001: "));
  // What an id that isn't mapped reads as.
  EXPECT_THAT(PlanError({"--uid-map=:65534:100000:1:"}, kUser),
              HasSubstr("--uid-map maps neither"));
  EXPECT_THAT(PlanError({"--uid-map=:0:100000:0:"}, kUser), HasSubstr("--uid-map maps neither"));
  EXPECT_EQ(PlanError({"--uid-map=:5:100000:10:", "--uid-map=:0:100010:1:"}, kUser), "accepted");
  EXPECT_EQ(PlanError({"--uid-map=:5:100000:10:", "--uid-map=:77:990:20:"}, kUser), "accepted");
}

TEST(LaunchPlanTest, MapsAreForAPlainUsersNamespaces) {
  constexpr char kError[] = "can only be used by a plain user with --sandbox=namespace";
  EXPECT_THAT(PlanError({"--uid-map=:0:1:1:"}), HasSubstr(kError));
  EXPECT_THAT(PlanError({"--gid-map=:0:1:1:"}), HasSubstr(kError));
  EXPECT_THAT(PlanError({"--gid-map=:0:1000:1:", "--sandbox=none"}, kUser), HasSubstr(kError));
}

TEST(LaunchPlanTest, RootsWorkerGetsItsOwnUser) {
  const LaunchPlan plan = Plan({"--worker-user=nobody"});
  EXPECT_NE(plan.worker.uid(), 0u);
  EXPECT_NE(plan.worker.gid(), 0u);
  EXPECT_NE(Plan({}).worker.uid(), 0u);
}

TEST(LaunchPlanTest, MappedUserIsTheWorkersInAUserNamespace) {
  const LaunchPlan plan = Plan({"--uid-map=:0:100000:65536:", "--gid-map=:0:100000:65536:"}, kUser);
  EXPECT_TRUE(plan.worker.has_uid());
  EXPECT_TRUE(plan.worker.has_gid());
  EXPECT_FALSE(Plan({"--uid-map=:0:100000:65536:"}, kUser).worker.has_uid());
}

TEST(LaunchPlanTest, WorkerUserIsCheckedAndForRoot) {
  EXPECT_EQ(PlanError({"--worker-user=no-such-user"}),
            "--worker-user: there is no user 'no-such-user'");
  EXPECT_THAT(PlanError({"--worker-user=root"}), HasSubstr("'root' is root"));
  EXPECT_EQ(PlanError({"--worker-user=nobody"}, kUser), "--worker-user can only be used by root");
}

}  // namespace
}  // namespace postern
