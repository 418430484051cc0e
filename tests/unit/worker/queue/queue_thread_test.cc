#include "worker/queue/queue_thread.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <utility>

#include "proto/exit_status.h"
#include "tests/unit/worker/queue/queue_thread_fixture.h"

namespace postern {
namespace {

class QueueThreadTest : public QueueThreadFixture {};

TEST_F(QueueThreadTest, ServesWhatIsKicked) {
  StartAndEnable();
  ServeOne();
  ServeOne();
  ServeOne();
}

TEST_F(QueueThreadTest, EndsWithoutEverHavingBeenStarted) { thread_.reset(); }

TEST_F(QueueThreadTest, EndsWhileStartedAndIdle) {
  StartAndEnable();
  ServeOne();
  thread_.reset();
}

TEST_F(QueueThreadTest, LooksAtTheRingWithoutAKickOnceItIsEnabled) {
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("early"));
  thread_->SetCall(Duplicate(call_->fd()));
  thread_->Start(MakeRing());
  thread_->SetEnabled(true);
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "early");
}

TEST_F(QueueThreadTest, LooksAtTheRingWithoutAKickIfItWasEnabledBeforeItsStart) {
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("early"));
  thread_->SetEnabled(true);
  thread_->Start(MakeRing());
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "early");
}

TEST_F(QueueThreadTest, StartedRingIsNotServedUntilItIsEnabled) {
  thread_->Start(MakeRing());
  SendLookup();
  Round();
  EXPECT_TRUE(broker_->Idle());
}

// ---- kick descriptors that aren't what they should be ----

// The state of the queue's thread: S if it sleeps.
char ThreadState() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name != "test") continue;
    std::string line;
    std::getline(std::ifstream(task.path() / "stat"), line);
    return line[line.rfind(')') + 2];
  }
  return '?';
}

class KickPipeTest : public QueueThreadTest {
 protected:
  void SetUp() override {
    QueueThreadTest::SetUp();
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    write_end_.Reset(ends[1]);
    DeviceQueue::Ring ring = MakeRing();
    ring.kick.Reset(ends[0]);
    read_end_ = Duplicate(ends[0]);
    thread_->Start(std::move(ring));
    thread_->SetEnabled(true);
  }
  void TearDown() override {
    write_end_.Reset();
    read_end_.Reset();
    QueueThreadTest::TearDown();
  }
  UniqueFd read_end_;
  UniqueFd write_end_;
};

// Else a reader that is quicker would leave the thread waiting in read().
TEST_F(KickPipeTest, IsMadeNonBlocking) {
  EXPECT_NE(fcntl(read_end_.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(KickPipeTest, WhoseWriterIsGoneKeepsNobodyAwake) {
  write_end_.Reset();
  Round();
  // A thread that poll() always sends on is never seen asleep a hundred times in a row.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int asleep = 0;
  while (asleep < 100 && std::chrono::steady_clock::now() < deadline) {
    asleep = ThreadState() == 'S' ? asleep + 1 : 0;
  }
  EXPECT_EQ(asleep, 100);
}

TEST_F(KickPipeTest, WhoseWriterIsGoneLeavesTheRingServed) {
  write_end_.Reset();
  Round();
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("late"));
  Round();
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "late");
}

TEST_F(KickPipeTest, KicksWhileItsWriterIsThere) {
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("name"));
  const uint64_t one = 1;
  ASSERT_EQ(write(write_end_.get(), &one, sizeof(one)), 8);
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "name");
}

// ---- files ----

TEST_F(QueueThreadTest, ServesFilesThroughThePool) {
  ASSERT_TRUE(
      shared_.open_files.Insert(OpenFileId(77), MemoryFile("0123456789"), NodeId(5), {}, {}).ok());
  StartAndEnable();
  guest_->Send(FUSE_READ, 5, FuseBytes().Add(fuse_read_in{77, 2, 4, 0, 0, 0, 0}));
  kick_->Signal();
  EXPECT_EQ(ToString(WaitForAnswer().payload), "2345");
}

TEST_F(QueueThreadTest, RequestsThatArriveWhileOthersAreServedAreServedToo) {
  StartAndEnable();
  for (int i = 0; i < 200; ++i) {
    SendLookup();
    if (i % 3 == 0) SendLookup();
    const rpc::RequestBatch batch = broker_->Take();
    rpc::ReplyBatch replies;
    for (const rpc::Request& request : batch.requests()) {
      rpc::Reply& reply = *replies.add_replies();
      reply.set_id(request.id());
      reply.set_error(ENOENT);
    }
    broker_->Send(replies);
    for (int j = 0; j < batch.requests_size(); ++j) EXPECT_EQ(WaitForAnswer().written, 16u);
  }
}

// A driver that kicks only where the device asks for it, at all sorts of moments; among them the
// one in which the thread has found nothing and is about to sleep.
TEST_F(QueueThreadTest, NoRequestIsMissedWhileTheThreadFallsAsleep) {
  StartAndEnable();
  const FuseBytes interrupt = FuseBytes().Zeros(8);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  int unanswered = 0;
  for (int i = 0; i < 20'000; ++i) {
    guest_->Send(FUSE_INTERRUPT, 0, interrupt, 0);
    ++unanswered;
    if (guest_->KickWanted()) kick_->Signal();
    // Most are sent into a ring that is being served, and each eighth when all is quiet.
    const int most = i % 8 == 0 ? 0 : 4;
    while (unanswered > most || guest_->HasAnswer()) {
      if (guest_->TakeAnswer().has_value()) --unanswered;
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "request " << i;
    }
  }
}

