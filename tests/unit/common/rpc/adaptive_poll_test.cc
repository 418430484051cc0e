#include "common/rpc/adaptive_poll.h"

#include <gtest/gtest.h>

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
    poll.Learn(i % 2 == 0 ? microseconds(1) : microseconds(kLong));
    EXPECT_EQ(poll.window(), microseconds(0));
  }
}

}  // namespace
}  // namespace postern
