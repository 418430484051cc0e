// Operations that a filesystem doesn't answer: what else goes on, and how the daemon ends.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <future>

#include "tests/integration/faults/faults_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using vmm::FuseHandle;
using vmm::FuseRequest;
using vmm::GuestBuffer;
using vmm::HandleOf;
using vmm::NodeOf;

struct OpenedFile {
  NodeId node{0};
  FuseHandle handle{0};
};

// "slow" is the scripted filesystem, "file" lies beside it.
class StuckOperationsTest : public FaultsFixture {
 protected:
  void StartWith(std::vector<std::string> options) {
    if (IsSkipped()) return;
    ScriptedFilesystem::Files files = {{"a", std::string(size_t{1} << 20, 'a')}};
    for (int i = 0; i < 20; ++i) files["n" + std::to_string(i)] = "n";
    ASSERT_NO_FATAL_FAILURE(MountScripted("slow", std::move(files)));
    WriteHost("file", "content");
    Setup setup;
    setup.front_end.queues = 3;
    setup.daemon_options = std::move(options);
    setup.daemon_options.push_back("--request-queues=2");
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out slow, fuse().Lookup(kRoot, "slow"));
    slow_ = NodeOf(slow);
    ASSERT_NO_FATAL_FAILURE(OpenFile(kRoot, "file", O_RDWR, file_));
  }
  void OpenFile(NodeId parent, std::string_view name, uint32_t flags, OpenedFile& file) {
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(parent, name));
    ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(entry), flags));
    file = {NodeOf(entry), HandleOf(opened)};
  }
  // How many descriptors of regular files the process holds.
  size_t OpenFilesOf(std::string_view name) {
    const auto descriptors = vmm::OpenDescriptors(daemon().ProcessNamed(name));
    EXPECT_TRUE(descriptors.ok());
    return static_cast<size_t>(std::ranges::count_if(*descriptors, [](const std::string& target) {
      return target.starts_with('/') && !target.starts_with("/dev/") &&
             !target.starts_with("/memfd:");
    }));
  }
  // Of everything that the guest can do beside the stuck filesystem.
  void ExpectServed(size_t queue) {
    vmm::FuseClient& client = fuse_on(queue);
    client.set_timeout(std::chrono::seconds(10));
    ASSERT_NO_FATAL_FAILURE(ExpectFileIo(queue));
    EXPECT_OK(client.Getattr(kRoot));
    EXPECT_OK(client.Lookup(kRoot, "file"));
    ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile made,
                         client.Create(kRoot, "new" + std::to_string(queue), O_RDWR));
    EXPECT_OK(client.Release(NodeOf(made.entry), HandleOf(made.opened)));
    ASSERT_OK_AND_ASSIGN(const fuse_open_out listing, client.Opendir(kRoot));
    EXPECT_OK(client.Readdir(kRoot, HandleOf(listing), 0));
    EXPECT_OK(client.Releasedir(kRoot, HandleOf(listing)));
  }
  void ExpectFileIo(size_t queue) {
    vmm::FuseClient& client = fuse_on(queue);
    client.set_timeout(std::chrono::seconds(10));
    ASSERT_OK(client.WriteString(file_.node, file_.handle, 0, "written"));
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         client.ReadString(file_.node, file_.handle, 0, 100));
    EXPECT_EQ(text, "written");
  }

  NodeId slow_{0};
  OpenedFile file_;
};

TEST_F(StuckOperationsTest, LookupLeavesBothQueuesServed) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  scripted().Hold(FUSE_LOOKUP, "a");
  AsyncRequest stuck(fuse_queue(1));
  stuck.Send([&](FuseRequest& request) { vmm::EncodeLookup(request, slow_, "a"); });
  ASSERT_TRUE(scripted().WaitForHeld(1));
  ExpectServed(2);
  ExpectServed(1);
  EXPECT_FALSE(stuck.done());
  scripted().Release();
  EXPECT_EQ(stuck.Error(), 0);
}

