#include "sandbox/launcher/missing_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr CapabilitySet kAll = CapabilitySet::FromBits((uint64_t{1} << 41) - 1);

LaunchPlan Plan(config::SandboxMode mode, bool worker_user,
                config::SeccompAction action = config::SECCOMP_ACTION_KILL) {
  LaunchPlan plan;
  plan.worker.mutable_common()->set_sandbox(mode);
  plan.worker.mutable_common()->set_seccomp(action);
  if (worker_user) plan.worker.set_uid(1);
  return plan;
}

TEST(MissingPartsTest, RootMissesNothing) {
  EXPECT_THAT(MissingJailParts(Plan(config::SANDBOX_MODE_NAMESPACE, true),
                               {.is_root = true, .permitted = kAll, .groups = true}),
              IsEmpty());
}

TEST(MissingPartsTest, UserWithNamespacesMissesNothing) {
  LaunchPlan plan = Plan(config::SANDBOX_MODE_NAMESPACE, false);
  plan.user_namespace.emplace();
  EXPECT_THAT(MissingJailParts(plan, {.groups = true}), IsEmpty());
}

TEST(MissingPartsTest, GroupsCountWhereTheRootIsTheCallers) {
  const LaunchPlan plan = Plan(config::SANDBOX_MODE_NONE, false);
  EXPECT_THAT(MissingJailParts(plan, {.groups = true}),
              ElementsAre(HasSubstr("--sandbox=none"), HasSubstr("the caller's groups"),
                          HasSubstr("posternd isn't root")));
  EXPECT_THAT(MissingJailParts(plan, {}),
              ElementsAre(HasSubstr("--sandbox=none"), HasSubstr("posternd isn't root")));
}

TEST(MissingPartsTest, ReasonsForTheWorkersUserAreTold) {
  const LaunchPlan plan = Plan(config::SANDBOX_MODE_NAMESPACE, false);
  EXPECT_THAT(MissingJailParts(plan, {.is_root = true, .permitted = {CAP_SETUID}}),
              ElementsAre(HasSubstr("posternd hasn't got setgid)")));
  EXPECT_THAT(MissingJailParts(plan, {.is_root = true, .permitted = kAll}),
              ElementsAre(HasSubstr("user namespace has no other")));
}

TEST(MissingPartsTest, ChrootWithoutTheRightToMountLeavesProcInReach) {
  const LaunchPlan plan = Plan(config::SANDBOX_MODE_CHROOT, true);
  EXPECT_THAT(MissingJailParts(plan, {.is_root = true, .permitted = kAll}),
              ElementsAre(HasSubstr("--sandbox=chroot")));
  EXPECT_THAT(MissingJailParts(plan, {.is_root = true, .permitted = {CAP_SETUID, CAP_SETGID}}),
              ElementsAre(HasSubstr("--sandbox=chroot"), HasSubstr("hasn't got sys_admin")));
}

TEST(MissingPartsTest, RefusedLandlockAndWeakFiltersAreTold) {
  EXPECT_THAT(
      MissingJailParts(Plan(config::SANDBOX_MODE_NAMESPACE, true, config::SECCOMP_ACTION_NONE),
                       {.is_root = true, .permitted = kAll, .landlock_refused = true}),
      ElementsAre(HasSubstr("Landlock"), HasSubstr("--seccomp=none")));
  EXPECT_THAT(
      MissingJailParts(Plan(config::SANDBOX_MODE_NAMESPACE, true, config::SECCOMP_ACTION_LOG),
                       {.is_root = true, .permitted = kAll}),
      ElementsAre(HasSubstr("--seccomp=log")));
}

}  // namespace
}  // namespace postern
