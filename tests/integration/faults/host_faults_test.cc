// What the host does to a share while it is served: it fills up, fails, shrinks, moves, goes away.
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <thread>

#include "tests/integration/faults/faults_fixture.h"

namespace postern {
namespace {

using vmm::FuseHandle;
using vmm::HandleOf;
using vmm::NodeOf;

class HostFaultsTest : public FaultsFixture {
 protected:
  void StartWith(std::vector<std::string> options) {
    Setup setup;
    setup.daemon_options = std::move(options);
    ASSERT_NO_FATAL_FAILURE(Start(setup));
  }
};

TEST_F(HostFaultsTest, FullFilesystemIsEnospcUntilThereIsRoom) {
  ASSERT_NO_FATAL_FAILURE(MountTmpfs("disk", "size=256k"));
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out disk, fuse().Lookup(kRoot, "disk"));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file, fuse().Create(NodeOf(disk), "file", O_RDWR));
  const NodeId node = NodeOf(file.entry);
  const FuseHandle handle = HandleOf(file.opened);
  const std::string block = Pattern(64 * 1024, 1);
  int error = 0;
  for (uint64_t i = 0; error == 0 && i < 10; ++i) {
    error = fuse().WriteString(node, handle, i * block.size(), block).errno_value();
  }
  EXPECT_EQ(error, ENOSPC);
  EXPECT_ERRNO(fuse().Fallocate(node, handle, 0, 1 << 20, 0), ENOSPC);
  ASSERT_OK_AND_ASSIGN(const std::string text, fuse().ReadString(node, handle, 0, block.size()));
  EXPECT_TRUE(text == block);
  ASSERT_EQ(truncate(Host("disk/file").c_str(), 0), 0);
  EXPECT_OK(fuse().WriteString(node, handle, 0, block));
}

class ErrorTest : public HostFaultsTest, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(, ErrorTest, testing::Values(EIO, ESTALE, EDQUOT, EREMOTEIO, ENODEV),
                         [](const auto& row) { return strerrorname_np(row.param); });

TEST_P(ErrorTest, OfTheDeviceReachesTheGuestAndPasses) {
  if (IsSkipped()) return;
  const int error = GetParam();
  ASSERT_NO_FATAL_FAILURE(MountScripted("disk", {{"file", std::string(1 << 20, 'x')}}));
  ASSERT_NO_FATAL_FAILURE(StartWith({"--inode-file-handles=never"}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out disk, fuse().Lookup(kRoot, "disk"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(NodeOf(disk), "file"));
  const NodeId node = NodeOf(entry);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node, O_RDWR));
  const FuseHandle handle = HandleOf(opened);
  for (const uint32_t opcode : {FUSE_WRITE, FUSE_READ, FUSE_FSYNC, FUSE_GETATTR, FUSE_OPEN}) {
    scripted().Fail(opcode, "file", error);
  }
  EXPECT_ERRNO(fuse().WriteString(node, handle, 0, "text"), error);
  EXPECT_ERRNO(fuse().Fsync(node, handle), error);
  EXPECT_ERRNO(fuse().Open(node, O_RDONLY), error);
  EXPECT_ERRNO(fuse().Getattr(node), error);
  // The kernel has an error of its own for a page that can't be read.
  EXPECT_FALSE(fuse().ReadString(node, handle, 512 * 1024, 4096).ok());
  for (const uint32_t opcode : {FUSE_WRITE, FUSE_READ, FUSE_FSYNC, FUSE_GETATTR, FUSE_OPEN}) {
    scripted().Fail(opcode, "file", 0);
  }
  EXPECT_OK(fuse().WriteString(node, handle, 0, "text"));
  EXPECT_OK(fuse().Getattr(node));
  ASSERT_OK_AND_ASSIGN(const std::string text, fuse().ReadString(node, handle, 512 * 1024, 10));
  EXPECT_EQ(text, "xxxxxxxxxx");
}

TEST_F(HostFaultsTest, FileThatShrinksUnderReadsGivesShortOnesAndTheRightBytes) {
  const std::string content = Pattern(1 << 20, 7);
  WriteHost("file", content);
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(entry), O_RDWR));
  std::atomic<bool> stop = false;
  std::thread host([&] {
    while (!stop) {
      EXPECT_EQ(truncate(Host("file").c_str(), 1000), 0);
      EXPECT_EQ(truncate(Host("file").c_str(), 1 << 20), 0);
    }
  });
  for (int i = 0; i < 300; ++i) {
    const auto text = fuse().ReadString(NodeOf(entry), HandleOf(opened), 0, 1 << 20);
    EXPECT_OK(text);
    if (!text.ok()) break;
    // Only the first 1000 bytes are never cut off.
    EXPECT_GE(text->size(), 1000u);
    EXPECT_EQ(text->compare(0, 1000, content, 0, 1000), 0);
  }
  stop = true;
  host.join();
}