TEST_F(StuckOperationsTest, AllThreadsButOneStuckLeaveMetadataServed) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--thread-pool-size=5"}));
  std::deque<AsyncRequest> stuck;
  for (size_t i = 0; i < 4; ++i) {
    const std::string name = "n" + std::to_string(i);
    scripted().Hold(FUSE_LOOKUP, name);
    stuck.emplace_back(fuse_queue(1)).Send([&](FuseRequest& request) {
      vmm::EncodeLookup(request, slow_, name);
    });
    ASSERT_TRUE(scripted().WaitForHeld(i + 1));
  }
  ExpectServed(1);
  ExpectServed(2);
  scripted().Release();
  for (AsyncRequest& request : stuck) EXPECT_EQ(request.Error(), 0);
}

TEST_F(StuckOperationsTest, MoreStuckRequestsThanThreadsForThemLeaveAllElseServed) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--thread-pool-size=2"}));
  std::deque<AsyncRequest> stuck;
  for (size_t i = 0; i < 12; ++i) {
    const std::string name = "n" + std::to_string(i);
    scripted().Hold(FUSE_LOOKUP, name);
    stuck.emplace_back(fuse_queue(1 + i % 2)).Send([&](FuseRequest& request) {
      vmm::EncodeLookup(request, slow_, name);
    });
    if (i >= 2) continue;
    ASSERT_TRUE(scripted().WaitForHeld(i + 1));
  }
  ExpectServed(1);
  ExpectServed(2);
  scripted().Release();
  for (AsyncRequest& request : stuck) EXPECT_EQ(request.Error(), 0);
}

TEST_F(StuckOperationsTest, RequestsOfOneMessageWaitSideBySide) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  constexpr size_t kCount = 20;
  std::deque<AsyncRequest> stuck;
  for (size_t i = 0; i < kCount; ++i) {
    const std::string name = "n" + std::to_string(i);
    scripted().Hold(FUSE_LOOKUP, name);
    stuck.emplace_back(fuse_queue(1)).Submit([&](FuseRequest& request) {
      vmm::EncodeLookup(request, slow_, name);
    });
  }
  fuse_queue(1).Flush();
  EXPECT_TRUE(scripted().WaitForHeld(kCount));
  ExpectServed(1);
  ExpectServed(2);
  scripted().Release();
  for (AsyncRequest& request : stuck) EXPECT_EQ(request.Error(), 0);
}

// Of each kind as many as asked for, twenty by default.
TEST_F(StuckOperationsTest, ReadsAndSyncsWaitSideBySide) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  std::vector<OpenedFile> files(20);
  for (size_t i = 0; i < files.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "n" + std::to_string(i), O_RDWR, files[i]));
  }
  for (const uint32_t opcode : {FUSE_FSYNC, FUSE_READ}) {
    SCOPED_TRACE(opcode);
    std::deque<AsyncRequest> stuck;
    for (size_t i = 0; i < files.size(); ++i) {
      scripted().Hold(opcode, "n" + std::to_string(i));
      stuck.emplace_back(fuse_queue(1)).Send([&](FuseRequest& request) {
        if (opcode == FUSE_READ) {
          vmm::EncodeRead(request, files[i].node, files[i].handle, 0, fuse_on(2).buffer());
        } else {
          vmm::EncodeFsync(request, files[i].node, files[i].handle, false);
        }
      });
    }
    EXPECT_TRUE(scripted().WaitForHeld(files.size()));
    ASSERT_NO_FATAL_FAILURE(ExpectFileIo(1));
    EXPECT_OK(fuse_on(1).Fsync(file_.node, file_.handle));
    scripted().Release();
    for (AsyncRequest& request : stuck) EXPECT_EQ(request.Error(), 0);
  }
}

