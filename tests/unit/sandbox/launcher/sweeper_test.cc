#include "sandbox/launcher/sweeper.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "tests/unit/sandbox/scratch.h"

namespace postern {
namespace {

using std::filesystem::exists;

// A child plays posternd; its sweeper becomes the test's child when it dies.
class SweeperTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    std::ofstream(scratch_.Path("s")) << "socket";
  }

  // Runs `then` in a process that has made the pid file and a sweeper, and kills that process.
  // Returns when the sweeper has ended too.
  void KillAfter(const std::function<void()>& then) {
    const pid_t pid = fork();
    if (pid == 0) {
      PlayPosternd(then);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << "couldn't start";
    ASSERT_GT(waitpid(-1, &status, 0), 0) << "no sweeper";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  Scratch scratch_;

 private:
  [[noreturn]] void PlayPosternd(const std::function<void()>& then) {
    FilePlace place = *OpenPlace(scratch_.Path("s"));
    const int directory = place.directory.get();
    const RuntimeFile socket = *Identify(directory, "s", S_IFREG);
    PidFile pid_file = *CreatePidFile(directory, "s.pid");
    const auto sweeper =
        Sweeper::Start(directory, socket, pid_file.file, config::SECCOMP_ACTION_KILL);
    if (!sweeper.ok()) _exit(1);
    then();
    raise(SIGKILL);  // No destructor runs.
    _exit(1);
  }
};

TEST_F(SweeperTest, RemovesBothWhenItsOwnerIsKilled) {
  KillAfter([] {});
  EXPECT_FALSE(exists(scratch_.Path("s")));
  EXPECT_FALSE(exists(scratch_.Path("s.pid")));
}

TEST_F(SweeperTest, LeavesASocketThatSomebodyElseMade) {
  std::ofstream(scratch_.Path("t")) << "other";
  KillAfter([this] { std::filesystem::rename(scratch_.Path("t"), scratch_.Path("s")); });
  EXPECT_TRUE(exists(scratch_.Path("s")));
  EXPECT_FALSE(exists(scratch_.Path("s.pid")));
}

TEST_F(SweeperTest, LeavesAPidFileThatSomebodyElseMade) {
  std::ofstream(scratch_.Path("t")) << "other";
  KillAfter([this] { std::filesystem::rename(scratch_.Path("t"), scratch_.Path("s.pid")); });
  // Whoever replaced it may have replaced the socket, too, or be about to.
  EXPECT_TRUE(exists(scratch_.Path("s")));
  EXPECT_TRUE(exists(scratch_.Path("s.pid")));
}

TEST_F(SweeperTest, EndsWhenTheFilesAreGoneAlready) {
  KillAfter([this] {
    std::filesystem::remove(scratch_.Path("s"));
    std::filesystem::remove(scratch_.Path("s.pid"));
  });
  EXPECT_FALSE(exists(scratch_.Path("s.pid")));
}

TEST_F(SweeperTest, TouchesNothingWhenItsOwnerEndsIt) {
  const FilePlace place = *OpenPlace(scratch_.Path("s"));
  const int directory = place.directory.get();
  PidFile pid_file = *CreatePidFile(directory, "s.pid");
  {
    const auto sweeper = Sweeper::Start(directory, *Identify(directory, "s", S_IFREG),
                                        pid_file.file, config::SECCOMP_ACTION_KILL);
    ASSERT_TRUE(sweeper.ok()) << sweeper.status();
  }
  EXPECT_TRUE(exists(scratch_.Path("s")));
  EXPECT_TRUE(exists(scratch_.Path("s.pid")));
  EXPECT_EQ(waitpid(-1, nullptr, 0), -1) << "not reaped";
}

TEST_F(SweeperTest, DoesNotKeepThePidFileLocked) {
  const FilePlace place = *OpenPlace(scratch_.Path("s"));
  const int directory = place.directory.get();
  PidFile pid_file = *CreatePidFile(directory, "s.pid");
  const auto sweeper = Sweeper::Start(directory, *Identify(directory, "s", S_IFREG), pid_file.file,
                                      config::SECCOMP_ACTION_KILL);
  ASSERT_TRUE(sweeper.ok());
  pid_file.lock.Reset();
  EXPECT_TRUE(CreatePidFile(directory, "s.pid").ok());
}

}  // namespace
}  // namespace postern
