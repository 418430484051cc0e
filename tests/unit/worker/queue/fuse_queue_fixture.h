// A FuseQueue between a guest and a broker, both in the test's hands and on its thread.
#ifndef POSTERN_TESTS_UNIT_WORKER_QUEUE_FUSE_QUEUE_FIXTURE_H_
#define POSTERN_TESTS_UNIT_WORKER_QUEUE_FUSE_QUEUE_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/unit/open_descriptors.h"
#include "tests/unit/worker/fuse_bytes.h"
#include "tests/unit/worker/fuse_guest.h"
#include "tests/unit/worker/memory_file.h"
#include "tests/unit/worker/queue/fake_broker.h"
#include "worker/queue/fuse_queue.h"
#include "worker/queue/io_pool.h"

namespace postern {

// Waits until `fd` is readable; false after a time that only a failure takes.
inline bool WaitReadable(int fd) {
  pollfd watched{fd, POLLIN, 0};
  return poll(&watched, 1, /*timeout=*/20'000) == 1 && (watched.revents & POLLIN) != 0;
}

inline FuseBytes InitArguments(uint32_t major = 7, uint32_t minor = 41, uint32_t flags = 0,
                               uint32_t flags2 = 0) {
  return FuseBytes().Add(InitStruct(major, minor, flags, flags2));
}

// Every test ends with the descriptors that it began with.
class FuseQueueFixture : public testing::Test {
 protected:
  static constexpr uint64_t kNode = 5;
  static constexpr uint64_t kFile = 77;

  void SetUp() override {
    before_ = OpenDescriptors();
    Build(/*io_threads=*/2);
  }
  void TearDown() override {
    Destroy();
    EXPECT_EQ(OpenDescriptors(), before_);
  }
  void Build(size_t io_threads, size_t processors = 1) {
    auto pair = RpcPeer::CreatePair(RpcChannel::End::kBroker);
    wake_.emplace(*EventFd::Create());
    pool_.emplace(io_threads, processors);
    shared_.emplace();
    shared_->options.cache.timeout_seconds = 1;
    shared_->io_pool = &*pool_;
    queue_.emplace(*shared_, std::move(pair.second), *wake_);
    broker_.emplace(std::move(pair.first));
    guest_.emplace();
    virtqueue_ = guest_->Activate();
  }
  void Destroy() {
    pool_.reset();  // Its threads may still be telling the queue.
    virtqueue_.reset();
    guest_.reset();
    broker_.reset();
    queue_.reset();
    shared_.reset();
    wake_.reset();
  }

  // One round of what QueueThread does. 0, or what TakeReplies() failed with.
  int Serve() {
    const ErrnoOrVoid taken = queue_->TakeReplies(virtqueue_.get());
    queue_->TakeCompletions(virtqueue_.get());
    while (!queue_->link().blocked() && queue_->TakeRequests(*virtqueue_)) {
    }
    EXPECT_TRUE(queue_->Flush().ok());
    virtqueue_->Publish();
    return taken.errno_value();
  }
  // The guest's next answer, which is there.
  FuseAnswer TakeAnswer() {
    auto answer = guest_->TakeAnswer();
    EXPECT_TRUE(answer.has_value()) << "no answer";
    return answer ? *answer : FuseAnswer();
  }
  FuseAnswer ServeAndTakeAnswer() {
    EXPECT_EQ(Serve(), 0);
    return TakeAnswer();
  }
  bool Unanswered() { return !guest_->TakeAnswer().has_value(); }
  // Until the I/O pool has finished something.
  FuseAnswer TakeCompletedAnswer() {
    if (auto answer = guest_->TakeAnswer()) return *answer;
    EXPECT_TRUE(WaitReadable(wake_->fd()));
    wake_->Drain();
    return ServeAndTakeAnswer();
  }
  void ExpectError(const FuseAnswer& answer, int error) {
    EXPECT_EQ(answer.written, 16u);
    EXPECT_EQ(answer.header.error, -error);
    EXPECT_TRUE(answer.payload.empty());
  }

  void StartSession(uint32_t flags = 0, uint32_t flags2 = 0) {
    guest_->Send(FUSE_INIT, 0, InitArguments(7, 41, flags, flags2));
    ASSERT_EQ(Serve(), 0);
    broker_->Acknowledge(broker_->TakeOne().id());
    EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
    ASSERT_TRUE(shared_->session.active());
  }
  // Sends it, and returns what the broker is asked.
  rpc::Request Ask(uint32_t opcode, const FuseBytes& arguments,
                   uint32_t reply_bytes = FuseGuest::kReplyBytes) {
    guest_->Send(opcode, kNode, arguments, reply_bytes);
    EXPECT_EQ(Serve(), 0);
    return broker_->TakeOne();
  }
  rpc::Request AskLookup(uint32_t reply_bytes = FuseGuest::kReplyBytes) {
    return Ask(FUSE_LOOKUP, FuseBytes().Name("name"), reply_bytes);
  }
  static rpc::Reply EntryReply(uint64_t id, uint64_t node) {
    rpc::Reply reply;
    reply.set_id(id);
    reply.mutable_entry()->set_node_id(node);
    return reply;
  }
  static rpc::Reply OpenedReply(uint64_t id) {
    rpc::Reply reply;
    reply.set_id(id);
    reply.mutable_opened()->set_open_file_id(kFile);
    return reply;
  }
  // Opens kFile on kNode. `in_memory`: what needs no other thread is done at once.
  void OpenFileOf(const UniqueFd& fd, bool in_memory = false) {
    rpc::Reply opened = OpenedReply(Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{})).id());
    opened.mutable_opened()->set_in_memory(in_memory);
    broker_->Send(opened, {fd.get()});
    const FuseAnswer answer = ServeAndTakeAnswer();
    EXPECT_EQ(answer.header.error, 0);
    EXPECT_EQ(ReadAs<fuse_open_out>(answer.payload).fh, kFile);
  }
  static FuseBytes ReadArguments(uint32_t size, uint64_t offset = 0) {
    return FuseBytes().Add(fuse_read_in{kFile, offset, size, 0, 0, 0, 0});
  }

  std::set<std::string> before_;
  std::optional<EventFd> wake_;
  std::optional<IoPool> pool_;
  std::optional<FuseShared> shared_;
  std::optional<FuseQueue> queue_;
  std::optional<FakeBroker> broker_;
  std::optional<FuseGuest> guest_;
  std::unique_ptr<Virtqueue> virtqueue_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_QUEUE_FUSE_QUEUE_FIXTURE_H_