TEST_F(StuckOperationsTest, WhatStandsBesideAStuckRequestInAMessageIsAnswered) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  scripted().Hold(FUSE_LOOKUP, "a");
  std::deque<AsyncRequest> before;
  std::deque<AsyncRequest> after;
  const auto getattr = [](FuseRequest& request) {
    vmm::EncodeGetattr(request, kRoot, std::nullopt);
  };
  for (int i = 0; i < 3; ++i) before.emplace_back(fuse_queue(1)).Submit(getattr);
  AsyncRequest stuck(fuse_queue(1));
  stuck.Submit([&](FuseRequest& request) { vmm::EncodeLookup(request, slow_, "a"); });
  for (int i = 0; i < 3; ++i) after.emplace_back(fuse_queue(1)).Submit(getattr);
  fuse_queue(1).Flush();
  ASSERT_TRUE(scripted().WaitForHeld(1));
  for (AsyncRequest& request : before) EXPECT_EQ(request.Error(), 0);
  for (AsyncRequest& request : after) EXPECT_EQ(request.Error(), 0);
  EXPECT_FALSE(stuck.done());
  scripted().Release();
  EXPECT_EQ(stuck.Error(), 0);
}

// What a VMM's main loop waits for, and with it all of its machine.
TEST_F(StuckOperationsTest, FrontEndsMessagesWaitForNoRequest) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  OpenedFile file;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "a", O_RDWR, file));
  scripted().Hold(FUSE_FSYNC, "a");
  scripted().Hold(FUSE_LOOKUP, "n0");
  AsyncRequest sync(fuse_queue(1));
  sync.Send(
      [&](FuseRequest& request) { vmm::EncodeFsync(request, file.node, file.handle, false); });
  AsyncRequest lookup(fuse_queue(1));
  lookup.Send([&](FuseRequest& request) { vmm::EncodeLookup(request, slow_, "n0"); });
  ASSERT_TRUE(scripted().WaitForHeld(2));

  using Ack = vmm::VhostUserClient::Ack;
  vmm::VhostUserClient& client = front_end().client();
  const vmm::GuestMemory::RegionLayout layout{.guest_base = uint64_t{1} << 40, .size = 1 << 20};
  ASSERT_OK_AND_ASSIGN(const auto added, vmm::GuestMemory::Create(std::span(&layout, 1)));
  EXPECT_OK(client.AddMemReg(added->regions()[0]));
  EXPECT_OK(client.RemMemReg(added->regions()[0]));
  EXPECT_OK(client.SetMemTable(front_end().memory().regions()));
  EXPECT_OK(client.SetVringKick(1, front_end().queue(1).kick_fd(), Ack::kYes));
  EXPECT_OK(client.SetVringEnable(1, false, Ack::kYes));
  EXPECT_OK(client.SetVringEnable(1, true, Ack::kYes));
  ExpectServed(1);
  EXPECT_FALSE(sync.done());
  EXPECT_FALSE(lookup.done());
  scripted().Release();
  EXPECT_EQ(sync.Error(), 0);
  EXPECT_EQ(lookup.Error(), 0);
}