// ---- without a kick descriptor ----

TEST_F(QueueThreadTest, RingWithoutAKickIsPolled) {
  thread_->SetCall(Duplicate(call_->fd()));
  DeviceQueue::Ring ring = MakeRing();
  ring.kick.Reset();
  thread_->Start(std::move(ring));
  thread_->SetEnabled(true);
  Round();
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("unannounced"));
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_EQ(asked.lookup().name(), "unannounced");
  Answer(asked);
  EXPECT_EQ(WaitForAnswer().written, 144u);
}

// ---- notifications ----

TEST_F(QueueThreadTest, FullCallPipeBlocksNothing) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  fcntl(writer.get(), F_SETFL, O_NONBLOCK);
  const std::string fill(4096, 'x');
  while (write(writer.get(), fill.data(), fill.size()) > 0) {
  }
  fcntl(writer.get(), F_SETFL, 0);
  thread_->SetCall(std::move(writer));
  thread_->Start(MakeRing());
  thread_->SetEnabled(true);

  SendLookup();
  Answer(broker_->TakeOne());
  Round();

  const auto answer = guest_->TakeAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->written, 144u);
}

TEST_F(QueueThreadTest, RingWithoutACallIsServed) {
  thread_->Start(MakeRing());
  thread_->SetEnabled(true);
  SendLookup();
  Answer(broker_->TakeOne());
  Round();
  EXPECT_TRUE(guest_->TakeAnswer().has_value());
}

TEST_F(QueueThreadTest, NewCallDescriptorReplacesTheOldOne) {
  StartAndEnable();
  ServeOne();
  const EventFd other = *EventFd::Create();
  thread_->SetCall(Duplicate(other.fd()));
  call_->Drain();
  SendLookup();
  guest_->EnableNotification();
  Answer(broker_->TakeOne());
  Round();
  EXPECT_TRUE(other.Drain());
  EXPECT_FALSE(call_->Drain());
}

// ---- a broken ring ----

TEST_F(QueueThreadTest, BrokenRingIsReportedOnce) {
  StartAndEnable();
  ServeOne();
  guest_->driver().SetAvailableIndex(1 + FuseGuest::kRingSize + 1);
  kick_->Signal();
  EXPECT_TRUE(WaitReadable(error_->fd()));
  kick_->Signal();
  Round();
  Round();
  uint64_t reports = 0;
  ASSERT_EQ(read(error_->fd(), &reports, sizeof(reports)), 8);
  EXPECT_EQ(reports, 1u);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(QueueThreadTest, BrokenRingIsGivenBackByStopAndASoundOneServedAfterIt) {
  StartAndEnable();
  guest_->driver().SetAvailableIndex(FuseGuest::kRingSize + 1);
  kick_->Signal();
  EXPECT_TRUE(WaitReadable(error_->fd()));
  const DeviceQueue::Ring broken = thread_->Stop();
  ASSERT_NE(broken.virtqueue, nullptr);
  EXPECT_TRUE(broken.virtqueue->broken());

  guest_->driver().StartAt(0);
  thread_->SetCall(Duplicate(call_->fd()));
  thread_->Start(MakeRing());
  ServeOne();
}

TEST_F(QueueThreadTest, BrokenRingStillTakesItsRepliesBeforeItStops) {
  StartAndEnable();
  SendLookup();
  const rpc::Request held = broker_->TakeOne();
  guest_->driver().SetAvailableIndex(1 + FuseGuest::kRingSize + 1);
  kick_->Signal();
  EXPECT_TRUE(WaitReadable(error_->fd()));
  auto stopped = std::async(std::launch::async, [&] { return thread_->Stop(); });
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  Answer(held);
  EXPECT_EQ(stopped.get().virtqueue->in_flight(), 0u);
}

// ---- the session ----

TEST_F(QueueThreadTest, EndSessionReturnsWhenTheBrokerHasEndedIt) {
  StartAndEnable();
  ServeOne();
  thread_->Stop();
  auto ended = std::async(std::launch::async, [&] { thread_->EndSession(); });
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_TRUE(asked.has_reset());
  EXPECT_EQ(ended.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  broker_->Acknowledge(asked.id());
  ended.get();
  EXPECT_FALSE(shared_.session.active());
}

TEST_F(QueueThreadTest, EndSessionWorksOnAQueueThatNeverStarted) {
  auto ended = std::async(std::launch::async, [&] { thread_->EndSession(); });
  broker_->Acknowledge(broker_->TakeOne().id());
  ended.get();
  EXPECT_FALSE(shared_.session.active());
}

// ---- a broker that goes away ----

class QueueThreadDeathTest : public QueueThreadTest {
 protected:
  QueueThreadDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  // Until the process ends; if it doesn't, the test's time does.
  [[noreturn]] static void WaitForTheEnd() {
    while (true) pause();
  }
};

TEST_F(QueueThreadDeathTest, EndOfTheBrokerEndsTheProcess) {
  EXPECT_EXIT(
      {
        StartAndEnable();
        broker_.reset();
        WaitForTheEnd();
      },
      testing::ExitedWithCode(kExitWithoutBroker), "");
}

TEST_F(QueueThreadDeathTest, NonsenseFromTheBrokerEndsTheProcess) {
  EXPECT_EXIT(
      {
        StartAndEnable();
        broker_->Acknowledge(12345);
        WaitForTheEnd();
      },
      testing::ExitedWithCode(1), "makes no sense");
}

}  // namespace
}  // namespace postern
