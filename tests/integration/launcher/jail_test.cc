// The jails as /proc shows them from outside. What they allow from inside, the stand-in broker
// tries itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/landlock.h"
#include "tests/integration/launcher/launcher_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using vmm::StatusField;

constexpr char kNone[] = "0000000000000000";
// What makes and changes files, spelled out: bits 0, 1, 3, 4, 6, 7, 27; and DAC_READ_SEARCH, 2, for
// file handles, which are the default.
constexpr char kFileCapabilities[] = "00000000080000df";

void ExpectSealed(pid_t pid) {
  EXPECT_EQ(StatusField(pid, "NoNewPrivs"), "1");
  EXPECT_EQ(StatusField(pid, "Seccomp"), "2");
}

void ExpectNoCapabilities(pid_t pid) {
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(StatusField(pid, set), kNone) << set;
  }
}

void ExpectFileCapabilities(pid_t pid) {
  EXPECT_EQ(StatusField(pid, "CapPrm"), kFileCapabilities);
  EXPECT_EQ(StatusField(pid, "CapEff"), kFileCapabilities);
  for (const char* set : {"CapInh", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(StatusField(pid, set), kNone) << set;
  }
}

// A new one of each kind that a jail has.
void ExpectOwnNamespaces(pid_t pid, bool own) {
  for (const char* name : {"mnt", "pid", "net", "ipc", "uts"}) {
    const auto ours = vmm::NamespaceOf(getpid(), name);
    const auto theirs = vmm::NamespaceOf(pid, name);
    ASSERT_TRUE(ours.ok() && theirs.ok()) << name;
    EXPECT_EQ(*ours != *theirs, own) << name;
  }
}

// In every sandbox mode, as root.
class RootJailTest : public LauncherTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    CreateFile(share() + "/shared-file");
    StartAndWait({"--sandbox", GetParam()});
    broker_ = ProcessNamed("postern-broker");
    worker_ = ProcessNamed("postern-worker");
  }
  std::string mode() const { return GetParam(); }

  pid_t broker_ = 0;
  pid_t worker_ = 0;
};
bool HasOurRoot(pid_t pid) {
  return std::filesystem::equivalent("/proc/" + std::to_string(pid) + "/root", "/");
}

