#include "common/rpc/turn_taking.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <thread>

namespace postern {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// On one processor, with all the threads that it makes.
class TurnTakingTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(pthread_getaffinity_np(pthread_self(), sizeof(before_), &before_), 0);
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof(here), &here), 0);
  }
  void TearDown() override {
    EXPECT_EQ(pthread_setaffinity_np(pthread_self(), sizeof(before_), &before_), 0);
  }

 private:
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

TEST_F(TurnTakingTest, WithoutBudgetItGivesNoTurns) {
  TurnTaking turns{microseconds(0)};
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(turns.Again());
}

TEST_F(TurnTakingTest, EndsWithTheBudgetWhoeverWantsTheProcessor) {
  const BusyThread other;
  TurnTaking turns(milliseconds(1));
  const auto begin = TurnTaking::Clock::now();
  // False, too, when the scheduler has refused the other thread a turn: but at last always.
  for (int vain = 0; vain < 100; vain = turns.Again() ? 0 : vain + 1) {
    ASSERT_LT(TurnTaking::Clock::now() - begin, seconds(20));
  }
  EXPECT_FALSE(turns.Again());
}

TEST_F(TurnTakingTest, TrueIfAnotherHasRun) {
  const BusyThread other;
  TurnTaking turns(milliseconds(100));
  const auto begin = TurnTaking::Clock::now();
  bool ran = false;
  while (!ran && TurnTaking::Clock::now() - begin < seconds(20)) {
    turns.Busy();
    ran = turns.Again();
  }
  EXPECT_TRUE(ran);
}

TEST_F(TurnTakingTest, TwoThreadsOnOneProcessorAnswerEachOther) {
  constexpr int kRounds = 2000;
  std::atomic<int> asked = 0;
  std::atomic<int> answered = 0;
  std::thread other([&] {
    TurnTaking turns(milliseconds(1));
    for (int done = 0; done < kRounds;) {
      if (asked == done) {
        if (!turns.Again()) std::this_thread::yield();  // Instead of sleeping.
        continue;
      }
      answered = ++done;
      turns.Busy();
    }
  });
  TurnTaking turns(milliseconds(1));
  for (int i = 1; i <= kRounds; ++i) {
    asked = i;
    turns.Busy();
    while (answered != i) {
      if (!turns.Again()) std::this_thread::yield();
    }
  }
  other.join();
  EXPECT_EQ(answered, kRounds);
}

}  // namespace
}  // namespace postern
