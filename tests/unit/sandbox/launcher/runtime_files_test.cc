#include "sandbox/launcher/runtime_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/logging.h"
#include "common/scoped_umask.h"
#include "tests/unit/sandbox/scratch.h"

namespace postern {
namespace {

using testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class RuntimeFilesTest : public testing::Test {
 protected:
  int directory() const { return place_.directory.get(); }

  Scratch scratch_;
  FilePlace place_ = *OpenPlace(scratch_.Path("x"));
};

TEST_F(RuntimeFilesTest, PlaceIsDirectoryAndName) {
  EXPECT_EQ(place_.name, "x");
  struct stat place;
  struct stat expected;
  ASSERT_EQ(fstat(directory(), &place), 0);
  ASSERT_EQ(stat(scratch_.path().c_str(), &expected), 0);
  EXPECT_EQ(place.st_ino, expected.st_ino);
}

TEST_F(RuntimeFilesTest, PlaceNeedsADirectoryAndAName) {
  EXPECT_THAT(Text(OpenPlace(scratch_.Path("none/x")).status()), HasSubstr("does not exist"));
  EXPECT_FALSE(OpenPlace(scratch_.Path("")).ok());
  EXPECT_FALSE(OpenPlace("..").ok());
  EXPECT_EQ(OpenPlace("relative")->name, "relative");
}

TEST_F(RuntimeFilesTest, PidFileHasThePidAndIsPrivate) {
  const ScopedUmask everything(0);
  const auto pid_file = CreatePidFile(directory(), "p");
  ASSERT_TRUE(pid_file.ok()) << pid_file.status();
  EXPECT_EQ(Read(scratch_.Path("p")), std::to_string(getpid()) + "\n");
  struct stat attributes;
  ASSERT_EQ(stat(scratch_.Path("p").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 07777, 0600u);
}

TEST_F(RuntimeFilesTest, OldPidFileIsCutToTheNewPid) {
  std::ofstream(scratch_.Path("p")) << "123456789012345\nrest\n";
  const auto pid_file = CreatePidFile(directory(), "p");
  ASSERT_TRUE(pid_file.ok());
  EXPECT_EQ(Read(scratch_.Path("p")), std::to_string(getpid()) + "\n");
}

TEST_F(RuntimeFilesTest, LockedPidFileIsRefusedAndLeftAlone) {
  const auto first = CreatePidFile(directory(), "p");
  ASSERT_TRUE(first.ok());
  const auto second = CreatePidFile(directory(), "p");
  EXPECT_THAT(Text(second.status()), HasSubstr("Error creating pid file 'p'"));
  EXPECT_TRUE(IsStillThere(directory(), first->file));
}

TEST_F(RuntimeFilesTest, LockEndsWithItsHolder) {
  { ASSERT_TRUE(CreatePidFile(directory(), "p").ok()); }
  EXPECT_TRUE(CreatePidFile(directory(), "p").ok());
}

// The holder is the sweeper of a posternd that was killed, say.
TEST_F(RuntimeFilesTest, LockThatIsFreeSoonIsWaitedForWithALine) {
  auto first = CreatePidFile(directory(), "p");
  ASSERT_TRUE(first.ok());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t successor = fork();
  if (successor == 0) {
    first->lock.Reset();  // The parent's copy keeps it locked.
    dup2(ends[1], STDERR_FILENO);
    InitializeLogging("successor");
    _exit(CreatePidFile(directory(), "p").ok() ? 0 : 1);
  }
  close(ends[1]);
  char line[1000];
  const ssize_t size = read(ends[0], line, sizeof(line));
  EXPECT_THAT(std::string(line, size > 0 ? static_cast<size_t>(size) : 0),
              HasSubstr("'p' is locked: waiting for its holder's end"));
  RemoveIfStillThere(directory(), first->file);
  first->lock.Reset();
  int status = 0;
  ASSERT_EQ(waitpid(successor, &status, 0), successor);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Read(scratch_.Path("p")), std::to_string(successor) + "\n");
  close(ends[0]);
}

TEST_F(RuntimeFilesTest, PidFileIsNotWrittenThroughASymbolicLink) {
  std::ofstream(scratch_.Path("victim")) << "precious";
  ASSERT_EQ(symlink("victim", scratch_.Path("p").c_str()), 0);
  EXPECT_FALSE(CreatePidFile(directory(), "p").ok());
  EXPECT_EQ(Read(scratch_.Path("victim")), "precious");
}

TEST_F(RuntimeFilesTest, RemovesItsOwnFile) {
  std::ofstream(scratch_.Path("f")) << "a";
  const auto file = Identify(directory(), "f", S_IFREG);
  ASSERT_TRUE(file.ok());
  RemoveIfStillThere(directory(), *file);
  EXPECT_FALSE(std::filesystem::exists(scratch_.Path("f")));
}

TEST_F(RuntimeFilesTest, LeavesAnothersFileOfTheSameName) {
  std::ofstream(scratch_.Path("f")) << "a";
  const auto file = Identify(directory(), "f", S_IFREG);
  ASSERT_TRUE(file.ok());
  // Both exist at once, so that the inodes differ.
  std::ofstream(scratch_.Path("g")) << "b";
  std::filesystem::rename(scratch_.Path("g"), scratch_.Path("f"));
  RemoveIfStillThere(directory(), *file);
  EXPECT_EQ(Read(scratch_.Path("f")), "b");
}

}  // namespace
}  // namespace postern
