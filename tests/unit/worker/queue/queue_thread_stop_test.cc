// What is done to a queue that has requests in flight: stopping waits for them, and nothing else.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "tests/unit/worker/queue/queue_thread_fixture.h"

namespace postern {
namespace {

class QueueThreadStopTest : public QueueThreadFixture {};

TEST_F(QueueThreadStopTest, StopGivesTheRingBack) {
  StartAndEnable();
  ServeOne();
  ServeOne();
  DeviceQueue::Ring ring = thread_->Stop();
  ASSERT_NE(ring.virtqueue, nullptr);
  EXPECT_EQ(ring.virtqueue->next_avail(), 2);
  EXPECT_EQ(ring.virtqueue->in_flight(), 0u);
  EXPECT_TRUE(ring.kick.valid());
}

TEST_F(QueueThreadStopTest, StopOfAQueueThatIsNotStartedGivesNothing) {
  EXPECT_EQ(thread_->Stop().virtqueue, nullptr);
  StartAndEnable();
  EXPECT_NE(thread_->Stop().virtqueue, nullptr);
  EXPECT_EQ(thread_->Stop().virtqueue, nullptr);
}

TEST_F(QueueThreadStopTest, StopWaitsForWhatTheBrokerHasNotAnswered) {
  StartAndEnable();
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  std::promise<void> begun;
  auto stopped = std::async(std::launch::async, [&] {
    begun.set_value();
    return thread_->Stop();
  });
  begun.get_future().wait();
  // Can't fail by being slow: Stop() isn't allowed to return however long this is.
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  EXPECT_FALSE(guest_->TakeAnswer().has_value());

  Answer(held);
  DeviceQueue::Ring ring = stopped.get();

  ASSERT_NE(ring.virtqueue, nullptr);
  EXPECT_EQ(ring.virtqueue->next_avail(), 1);
  EXPECT_EQ(ring.virtqueue->in_flight(), 0u);
  const auto answer = guest_->TakeAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->written, 144u);
  EXPECT_TRUE(call_->Drain());
}

TEST_F(QueueThreadStopTest, StopWaitsForWhatThePoolHasNotFinished) {
  ASSERT_TRUE(
      shared_.open_files.Insert(OpenFileId(77), MemoryFile("0123456789"), NodeId(5), {}, {}).ok());
  StartAndEnable();
  for (int i = 0; i < 50; ++i) {
    guest_->Send(FUSE_READ, 5, FuseBytes().Add(fuse_read_in{77, 2, 4, 0, 0, 0, 0}));
  }
  kick_->Signal();
  Round();
  const DeviceQueue::Ring ring = thread_->Stop();
  ASSERT_NE(ring.virtqueue, nullptr);
  EXPECT_EQ(ring.virtqueue->in_flight(), 0u);
  for (uint16_t i = 0; i < ring.virtqueue->next_avail(); ++i) {
    const auto answer = guest_->TakeAnswer();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(ToString(answer->payload), "2345");
  }
}

// ---- what takes too long ----

// Has no patience at all.
class ImpatientStopTest : public QueueThreadFixture {
 protected:
  void SetUp() override {
    shared_.options.stop_patience = std::chrono::milliseconds(0);
    QueueThreadFixture::SetUp();
  }
  int32_t AnsweredError() {
    const auto answer = guest_->TakeAnswer();
    EXPECT_TRUE(answer.has_value());
    return answer ? answer->header.error : 0;
  }
};

TEST_F(ImpatientStopTest, WhatTheBrokerHasNotAnsweredIsInterruptedAndTakenBack) {
  StartAndEnable();
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  DeviceQueue::Ring ring = thread_->Stop();
  ASSERT_NE(ring.virtqueue, nullptr);
  EXPECT_EQ(ring.virtqueue->in_flight(), 0u);
  EXPECT_EQ(AnsweredError(), -EINTR);
  EXPECT_TRUE(call_->Drain());

  Answer(held);  // With no ring.
  const rpc::Request forget = broker_->TakeOne();
  ASSERT_EQ(forget.forget().items_size(), 1);
  EXPECT_EQ(forget.forget().items(0).count(), 1u);
  // The next ones are served as ever.
  thread_->SetCall(Duplicate(call_->fd()));
  thread_->Start(std::move(ring));
  SendLookup();
  Answer(broker_->TakeOne());
  EXPECT_EQ(WaitForAnswer().written, 144u);
}

TEST_F(ImpatientStopTest, LateAnswersMeetARingThatRunsAgain) {
  StartAndEnable();
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  DeviceQueue::Ring ring = thread_->Stop();
  EXPECT_EQ(AnsweredError(), -EINTR);
  thread_->Start(std::move(ring));
  Answer(held);
  EXPECT_EQ(broker_->TakeOne().forget().items_size(), 1);
  EXPECT_FALSE(guest_->TakeAnswer().has_value());
}

TEST_F(ImpatientStopTest, GuestCannotGatherThemWithoutEnd) {
  StartAndEnable();
  std::vector<rpc::Request> held;
  for (int i = 0; i < 1024; ++i) {
    SendLookup();
    held.push_back(broker_->TakeOne());
    DeviceQueue::Ring ring = thread_->Stop();
    ASSERT_EQ(AnsweredError(), -EINTR);
    thread_->Start(std::move(ring));
  }
  SendLookup();
  const rpc::Request one_more = broker_->TakeOne();
  auto stopped = std::async(std::launch::async, [&] { return thread_->Stop(); });
  // Can't fail by being slow, as above.
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  Answer(one_more);
  EXPECT_NE(stopped.get().virtqueue, nullptr);
  EXPECT_EQ(AnsweredError(), 0);
}

TEST_F(QueueThreadStopTest, StoppedRingIsLeftAlone) {
  StartAndEnable();
  ServeOne();
  const DeviceQueue::Ring ring = thread_->Stop();
  call_->Drain();
  SendLookup();
  Round();
  EXPECT_TRUE(broker_->Idle());
  EXPECT_FALSE(call_->Drain());
}

TEST_F(QueueThreadStopTest, StoppedRingGoesOnWhereItWasWhenStartedAgain) {
  StartAndEnable();
  ServeOne();
  DeviceQueue::Ring ring = thread_->Stop();
  SendLookup("while stopped");
  thread_->SetCall(Duplicate(call_->fd()));
  thread_->Start(std::move(ring));
  Answer(broker_->TakeOne());
  EXPECT_EQ(WaitForAnswer().written, 144u);
  EXPECT_EQ(thread_->Stop().virtqueue->next_avail(), 2);
}

// ---- disabling ----

TEST_F(QueueThreadStopTest, DisabledRingIsServedAgainWhenEnabled) {
  StartAndEnable();
  ServeOne();
  thread_->SetEnabled(false);
  SendLookup("while disabled");
  Round();
  EXPECT_TRUE(broker_->Idle());
  thread_->SetEnabled(true);
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_EQ(asked.lookup().name(), "while disabled");
  Answer(asked);
  EXPECT_EQ(WaitForAnswer().written, 144u);
}

TEST_F(QueueThreadStopTest, DisableWaitsForNothingAndWhatWasTakenIsAnswered) {
  StartAndEnable();
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  thread_->SetEnabled(false);
  SendLookup("while disabled");
  Round();
  EXPECT_TRUE(broker_->Idle());
  Answer(held);
  EXPECT_EQ(WaitForAnswer().written, 144u);
  thread_->SetEnabled(true);
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "while disabled");
}

