#include "common/rpc/peer_waiting.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <thread>
#include <utility>

#include "common/rpc/processor.h"

namespace postern {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Clock = std::chrono::steady_clock;

constexpr int kPatienceMilliseconds = 20'000;

class PeerWaitingTest : public testing::Test {
 protected:
  PeerWaitingTest() : PeerWaitingTest(*RpcChannel::CreatePair()) {}

  void SetUp() override {
    ASSERT_EQ(pthread_getaffinity_np(pthread_self(), sizeof(before_), &before_), 0);
  }
  void TearDown() override {
    EXPECT_EQ(pthread_setaffinity_np(pthread_self(), sizeof(before_), &before_), 0);
  }

  // This thread, and the threads that it makes.
  static void RunOn(int processor) {
    cpu_set_t there;
    CPU_ZERO(&there);
    CPU_SET(processor, &there);
    ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof(there), &there), 0);
  }

  static void Send(RpcChannel& from, int number) {
    const std::array<std::byte, 1> message{static_cast<std::byte>(number)};
    ASSERT_TRUE(from.Send(message).ok());
  }
  // The next message, waited for as both processes do.
  static void Await(RpcChannel& channel, PeerWaiting& waiting) {
    while (!channel.Receive(0).ok()) {
      if (waiting.AgainForPeer(channel)) continue;
      pollfd doorbell{channel.doorbell().fd(), POLLIN, 0};
      if (channel.PrepareToSleep()) {
        ASSERT_NE(poll(&doorbell, 1, kPatienceMilliseconds), 0);
        (void)channel.doorbell().Drain();
      }
      channel.Awake();
    }
    waiting.Busy();
    waiting.FollowPeer(channel);
  }

  RpcChannel worker_;
  RpcChannel broker_;

 private:
  explicit PeerWaitingTest(std::pair<RpcChannel::Parts, RpcChannel::Parts> parts)
      : worker_(*RpcChannel::Open(std::move(parts.first), RpcChannel::End::kWorker)),
        broker_(*RpcChannel::Open(std::move(parts.second), RpcChannel::End::kBroker)) {}

  cpu_set_t before_;
};

// Somebody who wants the processor all the time.
class BusyThread {
 public:
  ~BusyThread() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_{[this] {
    while (!stop_) {
    }
  }};
};

TEST_F(PeerWaitingTest, WithoutBudgetItNeverLooksAgain) {
  PeerWaiting waiting{microseconds(0)};
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(waiting.AgainForOthers(worker_));
    EXPECT_FALSE(waiting.AgainForPeer(worker_));
    waiting.Busy();
  }
}

TEST_F(PeerWaitingTest, LooksForNoLongerThanTheBudget) {
  PeerWaiting waiting(milliseconds(1));
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    while (waiting.AgainForOthers(worker_)) ASSERT_LT(Clock::now() - begin, seconds(20));
    EXPECT_FALSE(waiting.AgainForOthers(worker_)) << "it has slept";
    waiting.Busy();
  }
}

TEST_F(PeerWaitingTest, LooksForNoLongerThanTheBudgetBesideABusyThread) {
  RunOn(sched_getcpu());
  const BusyThread other;
  PeerWaiting waiting(milliseconds(1));
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    while (waiting.AgainForOthers(worker_)) ASSERT_LT(Clock::now() - begin, seconds(20));
    waiting.Busy();
  }
}

// An hour without work is one wait, so what has been learnt before doesn't matter.
TEST_F(PeerWaitingTest, WithoutWorkItLooksOnce) {
  PeerWaiting waiting(microseconds(50));
  while (waiting.AgainForOthers(worker_)) {
  }
  for (int wakes = 0; wakes < 1000; ++wakes) EXPECT_FALSE(waiting.AgainForOthers(worker_));
}

TEST_F(PeerWaitingTest, TwoThreadsAnswerEachOther) {
  constexpr int kMessages = 5000;
  for (const bool one_processor : {true, false}) {
    if (one_processor) RunOn(sched_getcpu());
    std::thread broker([this] {
      PeerWaiting waiting(microseconds(50));
      for (int i = 0; i < kMessages && !HasFatalFailure(); ++i) {
        Await(broker_, waiting);
        Send(broker_, 1);
      }
    });
    PeerWaiting waiting(microseconds(50));
    for (int i = 0; i < kMessages && !HasFatalFailure(); ++i) {
      Send(worker_, 1);
      Await(worker_, waiting);
    }
    broker.join();
    TearDown();
  }
}

TEST_F(PeerWaitingTest, FollowsNobodyWhereItsAffinityForbids) {
  const uint32_t here = CurrentProcessor();
  if (here == 0 || std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor";
  // The worker sends from another processor to a broker that sleeps, and that wakes late.
  ASSERT_TRUE(broker_.PrepareToSleep());
  std::thread worker([this, here] {
    RunOn(here == 1 ? 1 : 0);
    Send(worker_, 1);
  });
  worker.join();
  std::this_thread::sleep_for(milliseconds(2));
  RunOn(static_cast<int>(here) - 1);
  cpu_set_t pinned;
  ASSERT_EQ(sched_getaffinity(0, sizeof(pinned), &pinned), 0);
  PeerWaiting waiting(microseconds(50));
  waiting.FollowPeer(broker_);
  EXPECT_EQ(CurrentProcessor(), here);
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&pinned, &after));
}

TEST(MoveToProcessorTest, RunsThereAndLeavesTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  for (uint32_t processor = 0; processor <= CPU_SETSIZE + 1; ++processor) {
    MoveToProcessor(processor);
    cpu_set_t after;
    ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&before, &after)) << processor;
  }
}

}  // namespace
}  // namespace postern
