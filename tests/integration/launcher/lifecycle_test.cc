// From the start to each of the ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/integration/launcher/launcher_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kKilled = 128 + SIGKILL;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct stat Attributes(const std::string& path) {
  struct stat attributes {};
  EXPECT_EQ(lstat(path.c_str(), &attributes), 0) << path;
  return attributes;
}

class LifecycleTest : public LauncherTest {};

TEST_F(LifecycleTest, ServesAndEndsWithStatus0WhenTheFrontEndDisconnects) {
  StartAndWait();
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  EXPECT_THAT(daemon().Output(), HasSubstr("Client disconnected, shutting down"));
  EXPECT_THAT(LogLines("error"), IsEmpty());
  ExpectNothingLeft();
}

TEST_F(LifecycleTest, EndsWithStatus0WhenTheWorkerEndsWithoutAWord) {
  StartAndWait({"--tag=exit-silently"});
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

TEST_F(LifecycleTest, TakesAConnectionMadeBeforeItIsReady) {
  Start();
  auto connection = daemon().Connect();
  ASSERT_TRUE(connection.ok());
  EXPECT_TRUE(HasLogged("Client connected, servicing requests"));
}

TEST_F(LifecycleTest, RefusesASecondFrontEnd) {
  StartAndWait();
  const UniqueFd first = Connect();
  auto second = daemon().Connect(std::chrono::milliseconds(50));
  EXPECT_FALSE(second.ok());
}

TEST_F(LifecycleTest, OffersTheAskedForQueues) {
  StartAndWait({"--request-queues=64"});
  EXPECT_THAT(daemon().Output(), HasSubstr("channels: 65"));
}

TEST_F(LifecycleTest, PidFileHoldsThePidAndTheLock) {
  StartAndWait();
  EXPECT_EQ(Read(pid_path()), std::to_string(daemon().pid()) + "\n");
  EXPECT_EQ(Attributes(pid_path()).st_mode & 07777, 0600u);
  const UniqueFd file(open(pid_path().c_str(), O_RDWR));
  EXPECT_NE(flock(file.get(), LOCK_EX | LOCK_NB), 0);
}

TEST_F(LifecycleTest, SecondDaemonOnTheSameSocketFailsAndHarmsNothing) {
  StartAndWait();
  const ino_t inode = Attributes(socket_path()).st_ino;
  vmm::DaemonProcess::Options second;
  second.command = {POSTERND_PATH, "--shared-dir", share(), "--socket-path", socket_path()};
  second.stderr_path = Path("second");
  auto other = vmm::DaemonProcess::Start(second);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ((*other)->WaitForExit(), 1);
  EXPECT_THAT((*other)->Output(), HasSubstr("Error creating pid file"));
  EXPECT_EQ(Attributes(socket_path()).st_ino, inode);
  EXPECT_EQ(Read(pid_path()), std::to_string(daemon().pid()) + "\n");
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
}

TEST_F(LifecycleTest, SocketIsPrivate) {
  StartAndWait();
  EXPECT_TRUE(S_ISSOCK(Attributes(socket_path()).st_mode));
  EXPECT_EQ(Attributes(socket_path()).st_mode & 07777, 0700u);
}

TEST_F(LifecycleTest, SocketGroupMayConnect) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file to any group";
  const group* games = getgrnam("games");
  if (games == nullptr) GTEST_SKIP() << "no group 'games' here";
  const gid_t gid = games->gr_gid;
  StartAndWait({"--socket-group=games"});
  EXPECT_EQ(Attributes(socket_path()).st_mode & 07777, 0770u);
  EXPECT_EQ(Attributes(socket_path()).st_gid, gid);
  EXPECT_EQ(Attributes(pid_path()).st_mode & 07777, 0600u);
}

TEST_F(LifecycleTest, WhateverLiesAtTheSocketPathIsReplaced) {
  CreateFile(socket_path(), "old");
  StartAndWait();
  EXPECT_TRUE(S_ISSOCK(Attributes(socket_path()).st_mode));
}

TEST_F(LifecycleTest, InheritedSocketIsUsedAndItsPathLeftAlone) {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM, 0));  // Not close-on-exec.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(socket_path().size(), sizeof(address.sun_path));
  std::strcpy(address.sun_path, socket_path().c_str());
  // Safe because every sockaddr begins with the family.
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  StartRaw({"--shared-dir", share(), "--fd=" + std::to_string(listener.get())});
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  EXPECT_FALSE(std::filesystem::exists(pid_path()));
  EXPECT_EQ(daemon().Processes().size(), 3u);  // No sweeper.
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  EXPECT_TRUE(std::filesystem::exists(socket_path()));
}