TEST_F(HostFaultsTest, RemovedShareGivesErrorsAndServesWhatIsOpen) {
  WriteHost("file", "content");
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(entry), O_RDONLY));
  std::error_code error;
  std::filesystem::remove(Host("file"), error);
  EXPECT_FALSE(error) << error.message();
  // The directory is another mount's root in the broker, which the host may remove all the same.
  std::filesystem::remove(share_, error);
  EXPECT_FALSE(error) << error.message();
  EXPECT_ERRNO(fuse().Lookup(kRoot, "file"), ENOENT);
  EXPECT_ERRNO(fuse().Create(kRoot, "new", O_RDWR), ENOENT);
  EXPECT_OK(fuse().Getattr(kRoot));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(NodeOf(entry), HandleOf(opened), 0, 100));
  EXPECT_EQ(text, "content");
  // Another directory of that name isn't what is shared.
  ASSERT_EQ(mkdir(share_.c_str(), 0755), 0);
  WriteHost("secret", "secret");
  EXPECT_ERRNO(fuse().Lookup(kRoot, "secret"), ENOENT);
}

TEST_F(HostFaultsTest, LazilyUnmountedSubmountGoesOnBeingServed) {
  ASSERT_NO_FATAL_FAILURE(MountTmpfs("disk", "size=1m"));
  WriteHost("disk/file", "content");
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out disk, fuse().Lookup(kRoot, "disk"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(NodeOf(disk), "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(entry), O_RDWR));
  ASSERT_EQ(umount2(Host("disk").c_str(), MNT_DETACH), 0);
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(NodeOf(entry), HandleOf(opened), 0, 100));
  EXPECT_EQ(text, "content");
  EXPECT_OK(fuse().Getattr(kRoot));
  EXPECT_OK(fuse().Lookup(kRoot, "disk"));
}

TEST_F(HostFaultsTest, DirectoriesThatTheHostRenamesNeverShowAnotherFilesContent) {
  for (const char* name : {"a", "b"}) {
    MakeHostDirectory(name);
    WriteHost(std::string(name) + "/file", name);
  }
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  std::atomic<bool> stop = false;
  std::thread host([&] {
    while (!stop) {
      EXPECT_EQ(
          renameat2(AT_FDCWD, Host("a").c_str(), AT_FDCWD, Host("b").c_str(), RENAME_EXCHANGE), 0);
    }
  });
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out a, fuse().Lookup(kRoot, "a"));
  // Which of the two directories it was at that time, its file says from now on.
  std::string expected;
  size_t walked = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto file = fuse().Lookup(NodeOf(a), "file");
    EXPECT_OK(file);
    if (!file.ok()) break;
    const auto opened = fuse().Open(NodeOf(*file), O_RDONLY);
    EXPECT_OK(opened);
    if (!opened.ok()) break;
    const auto text = fuse().ReadString(NodeOf(*file), HandleOf(*opened), 0, 10);
    EXPECT_OK(text);
    EXPECT_OK(fuse().Release(NodeOf(*file), HandleOf(*opened)));
    EXPECT_OK(fuse().Forget(NodeOf(*file), 1));
    if (!text.ok()) break;
    if (expected.empty()) expected = *text;
    if (*text != expected) break;
    ++walked;
  }
  stop = true;
  host.join();
  EXPECT_EQ(walked, 3000u);
}

// ---- the daemon's own processes ----

class ProcessFaultsTest : public HostFaultsTest, public testing::WithParamInterface<const char*> {
 protected:
  // Some hundred requests in flight.
  void SubmitLoad(std::deque<AsyncRequest>& load) {
    for (int i = 0; i < 50; ++i) {
      load.emplace_back(fuse_queue(1)).Submit([](vmm::FuseRequest& request) {
        vmm::EncodeLookup(request, kRoot, "file");
      });
    }
    fuse_queue(1).Flush();
  }
  pid_t Process() const { return daemon_->ProcessNamed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(, ProcessFaultsTest,
                         testing::Values("posternd", "postern-broker", "postern-worker",
                                         "postern-sweeper"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(ProcessFaultsTest, StoppedUnderLoadAndContinuedLosesNothing) {
  WriteHost("file", "content");
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  ASSERT_NE(Process(), 0);
  std::deque<AsyncRequest> load;
  ASSERT_NO_FATAL_FAILURE(SubmitLoad(load));
  ASSERT_EQ(kill(Process(), SIGSTOP), 0);
  ASSERT_NO_FATAL_FAILURE(SubmitLoad(load));
  // Long enough for whoever had a time limit on the others.
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  ASSERT_EQ(kill(Process(), SIGCONT), 0);
  for (AsyncRequest& request : load) EXPECT_EQ(request.Error(), 0);
  EXPECT_EQ(LogLines(": error: "), 0u);
}

TEST_P(ProcessFaultsTest, KilledUnderLoadEndsAllWithOneClearLine) {
  WriteHost("file", "content");
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  const pid_t process = Process();
  ASSERT_NE(process, 0);
  std::deque<AsyncRequest> load;
  ASSERT_NO_FATAL_FAILURE(SubmitLoad(load));
  ASSERT_EQ(kill(process, SIGKILL), 0);
  const std::string name = GetParam();
  if (name == "postern-sweeper") {
    for (AsyncRequest& request : load) EXPECT_EQ(request.Error(), 0);
    return;  // TearDown() looks at the end.
  }
  EXPECT_EQ(daemon().WaitForExit(), name == "posternd" ? 128 + SIGKILL : 1);
  EXPECT_THAT(daemon().Leftovers(), testing::IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(temp_.Path("socket")));
  EXPECT_FALSE(std::filesystem::exists(temp_.Path("socket.pid")));
  if (name != "posternd") {
    EXPECT_EQ(LogLines(name.substr(8) + " was killed by signal 9 (Killed)"), 1u);
  }
  ForgetDaemon();
}

}  // namespace
}  // namespace postern