// ---- another kick, other memory ----

TEST_F(QueueThreadStopTest, AnotherKickWaitsForNothingAndIsHeeded) {
  StartAndEnable();
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("before the kick"));
  kick_.emplace(*EventFd::Create());
  thread_->SetKick(Duplicate(kick_->fd()));
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "before the kick");
  SendLookup("by the new kick");
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "by the new kick");
  Answer(held);
  EXPECT_EQ(WaitForAnswer().written, 144u);
}

TEST_F(QueueThreadStopTest, OtherMemoryWaitsForNothingAndIsKeptByWhatWasTakenWithIt) {
  auto first = guest_->memory().Table();
  const std::weak_ptr<const MemoryTable> seen = first;
  StartAndEnable();
  thread_->SetMemory(std::move(first));
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  thread_->SetMemory(guest_->memory().Table());
  EXPECT_FALSE(seen.expired());
  SendLookup("in the other memory");
  Answer(broker_->TakeOne());
  EXPECT_EQ(WaitForAnswer().written, 144u);
  EXPECT_FALSE(seen.expired());
  Answer(held);
  EXPECT_EQ(WaitForAnswer().written, 144u);
  Round();
  EXPECT_TRUE(seen.expired());
}

TEST_F(QueueThreadStopTest, StoppedQueueHasNoUseForMemoryAndKick) {
  thread_->SetMemory(guest_->memory().Table());
  thread_->SetKick(Duplicate(kick_->fd()));
  EXPECT_EQ(thread_->Stop().virtqueue, nullptr);
}

}  // namespace
}  // namespace postern