TEST_F(LifecycleTest, UnknownInheritedDescriptorStaysOpenInPosterndOnly) {
  // libvirt's locked pid file: closing any descriptor of it would drop the lock.
  CreateFile(Path("locked"));
  const UniqueFd locked(open(Path("locked").c_str(), O_RDWR));  // Not close-on-exec.
  StartAndWait();
  auto holds = [&](pid_t pid) {
    const auto targets = vmm::OpenDescriptors(pid);
    EXPECT_TRUE(targets.ok());
    return targets.ok() &&
           std::find(targets->begin(), targets->end(), Path("locked")) != targets->end();
  };
  EXPECT_TRUE(holds(daemon().pid()));
  EXPECT_FALSE(holds(ProcessNamed("postern-broker")));
  EXPECT_FALSE(holds(ProcessNamed("postern-worker")));
  EXPECT_FALSE(holds(ProcessNamed("postern-sweeper")));
}

struct SignalEnd {
  int signal;
  int status;
};
class SignalTest : public LauncherTest, public testing::WithParamInterface<SignalEnd> {};
INSTANTIATE_TEST_SUITE_P(, SignalTest,
                         testing::Values(SignalEnd{SIGTERM, 1}, SignalEnd{SIGHUP, 1},
                                         SignalEnd{SIGINT, 128 + SIGINT}),
                         [](const auto& row) { return sigabbrev_np(row.param.signal); });

TEST_P(SignalTest, EndsTheWaitingDaemon) {
  StartAndWait();
  daemon().Signal(GetParam().signal);
  EXPECT_EQ(daemon().WaitForExit(), GetParam().status);
  ExpectNothingLeft();
}

TEST_P(SignalTest, EndsTheServingDaemon) {
  StartAndWait();
  const UniqueFd connection = Connect();
  daemon().Signal(GetParam().signal);
  EXPECT_EQ(daemon().WaitForExit(), GetParam().status);
  ExpectNothingLeft();
}

TEST_P(SignalTest, ToTheWholeGroupEndsTheDaemonTheSameWay) {
  StartAndWait();
  killpg(daemon().pid(), GetParam().signal);
  EXPECT_EQ(daemon().WaitForExit(), GetParam().status);
  EXPECT_THAT(LogLines("error"), IsEmpty());
  ExpectNothingLeft();
}

class ChildDeathTest : public LauncherTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, ChildDeathTest, testing::Values("broker", "worker"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(ChildDeathTest, BeforeTheFrontEndEndsEverything) {
  StartAndWait();
  SignalProcess(std::string("postern-") + GetParam(), SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(daemon().Output(),
              HasSubstr(std::string(GetParam()) + " was killed by signal 9 (Killed)"));
  EXPECT_THAT(LogLines("error"), SizeIs(1));
  ExpectNothingLeft();
}

TEST_P(ChildDeathTest, WhileServingEndsEverything) {
  StartAndWait();
  const UniqueFd connection = Connect();
  SignalProcess(std::string("postern-") + GetParam(), SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(LogLines("error"), SizeIs(1));
  ExpectNothingLeft();
}

TEST_P(ChildDeathTest, IgnoresTheSignalsOfTheGroup) {
  StartAndWait();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    SignalProcess(std::string("postern-") + GetParam(), signal);
  }
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
}

class SandboxModeTest : public LauncherTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  Words Mode() const { return {"--sandbox", GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(, SandboxModeTest, testing::Values("namespace", "chroot", "none"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(SandboxModeTest, KillOfPosterndWhileWaitingLeavesNothing) {
  StartAndWait(Mode());
  daemon().Signal(SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), kKilled);
  ExpectNothingLeft();
}

TEST_P(SandboxModeTest, KillOfPosterndWhileServingLeavesNothing) {
  StartAndWait(Mode());
  const UniqueFd connection = Connect();
  daemon().Signal(SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), kKilled);
  ExpectNothingLeft();
}

TEST_P(SandboxModeTest, StoppedChildrenDieWithPosternd) {
  // They can't see the end of their control channels: only the parent-death signal ends them.
  StartAndWait(Mode());
  SignalProcess("postern-broker", SIGSTOP);
  SignalProcess("postern-worker", SIGSTOP);
  daemon().Signal(SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), kKilled);
  ExpectNothingLeft();
}

TEST_F(LifecycleTest, RestartAfterAKillTakesTheSocketOver) {
  StartAndWait();
  daemon().Signal(SIGKILL);
  ASSERT_EQ(daemon().WaitForExit(), kKilled);
  ExpectNothingLeft();
  StartAndWait();
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

TEST_F(LifecycleTest, KillOfTheSweeperChangesNothing) {
  StartAndWait();
  SignalProcess("postern-sweeper", SIGKILL);
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

TEST_F(LifecycleTest, SocketOfSomebodyElseIsNotRemoved) {
  StartAndWait();
  CreateFile(Path("run/new"), "new");
  std::filesystem::rename(Path("run/new"), socket_path());
  daemon().Signal(SIGTERM);
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_EQ(Read(socket_path()), "new");
}

}  // namespace
}  // namespace postern
