// Starts and services that fail: a status, a line, and nothing left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/launcher/launcher_fixture.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class FailureTest : public LauncherTest {
 protected:
  // That the daemon fails with one line that contains `text`.
  void ExpectFailure(const std::string& text) {
    EXPECT_EQ(daemon().WaitForExit(), 1);
    EXPECT_THAT(daemon().Output(), HasSubstr(text));
    EXPECT_THAT(LogLines("error"), SizeIs(1)) << daemon().Output();
    ExpectNothingLeft();
  }
};

TEST_F(FailureTest, UsageErrorGivesStatus2) {
  StartRaw({"--shared-dir", share()});
  EXPECT_EQ(daemon().WaitForExit(), 2);
  EXPECT_THAT(daemon().Output(), HasSubstr("Usage: posternd"));
}

TEST_F(FailureTest, NoArgumentsGiveStatus2) {
  StartRaw({});
  EXPECT_EQ(daemon().WaitForExit(), 2);
}

TEST_F(FailureTest, PrintCapabilitiesTouchesNothing) {
  StartRaw(
      {"--print-capabilities", "--shared-dir", "/nonexistent", "--socket-path", socket_path()});
  EXPECT_EQ(daemon().WaitForExit(), 0);
  EXPECT_THAT(daemon().Output(), HasSubstr("\"separate-options\""));
  EXPECT_TRUE(std::filesystem::is_empty(Path("run")));
}

TEST_F(FailureTest, MissingSharedDir) {
  StartRaw({"--shared-dir", Path("none"), "--socket-path", socket_path()});
  ExpectFailure("none' does not exist");
}

TEST_F(FailureTest, SharedDirThatIsADevice) {
  StartRaw({"--shared-dir", "/dev/null", "--socket-path", socket_path()});
  ExpectFailure("neither a directory nor a regular file");
}

TEST_F(FailureTest, MissingSocketDirectory) {
  StartRaw({"--shared-dir", share(), "--socket-path", Path("none/s")});
  ExpectFailure("does not exist or is not a directory");
}

TEST_F(FailureTest, SocketPathThatIsADirectory) {
  std::filesystem::create_directory(socket_path());
  Start();
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_TRUE(std::filesystem::is_directory(socket_path()));
  EXPECT_FALSE(std::filesystem::exists(pid_path()));
}

TEST_F(FailureTest, SocketPathTooLongForTheKernel) {
  const std::string name(100, 'n');
  StartRaw({"--shared-dir", share(), "--socket-path", Path("run/" + name)});
  ExpectFailure("too long");
  EXPECT_TRUE(std::filesystem::is_empty(Path("run")));
}

TEST_F(FailureTest, UnknownSocketGroup) {
  Start({"--socket-group=no-such-group"});
  ExpectFailure("there is no group 'no-such-group'");
}

TEST_F(FailureTest, FdThatIsNotOpen) {
  StartRaw({"--shared-dir", share(), "--fd=1000"});
  ExpectFailure("--fd 1000: Bad file descriptor");
}

TEST_F(FailureTest, FdThatIsNotAListeningSocket) {
  StartRaw({"--shared-dir", share(), "--fd=0"});
  ExpectFailure("not a listening Unix stream socket");
}

TEST_F(FailureTest, BrokerThatFailsAtTheStartSaysWhyItself) {
  CreateFile(share() + "/fail-at-start");
  Start();
  ExpectFailure("failing at the start");
}

// A worker that sees the broker's channels close ends, often before the broker has ended itself.
TEST_F(FailureTest, BrokerThatFailsAtTheStartSaysWhyAlthoughTheWorkerEndsFirst) {
  CreateFile(share() + "/fail-after-the-worker");
  Start({"--tag=without-broker"});
  ExpectFailure("failing after the worker");
}

TEST_F(FailureTest, WorkerThatFailsWhileServing) {
  StartAndWait({"--tag=fail-serving"});
  const UniqueFd connection = Connect();
  ExpectFailure("postern-worker exited with status 4");
}

TEST_F(FailureTest, WorkerThatMissesABrokerWhichIsThere) {
  StartAndWait({"--tag=serve-without-broker"});
  const UniqueFd connection = Connect();
  ExpectFailure("postern-worker ended for want of the other, which goes on running");
}

TEST_F(FailureTest, WorkerThatMakesAForbiddenCall) {
  StartAndWait({"--tag=forbidden-call"});
  const UniqueFd connection = Connect();
  ExpectFailure("postern-worker was killed by signal 31 (Bad system call)");
}

TEST_F(FailureTest, WorkerThatSaysTheWrongThing) {
  StartAndWait({"--tag=speak-nonsense"});
  const UniqueFd connection = Connect();
  ExpectFailure("postern-worker sent an impossible message");
}

TEST_F(FailureTest, WorkerThatEndsBeforeItBegins) {
  Start({"--tag=early-nonsense"});
  ExpectFailure("postern-worker sent an impossible message");
}

TEST_F(FailureTest, SocketIsGoneAfterAFailureOnAFileInPlaceOfADirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root for chroot";
  CreateFile(Path("file"), "text");
  StartRaw({"--shared-dir", Path("file"), "--socket-path", socket_path(), "--sandbox=chroot"});
  ExpectFailure("chroot");
}

TEST_F(FailureTest, ChrootIsForRootOnly) {
  StartAsPlainUser({"--sandbox=chroot"});
  if (IsSkipped()) return;
  ExpectFailure("sandbox mode 'chroot' can only be used by root");
}

}  // namespace
}  // namespace postern
