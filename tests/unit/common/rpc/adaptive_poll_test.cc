#include "common/rpc/adaptive_poll.h"

#include <gtest/gtest.h>

#include <thread>

namespace postern {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kBudget{400};
constexpr microseconds kShort{20};
constexpr milliseconds kLong{10};

// Has the window grow to the whole budget.
void Grow(AdaptivePoll& poll) {
  for (int i = 0; i < 5000 && poll.window() < kBudget; ++i) {
    poll.Learn(poll.window() + microseconds(1));
  }
  ASSERT_EQ(poll.window(), kBudget);
}

// How many idle times that are worth polling for pass before it polls again.
int Pause(AdaptivePoll& poll) {
  int count = 0;
  for (; poll.window().count() == 0; ++count) poll.Learn(microseconds(50));
  return count - 1;
}

TEST(AdaptivePollTest, BeginsWithoutPolling) {
  AdaptivePoll poll(kBudget);
  EXPECT_EQ(poll.window(), microseconds(0));
  EXPECT_FALSE(poll.Again());
}

TEST(AdaptivePollTest, WindowGrowsWhileWorkComesSoonAndNoFurtherThanTheBudget) {
  AdaptivePoll poll(kBudget);
  poll.Learn(microseconds(50));
  EXPECT_EQ(poll.window(), kBudget / 4);
  poll.Learn(microseconds(150));
  EXPECT_EQ(poll.window(), kBudget / 2);
  poll.Learn(microseconds(350));
  EXPECT_EQ(poll.window(), kBudget);
  poll.Learn(microseconds(399));
  EXPECT_EQ(poll.window(), kBudget);
}

TEST(AdaptivePollTest, WindowThatIsLongEnoughStaysAsItIs) {
  AdaptivePoll poll(kBudget);
  poll.Learn(microseconds(50));
  for (int i = 0; i < 100; ++i) poll.Learn(kShort);
  EXPECT_EQ(poll.window(), kBudget / 4);
}

TEST(AdaptivePollTest, WindowShrinksToNothingWhileWorkIsLong) {
  AdaptivePoll poll(kBudget);
  ASSERT_NO_FATAL_FAILURE(Grow(poll));
  auto before = poll.window();
  for (int i = 0; i < 4; ++i) {
    poll.Learn(kLong);
    EXPECT_LT(poll.window(), before);
    before = poll.window();
  }
  EXPECT_EQ(poll.window(), microseconds(0));
  poll.Learn(kLong);
  EXPECT_EQ(poll.window(), microseconds(0));
}

TEST(AdaptivePollTest, PausesTwiceAsLongEachTimeThatTheWholeBudgetWasInVain) {
  AdaptivePoll poll(kBudget);
  for (const int pause : {1, 2, 4, 8}) {
    ASSERT_NO_FATAL_FAILURE(Grow(poll));
    while (poll.window().count() > 0) poll.Learn(kLong);
    EXPECT_EQ(Pause(poll), pause);
  }
}

TEST(AdaptivePollTest, PauseIsBoundedAndSuccessForgetsIt) {
  AdaptivePoll poll(kBudget);
  int longest = 0;
  for (int i = 0; i < 16; ++i) {
    ASSERT_NO_FATAL_FAILURE(Grow(poll));
    while (poll.window().count() > 0) poll.Learn(kLong);
    longest = Pause(poll);
  }
  EXPECT_EQ(longest, 1024);
  ASSERT_NO_FATAL_FAILURE(Grow(poll));
  poll.Learn(kShort);  // It came while we looked.
  while (poll.window().count() > 0) poll.Learn(kLong);
  EXPECT_EQ(Pause(poll), 1);
}

TEST(AdaptivePollTest, WithoutBudgetItNeverPolls) {
  AdaptivePoll poll(microseconds(0));
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(poll.Again());
    poll.Busy();
    EXPECT_EQ(poll.window(), microseconds(0));
  }
}

TEST(AdaptivePollTest, LooksForTheWindowAndNoLonger) {
  AdaptivePoll poll(milliseconds(40));
  poll.Learn(milliseconds(5));
  ASSERT_EQ(poll.window(), milliseconds(10));
  const auto begin = AdaptivePoll::Clock::now();
  while (poll.Again()) {
  }
  EXPECT_GE(AdaptivePoll::Clock::now() - begin, milliseconds(10));
  EXPECT_FALSE(poll.Again()) << "the same idle time";
}

TEST(AdaptivePollTest, BusyMeasuresTheIdleTime) {
  AdaptivePoll poll(std::chrono::hours(1));
  EXPECT_FALSE(poll.Again());
  std::this_thread::sleep_for(milliseconds(1));
  poll.Busy();
  EXPECT_EQ(poll.window(), std::chrono::minutes(15)) << "it came within the budget";
  const auto window = poll.window();
  poll.Busy();  // Wasn't idle in between.
  EXPECT_EQ(poll.window(), window);
  EXPECT_TRUE(poll.Again());
  poll.Busy();
  EXPECT_EQ(poll.window(), window);
}

}  // namespace
}  // namespace postern