// GET_VRING_BASE, for which a VMM's main loop waits as well.
TEST_F(StuckOperationsTest, RingStopsInterruptingWhatIsStuck) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  OpenedFile file;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "a", O_RDWR, file));
  OpenedFile other;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "n1", O_RDWR, other));
  scripted().Hold(FUSE_FSYNC, "a");
  scripted().Hold(FUSE_LOOKUP, "n0");
  scripted().Hold(FUSE_OPEN, "n1");
  AsyncRequest sync(fuse_queue(1));
  sync.Send(
      [&](FuseRequest& request) { vmm::EncodeFsync(request, file.node, file.handle, false); });
  AsyncRequest lookup(fuse_queue(1));
  lookup.Send([&](FuseRequest& request) { vmm::EncodeLookup(request, slow_, "n0"); });
  AsyncRequest open(fuse_queue(1));
  open.Send([&](FuseRequest& request) { vmm::EncodeOpen(request, other.node, O_RDONLY, 0); });
  ASSERT_TRUE(scripted().WaitForHeld(3));
  const size_t descriptors = OpenFilesOf("postern-worker");

  ASSERT_TRUE(front_end().StopQueue(1).ok());
  EXPECT_EQ(sync.Error(), EINTR);
  EXPECT_EQ(lookup.Error(), EINTR);
  EXPECT_EQ(open.Error(), EINTR);
  ASSERT_TRUE(front_end().StartQueue(1).ok());
  ExpectServed(1);

  scripted().Release();
  ExpectServed(1);
  // Behind the late answers, which leave nothing open.
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "n0", O_RDWR, other));
  EXPECT_OK(fuse().Release(other.node, other.handle));
  EXPECT_OK(fuse().Fsync(file.node, file.handle));
  for (int i = 0; i < 1000 && OpenFilesOf("postern-worker") != descriptors; ++i) usleep(10'000);
  EXPECT_EQ(OpenFilesOf("postern-worker"), descriptors);
}

TEST_F(StuckOperationsTest, RingThatStopsWaitsForWhatMovesTheGuestsData) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  OpenedFile file;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "a", O_RDWR, file));
  scripted().Hold(FUSE_READ, "a");
  const GuestBuffer data = fuse().buffer();
  AsyncRequest read(fuse_queue(1));
  read.Send([&](FuseRequest& request) {
    vmm::EncodeRead(request, file.node, file.handle, 512 * 1024, data);
  });
  ASSERT_TRUE(scripted().WaitForHeld(1));
  auto stopped = std::async(std::launch::async, [this] { return front_end().StopQueue(1).ok(); });
  // Can't fail by being slow: it isn't allowed to return however long this is. Longer than what
  // isn't about data is waited for.
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(5500)), std::future_status::timeout);
  scripted().Release();
  EXPECT_TRUE(stopped.get());
  EXPECT_EQ(read.Error(), 0);
}

// One operation on an open file of the stuck filesystem.
struct FileOperationCase {
  const char* name;
  uint32_t opcode;  // What the filesystem is asked for and doesn't answer.
  void (*encode)(FuseRequest&, const OpenedFile&, const GuestBuffer&);
};
void EncodeReadOf(FuseRequest& request, const OpenedFile& file, const GuestBuffer& data) {
  vmm::EncodeRead(request, file.node, file.handle, 512 * 1024, data);
}
void EncodeWriteOf(FuseRequest& request, const OpenedFile& file, const GuestBuffer& data) {
  vmm::EncodeWrite(request, file.node, file.handle, 0, data);
}
void EncodeSyncOf(FuseRequest& request, const OpenedFile& file, const GuestBuffer&) {
  vmm::EncodeFsync(request, file.node, file.handle, false);
}
void EncodeFlushOf(FuseRequest& request, const OpenedFile& file, const GuestBuffer&) {
  vmm::EncodeFlush(request, file.node, file.handle);
}
void EncodeReleaseOf(FuseRequest& request, const OpenedFile& file, const GuestBuffer&) {
  vmm::EncodeRelease(request, file.node, file.handle);
}

class StuckFileOperationTest : public StuckOperationsTest,
                               public testing::WithParamInterface<FileOperationCase> {};
INSTANTIATE_TEST_SUITE_P(, StuckFileOperationTest,
                         testing::Values(FileOperationCase{"Read", FUSE_READ, &EncodeReadOf},
                                         FileOperationCase{"Write", FUSE_WRITE, &EncodeWriteOf},
                                         FileOperationCase{"Fsync", FUSE_FSYNC, &EncodeSyncOf},
                                         FileOperationCase{"Flush", FUSE_FLUSH, &EncodeFlushOf},
                                         FileOperationCase{"Release", FUSE_FLUSH,
                                                           &EncodeReleaseOf}),
                         [](const auto& row) { return row.param.name; });