INSTANTIATE_TEST_SUITE_P(, RootJailTest, testing::Values("namespace", "chroot", "none"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(RootJailTest, WorkerHasNoCapability) { ExpectNoCapabilities(worker_); }

TEST_P(RootJailTest, WorkerIsAnotherUserWithoutGroups) {
  const std::string uids = StatusField(worker_, "Uid");
  EXPECT_THAT(uids, testing::Not(testing::HasSubstr("0\t")));
  EXPECT_NE(StatusField(worker_, "Uid"), StatusField(broker_, "Uid"));
  EXPECT_NE(StatusField(worker_, "Gid"), StatusField(broker_, "Gid"));
  EXPECT_EQ(StatusField(worker_, "Groups"), "");
}

TEST_P(RootJailTest, BothAreSealed) {
  ExpectSealed(worker_);
  ExpectSealed(broker_);
}

TEST_P(RootJailTest, BrokerHasTheFileCapabilities) { ExpectFileCapabilities(broker_); }

TEST_P(RootJailTest, WorkerSeesAnEmptyRoot) {
  if (mode() == "none") {
    EXPECT_TRUE(HasOurRoot(worker_));
    return;
  }
  const auto listing = vmm::RootListing(worker_);
  // The directory of a process that has ended can't even be opened.
  if (mode() == "chroot" && !listing.ok()) return;
  ASSERT_TRUE(listing.ok()) << listing.error().Message();
  EXPECT_THAT(*listing, IsEmpty());
}

TEST_P(RootJailTest, BrokerSeesTheShareAsItsRoot) {
  if (mode() == "none") {
    EXPECT_TRUE(HasOurRoot(broker_));
    return;
  }
  const auto listing = vmm::RootListing(broker_);
  ASSERT_TRUE(listing.ok());
  EXPECT_THAT(*listing, ElementsAre("shared-file"));
}

TEST_P(RootJailTest, NamespacesAreTheirOwnIfAskedFor) {
  ExpectOwnNamespaces(broker_, mode() == "namespace");
  ExpectOwnNamespaces(worker_, mode() == "namespace");
}

TEST_P(RootJailTest, StayInPosterndsProcessGroup) {
  EXPECT_EQ(getpgid(broker_), daemon().pid());
  EXPECT_EQ(getpgid(worker_), daemon().pid());
}

TEST_P(RootJailTest, LauncherIsSealedOnceItsChildrenRun) {
  ExpectSealed(daemon().pid());
  for (const char* set : {"CapPrm", "CapEff"}) {
    EXPECT_EQ(StatusField(daemon().pid(), set), "0000000000800022") << set;  // KILL and two more
  }
  for (const char* set : {"CapInh", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(StatusField(daemon().pid(), set), kNone) << set;
  }
}

TEST_P(RootJailTest, LooksRightFromInside) {
  // The stand-ins look around and end the start if they find what they shouldn't.
  EXPECT_THAT(daemon().Output(), testing::HasSubstr("worker's look around: as it should be"));
  EXPECT_THAT(daemon().Output(), testing::HasSubstr("broker's look around: as it should be"));
}

TEST_P(RootJailTest, SweeperIsConfined) {
  const pid_t sweeper = ProcessNamed("postern-sweeper");
  ExpectSealed(sweeper);
  EXPECT_EQ(StatusField(sweeper, "CapEff"), "0000000000000002");  // DAC_OVERRIDE
  const auto descriptors = vmm::OpenDescriptors(sweeper);
  ASSERT_TRUE(descriptors.ok());
  EXPECT_THAT(*descriptors, SizeIs(3));
}

class PlainUserJailTest : public LauncherTest {
 protected:
  void StartPlain(const std::string& mode) {
    StartAsPlainUser({"--sandbox", mode});
    if (IsSkipped()) return;
    ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
    broker_ = ProcessNamed("postern-broker");
    worker_ = ProcessNamed("postern-worker");
  }

  pid_t broker_ = 0;
  pid_t worker_ = 0;
};

TEST_F(PlainUserJailTest, NamespaceModeJailsInAUserNamespace) {
  StartPlain("namespace");
  if (IsSkipped()) return;
  ExpectNoCapabilities(worker_);
  ExpectFileCapabilities(broker_);  // In its own user namespace: over the user's own files.
  ExpectSealed(worker_);
  ExpectSealed(broker_);
  ExpectOwnNamespaces(worker_, true);
  ExpectOwnNamespaces(broker_, true);
  const auto ours = vmm::NamespaceOf(getpid(), "user");
  const auto theirs = vmm::NamespaceOf(worker_, "user");
  ASSERT_TRUE(ours.ok() && theirs.ok());
  EXPECT_NE(*ours, *theirs);
  const auto listing = vmm::RootListing(worker_);
  ASSERT_TRUE(listing.ok());
  EXPECT_THAT(*listing, IsEmpty());
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

TEST_F(PlainUserJailTest, NoneModeRunsWithoutAnyRight) {
  StartPlain("none");
  if (IsSkipped()) return;
  for (const pid_t pid : {broker_, worker_}) {
    ExpectSealed(pid);
    // The bounding set isn't a plain user's to change; no_new_privs makes it meaningless.
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      EXPECT_EQ(StatusField(pid, set), kNone) << set;
    }
  }
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

TEST_F(PlainUserJailTest, KillOfPosterndLeavesNothing) {
  StartPlain("namespace");
  if (IsSkipped()) return;
  daemon().Signal(SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), 128 + SIGKILL);
  ExpectNothingLeft();
}

// Where neither a root of its own nor file handles are in the way of it.
class ShareOnlyTest : public LauncherTest {
 protected:
  void SetUp() override {
    if (LandlockAbi() < 2) GTEST_SKIP() << "this kernel's Landlock can't have names moved";
  }
};
constexpr char kOpened[] = "opening a file outside the share: it was opened";
constexpr char kDenied[] = "opening a file outside the share: Permission denied";

TEST_F(ShareOnlyTest, BrokerWithoutFileHandlesOpensNothingElse) {
  StartAndWait({"--sandbox=none", "--inode-file-handles=never"});
  EXPECT_TRUE(HasLogged(kDenied)) << daemon().Output();
}

TEST_F(ShareOnlyTest, PlainUsersBrokerOpensNothingElse) {
  StartAsPlainUser({"--sandbox=none"});
  if (IsSkipped()) return;
  EXPECT_TRUE(HasLogged(kDenied)) << daemon().Output();
}

TEST_F(ShareOnlyTest, BrokerWithFileHandlesIsFree) {
  if (geteuid() != 0) GTEST_SKIP() << "file handles need root";
  StartAndWait({"--sandbox=none"});
  EXPECT_TRUE(HasLogged(kOpened)) << daemon().Output();
}

class RegularFileTest : public LauncherTest {};

TEST_F(RegularFileTest, CanBeSharedInTheNamespaceSandbox) {
  CreateFile(Path("file"), "text");
  StartRaw({"--shared-dir", Path("file"), "--socket-path", socket_path()});
  // The stand-in can't list it; that it gets so far shows the jail.
  EXPECT_TRUE(HasLogged("in the jail: opening the share")) << daemon().Output();
}

class SeccompOptionTest : public LauncherTest {};

TEST_F(SeccompOptionTest, NoneLoadsNoFilterAndSaysSo) {
  StartAndWait({"--seccomp=none"});
  for (const pid_t process : {daemon().pid(), ProcessNamed("postern-worker"),
                              ProcessNamed("postern-broker"), ProcessNamed("postern-sweeper")}) {
    EXPECT_EQ(StatusField(process, "Seccomp"), "0") << process;
    EXPECT_EQ(StatusField(process, "NoNewPrivs"), "1") << process;
  }
  EXPECT_THAT(daemon().Output(),
              testing::HasSubstr("The jail lacks a seccomp filter (--seccomp=none)"));
}

TEST_F(SeccompOptionTest, LogLetsAForbiddenCallPass) {
  StartAndWait({"--seccomp=log", "--tag=forbidden-call"});
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
}

}  // namespace
}  // namespace postern
