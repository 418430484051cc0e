// Many requests at a time, from several threads, and rings that stop in the middle.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::FuseHandle;
using vmm::FuseQueue;
using vmm::FuseReply;
using vmm::FuseRequest;
using vmm::HandleOf;
using vmm::NodeOf;

constexpr size_t kBlock = 4096;

// Writes numbered blocks of a file through a queue, `depth` at a time, and counts what comes back.
class BlockWriter {
 public:
  BlockWriter(FuseQueue& queue, vmm::BufferPool pool, NodeId node, FuseHandle handle,
              uint64_t first_block)
      : queue_(queue), pool_(std::move(pool)), node_(node), handle_(handle), next_(first_block) {}

  static std::string Content(uint64_t block) { return Pattern(kBlock, block + 1); }

  // Puts writes of the next blocks into the ring while there are buffers; the device sees them
  // after Flush().
  void Submit(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const auto buffer = pool_.Take();
      if (!buffer.has_value()) return;
      const std::string content = Content(next_);
      std::memcpy(buffer->bytes.data(), content.data(), kBlock);
      FuseRequest* request = queue_.Begin();
      ASSERT_NE(request, nullptr);
      vmm::EncodeWrite(*request, node_, handle_, next_ * kBlock, *buffer);
      slots_.push_back(std::make_unique<Slot>(this, *buffer));
      ASSERT_OK(queue_.Submit(*request, &BlockWriter::Complete, slots_.back().get()));
      ++next_;
      ++submitted_;
    }
  }
  void WaitForAll() {
    while (completed_ < submitted_) ASSERT_OK(queue_.Wait());
  }

  uint64_t next_block() const { return next_; }
  size_t submitted() const { return submitted_; }
  size_t completed() const { return completed_; }
  size_t failed() const { return failed_; }

 private:
  struct Slot {
    Slot(BlockWriter* owner, const vmm::GuestBuffer& taken) : writer(owner), buffer(taken) {}
    BlockWriter* writer;
    vmm::GuestBuffer buffer;
    bool completed = false;
  };

  static void Complete(void* context, const FuseReply& reply) {
    auto* slot = static_cast<Slot*>(context);
    BlockWriter& writer = *slot->writer;
    EXPECT_FALSE(slot->completed) << "a request was completed twice";
    slot->completed = true;
    fuse_write_out out{};
    std::memcpy(&out, reply.arguments.data(), std::min(sizeof(out), reply.arguments.size()));
    if (reply.error != 0 || out.size != kBlock) ++writer.failed_;
    ++writer.completed_;
    writer.pool_.Give(slot->buffer);
  }

  FuseQueue& queue_;
  vmm::BufferPool pool_;
  const NodeId node_;
  const FuseHandle handle_;
  uint64_t next_;
  size_t submitted_ = 0;
  size_t completed_ = 0;
  size_t failed_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
};

class LoadTest : public ShareFixture {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    Setup setup;
    setup.front_end.queues = 5;  // A peer may offer fewer.
    setup.front_end.regions = {{.guest_base = 0, .size = size_t{256} << 20}};
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file, fuse().Create(kRoot, "file", O_RDWR));
    node_ = NodeOf(file.entry);
    handle_ = HandleOf(file.opened);
  }

  std::unique_ptr<BlockWriter> MakeWriter(size_t queue, size_t depth, uint64_t first_block = 0) {
    auto pool = vmm::BufferPool::Create(front_end().memory(), kBlock, depth);
    EXPECT_OK(pool);
    return std::make_unique<BlockWriter>(fuse_queue(queue), std::move(pool).value(), node_, handle_,
                                         first_block);
  }
  // After a restart or enabling. Ours looks at the ring by itself, peers want the kick that QEMU
  // gives.
  void KickPeer(size_t queue) {
    if (!IsPostern()) fuse_queue(queue).ring().Kick();
  }
  void ExpectBlocks(uint64_t first, uint64_t end) const {
    const std::string content = ReadHost("file");
    ASSERT_GE(content.size(), end * kBlock);
    for (uint64_t block = first; block < end; ++block) {
      ASSERT_TRUE(content.compare(block * kBlock, kBlock, BlockWriter::Content(block)) == 0)
          << "block " << block;
    }
  }

  NodeId node_{0};
  FuseHandle handle_{0};
};