TEST_P(StuckFileOperationTest, LeavesTheSameQueueServed) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  OpenedFile file;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "a", O_RDWR, file));
  // By now it is known that the filesystem can't do without waiting.
  ASSERT_OK(fuse().ReadString(file.node, file.handle, 0, 4096));
  ASSERT_OK(fuse().WriteString(file.node, file.handle, 0, "text"));
  scripted().Hold(GetParam().opcode, "a");
  ASSERT_OK_AND_ASSIGN(const GuestBuffer data, front_end().memory().Allocate(4096, 4096));
  AsyncRequest stuck(fuse_queue(1));
  stuck.Send([&](FuseRequest& request) { GetParam().encode(request, file, data); });
  ASSERT_TRUE(scripted().WaitForHeld(1));
  ExpectServed(1);
  ExpectServed(2);
  scripted().Release();
  EXPECT_EQ(stuck.Error(), 0);
}

// With a file open on it, not even the end of a process goes on without the filesystem: closing
// the file asks it, and that wait can't be killed.
TEST_F(StuckOperationsTest, DisconnectWithAStuckReadEndsPosternd) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  OpenedFile file;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "a", O_RDWR, file));
  ASSERT_OK_AND_ASSIGN(const GuestBuffer data, front_end().memory().Allocate(4096, 4096));
  scripted().Hold(FUSE_READ, "a");
  AsyncRequest stuck(fuse_queue(1));
  stuck.Send([&](FuseRequest& request) { EncodeReadOf(request, file, data); });
  ASSERT_TRUE(scripted().WaitForHeld(1));
  front_end().Disconnect();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  EXPECT_EQ(LogLines("Requests of the client aren't done 2 seconds after it disconnected"), 1u);
  scripted().Release();
  EXPECT_THAT(daemon().Leftovers(), testing::IsEmpty());
}

TEST_F(StuckOperationsTest, AllIoThreadsStuckLeaveMetadataAndCachedReadsServed) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  OpenedFile file;
  ASSERT_NO_FATAL_FAILURE(OpenFile(slow_, "a", O_RDWR, file));
  scripted().Hold(FUSE_FSYNC, "a");
  std::deque<AsyncRequest> stuck;
  for (int i = 0; i < 40; ++i) {  // More than there are threads.
    stuck.emplace_back(fuse_queue(1)).Submit([&](FuseRequest& request) {
      vmm::EncodeFsync(request, file.node, file.handle, false);
    });
  }
  fuse_queue(1).Flush();
  ASSERT_TRUE(scripted().WaitForHeld(1));
  fuse().set_timeout(std::chrono::seconds(10));
  EXPECT_OK(fuse().Getattr(kRoot));
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const std::string text, fuse().ReadString(file_.node, file_.handle, 0, 100));
  EXPECT_EQ(text, "content");
  scripted().Release();
  for (AsyncRequest& request : stuck) EXPECT_EQ(request.Error(), 0);
}

TEST_F(StuckOperationsTest, SigtermEndsPosterndAlthoughAChildCannotBeKilled) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  scripted().Hold(FUSE_LOOKUP, "a");
  AsyncRequest stuck(fuse_queue(1));
  stuck.Send([&](FuseRequest& request) { vmm::EncodeLookup(request, slow_, "a"); });
  ASSERT_TRUE(scripted().WaitForHeld(1));
  daemon().Signal(SIGTERM);
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_EQ(LogLines("is stuck in a system call; it was killed"), 1u);
  scripted().Release();
  EXPECT_THAT(daemon().Leftovers(), testing::IsEmpty());
  ForgetDaemon();
}

TEST_F(StuckOperationsTest, LookupOnDisconnectEndsTheDaemonAndLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  scripted().StopReading();
  AsyncRequest stuck(fuse_queue(1));
  stuck.Send([&](FuseRequest& request) { vmm::EncodeLookup(request, slow_, "a"); });
  ExpectFileIo(1);
  StopAndCheck();
}

}  // namespace
}  // namespace postern
