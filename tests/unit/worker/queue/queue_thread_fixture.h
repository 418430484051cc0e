// A QueueThread between a guest and a broker in the test's hands. What the thread has done is never
// waited for by time: each command returns only after a whole round of the thread.
#ifndef POSTERN_TESTS_UNIT_WORKER_QUEUE_QUEUE_THREAD_FIXTURE_H_
#define POSTERN_TESTS_UNIT_WORKER_QUEUE_QUEUE_THREAD_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/unit/worker/queue/fuse_queue_fixture.h"
#include "worker/queue/queue_thread.h"

namespace postern {

inline UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// Every test ends with the descriptors that it began with.
class QueueThreadFixture : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    auto pair = RpcPeer::CreatePair(RpcChannel::End::kBroker);
    shared_.session.Begin(0);
    pool_.emplace(2);
    shared_.io_pool = &*pool_;
    broker_.emplace(std::move(pair.first));
    EventFd wake = pair.second.TakeDoorbell();
    thread_ =
        std::make_unique<QueueThread>(shared_, std::move(pair.second), std::move(wake), "test");
    kick_.emplace(*EventFd::Create());
    call_.emplace(*EventFd::Create());
    error_.emplace(*EventFd::Create());
    guest_.emplace();
  }
  void TearDown() override {
    thread_.reset();
    pool_.reset();
    shared_.open_files.Clear();
    broker_.reset();
    kick_.reset();
    call_.reset();
    error_.reset();
    guest_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  DeviceQueue::Ring MakeRing(uint16_t next_avail = 0) {
    DeviceQueue::Ring ring;
    ring.virtqueue = guest_->Activate(next_avail);
    ring.kick = Duplicate(kick_->fd());
    return ring;
  }
  void StartAndEnable() {
    thread_->SetCall(Duplicate(call_->fd()));
    thread_->SetError(Duplicate(error_->fd()));
    thread_->Start(MakeRing());
    thread_->SetEnabled(true);
  }
  // Returns when the thread has been once around, and so has seen all that was there before.
  void Round() { thread_->SetError(Duplicate(error_->fd())); }
  void SendLookup(const std::string& name = "name") {
    guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name(name));
    kick_->Signal();
  }
  void Answer(const rpc::Request& request) {
    rpc::Reply reply;
    reply.set_id(request.id());
    reply.mutable_entry()->set_node_id(9);
    broker_->Send(reply);
  }
  FuseAnswer WaitForAnswer() {
    while (true) {
      guest_->EnableNotification();
      if (auto answer = guest_->TakeAnswer()) return *answer;
      if (!WaitReadable(call_->fd())) {
        ADD_FAILURE() << "no notification";
        return FuseAnswer();
      }
      call_->Drain();
    }
  }
  // Serves a lookup from end to end.
  void ServeOne() {
    SendLookup();
    Answer(broker_->TakeOne());
    EXPECT_EQ(WaitForAnswer().written, 144u);
  }

  std::set<std::string> before_;
  FuseShared shared_;
  std::optional<IoPool> pool_;
  std::optional<FakeBroker> broker_;
  std::unique_ptr<QueueThread> thread_;
  std::optional<EventFd> kick_;
  std::optional<EventFd> call_;
  std::optional<EventFd> error_;
  std::optional<FuseGuest> guest_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_QUEUE_QUEUE_THREAD_FIXTURE_H_