TEST_F(LoadTest, ManyRequestsInFlightAllCompleteOnce) {
  const auto writer = MakeWriter(1, 100);
  while (writer->submitted() < 5000) {
    ASSERT_NO_FATAL_FAILURE(writer->Submit(100));
    ASSERT_OK(fuse_queue(1).Wait());
  }
  ASSERT_NO_FATAL_FAILURE(writer->WaitForAll());
  EXPECT_EQ(writer->failed(), 0u);
  EXPECT_EQ(writer->completed(), writer->submitted());
  ASSERT_NO_FATAL_FAILURE(ExpectBlocks(0, writer->next_block()));
}

TEST_F(LoadTest, BatchCostsOneKickAtMost) {
  const auto writer = MakeWriter(1, 64);
  const uint64_t before = fuse_queue(1).kicks();
  ASSERT_NO_FATAL_FAILURE(writer->Submit(64));
  fuse_queue(1).Flush();
  EXPECT_LE(fuse_queue(1).kicks(), before + 1);
  ASSERT_NO_FATAL_FAILURE(writer->WaitForAll());
}

TEST_F(LoadTest, QueuesInParallelKeepTheirDataApart) {
  const size_t queues = queue_count();
  std::vector<std::unique_ptr<BlockWriter>> writers;
  for (size_t i = 0; i < queues; ++i) writers.push_back(MakeWriter(i, 32, i * 2000));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < queues; ++i) {
    threads.emplace_back([&, i] {
      while (writers[i]->submitted() < 1000) {
        ASSERT_NO_FATAL_FAILURE(writers[i]->Submit(32));
        ASSERT_OK(fuse_queue(i).Wait());
      }
      writers[i]->WaitForAll();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < queues; ++i) {
    EXPECT_EQ(writers[i]->failed(), 0u);
    ASSERT_NO_FATAL_FAILURE(ExpectBlocks(i * 2000, i * 2000 + 1000));
  }
}

TEST_F(LoadTest, QueuesInParallelMakeAndRemoveFiles) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < queue_count(); ++i) {
    threads.emplace_back([&, i] {
      vmm::FuseClient& client = fuse_on(i);
      for (int round = 0; round < 100; ++round) {
        const std::string name = "t" + std::to_string(i) + "-" + std::to_string(round % 7);
        ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file,
                             client.Create(kRoot, name, O_RDWR | O_EXCL));
        const NodeId node = NodeOf(file.entry);
        const std::string text = Pattern(10'000, i * 1000 + static_cast<uint64_t>(round));
        ASSERT_OK(client.WriteString(node, HandleOf(file.opened), 0, text));
        ASSERT_OK_AND_ASSIGN(const std::string read,
                             client.ReadString(node, HandleOf(file.opened), 0, 20'000));
        ASSERT_TRUE(read == text);
        ASSERT_OK(client.Release(node, HandleOf(file.opened)));
        ASSERT_OK(client.Unlink(kRoot, name));
        ASSERT_OK(client.Forget(node, 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(LoadTest, LookupsAndForgetsOfOneFileFromAllQueuesAddUp) {
  WriteHost("shared", "");
  std::vector<std::thread> threads;
  for (size_t i = 0; i < queue_count(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 500; ++round) {
        ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse_on(i).Lookup(kRoot, "shared"));
        ASSERT_OK(fuse_on(i).Getattr(NodeOf(entry)));
        ASSERT_OK(fuse_on(i).Forget(NodeOf(entry), 1));
      }
      // A forget has no answer; what comes after it on its queue has.
      ASSERT_OK(fuse_on(i).Getattr(kRoot));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out last, fuse().Lookup(kRoot, "shared"));
  ASSERT_OK(fuse().Forget(NodeOf(last), 1));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(last)), EBADF);
}

TEST_F(LoadTest, StoppedRingHasFinishedWhatItTookAndLosesNothing) {
  const auto writer = MakeWriter(1, 64);
  for (int round = 0; round < 20; ++round) {
    ASSERT_NO_FATAL_FAILURE(writer->Submit(64));
    fuse_queue(1).Flush();
    const absl::Status stopped = front_end().StopQueue(1);
    ASSERT_TRUE(stopped.ok()) << stopped;
    // Everything taken is in the used ring; nothing else will be until the restart.
    EXPECT_EQ(front_end().queue(1).LoadUsedIndex(), front_end().saved_base(1));
    const absl::Status started = front_end().StartQueue(1);
    ASSERT_TRUE(started.ok()) << started;
    KickPeer(1);
    ASSERT_NO_FATAL_FAILURE(writer->WaitForAll());
  }
  EXPECT_EQ(writer->failed(), 0u);
  EXPECT_EQ(writer->completed(), writer->submitted());
  ASSERT_NO_FATAL_FAILURE(ExpectBlocks(0, writer->next_block()));
}

TEST_F(LoadTest, RequestsAddedWhileStoppedAreServedWithoutAKick) {
  POSTERN_ONLY("virtiofsd waits for a kick");
  ASSERT_TRUE(front_end().StopQueue(1).ok());
  const uint16_t base = front_end().saved_base(1);
  const auto writer = MakeWriter(1, 8);
  ASSERT_NO_FATAL_FAILURE(writer->Submit(8));
  fuse_queue(1).ring().Publish();        // And no kick.
  EXPECT_OK(fuse_on(0).Getattr(kRoot));  // The device is busy elsewhere meanwhile.
  EXPECT_EQ(front_end().queue(1).LoadUsedIndex(), base);
  ASSERT_TRUE(front_end().StartQueue(1).ok());
  ASSERT_NO_FATAL_FAILURE(writer->WaitForAll());
  EXPECT_EQ(writer->failed(), 0u);
}

TEST_F(LoadTest, DisabledRingWaitsAndKeepsItsPlace) {
  ASSERT_TRUE(front_end().SetQueueEnabled(1, false).ok());
  const uint16_t before = front_end().queue(1).LoadUsedIndex();
  const auto writer = MakeWriter(1, 8);
  ASSERT_NO_FATAL_FAILURE(writer->Submit(8));
  fuse_queue(1).Flush();
  for (int i = 0; i < 100; ++i) ASSERT_OK(fuse_on(0).Getattr(kRoot));
  EXPECT_EQ(front_end().queue(1).LoadUsedIndex(), before);
  ASSERT_TRUE(front_end().SetQueueEnabled(1, true).ok());
  KickPeer(1);
  ASSERT_NO_FATAL_FAILURE(writer->WaitForAll());
  EXPECT_EQ(writer->failed(), 0u);
}

TEST_F(LoadTest, AllRingsStopAndStartAsInAPause) {
  const auto writer = MakeWriter(1, 64);
  for (int round = 0; round < 5; ++round) {
    ASSERT_NO_FATAL_FAILURE(writer->Submit(64));
    fuse_queue(1).Flush();
    ASSERT_TRUE(front_end().Stop().ok());
    ASSERT_TRUE(front_end().Start().ok());
    KickPeer(1);
    ASSERT_NO_FATAL_FAILURE(writer->WaitForAll());
    // The session outlives a pause.
    EXPECT_OK(fuse().Getattr(node_));
  }
  EXPECT_EQ(writer->failed(), 0u);
}

TEST_F(LoadTest, ResetDeviceEndsTheSessionAndANewOneBegins) {
  const auto writer = MakeWriter(1, 64);
  ASSERT_NO_FATAL_FAILURE(writer->Submit(64));
  fuse_queue(1).Flush();
  const absl::Status reset = front_end().Reset();
  ASSERT_TRUE(reset.ok()) << reset;
  for (size_t i = 0; i < queue_count(); ++i) fuse_queue(i).Reset();
  const absl::Status started = front_end().Start();
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_OK(fuse().Init());
  EXPECT_ERRNO(fuse().Getattr(node_), EBADF);
  EXPECT_ERRNO(fuse().ReadString(node_, handle_, 0, 10), EBADF);
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(LoadTest, DisconnectInMidLoadEndsTheDaemonOrderly) {
  const auto writer = MakeWriter(1, 100);
  for (int round = 0; round < 10; ++round) {
    ASSERT_NO_FATAL_FAILURE(writer->Submit(100));
    ASSERT_OK(fuse_queue(1).Wait());
  }
  ASSERT_NO_FATAL_FAILURE(writer->Submit(100));
  fuse_queue(1).Flush();
  StopAndCheck();
}

TEST_F(LoadTest, DisconnectBetweenStopAndStartEndsTheDaemonOrderly) {
  ASSERT_TRUE(front_end().Stop().ok());
  StopAndCheck();
}

}  // namespace
}  // namespace postern
