#include "common/budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace postern {
namespace {

TEST(BudgetTest, GivesOutItsLimitAndNoMore) {
  Budget budget(3);
  const Budget::Share two = budget.Take(2);
  EXPECT_TRUE(two);
  EXPECT_FALSE(budget.Take(2));
  EXPECT_EQ(budget.used(), 2u) << "what couldn't be had isn't counted";
  const Budget::Share one = budget.Take(1);
  EXPECT_TRUE(one);
  EXPECT_FALSE(budget.Take(1));
}

TEST(BudgetTest, CountThatWouldOverflowIsRefused) {
  Budget budget(3);
  const Budget::Share one = budget.Take(1);
  EXPECT_FALSE(budget.Take(SIZE_MAX));
  EXPECT_EQ(budget.used(), 1u);
}

TEST(BudgetTest, WithoutALimitThereIsAlwaysMore) {
  Budget budget;
  const Budget::Share much = budget.Take(SIZE_MAX / 2);
  EXPECT_TRUE(much);
  EXPECT_TRUE(budget.Take(SIZE_MAX / 2));
}

TEST(BudgetTest, MovedShareIsGivenBackOnce) {
  Budget budget(5);
  Budget::Share first = budget.Take(2);
  Budget::Share second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(budget.used(), 2u);
  second = budget.Take(3);
  EXPECT_EQ(budget.used(), 3u) << "the one that was there before is given back";
  second = Budget::Share();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(BudgetTest, ReleasedShareIsGivenBackByHand) {
  Budget budget(5);
  {
    Budget::Share share = budget.Take(2);
    share.Release();
  }
  EXPECT_EQ(budget.used(), 2u);
  budget.GiveBack(2);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(BudgetTest, PartTakesFromItsWholeAndLeavesNothingThereIfItHasNone) {
  Budget whole(3);
  Budget part(2, &whole);
  Budget other(2, &whole);
  Budget::Share two = part.Take(2);
  EXPECT_EQ(whole.used(), 2u);
  EXPECT_FALSE(part.Take());
  EXPECT_EQ(whole.used(), 2u);
  EXPECT_FALSE(other.Take(2)) << "the whole has one left";
  EXPECT_EQ(other.used(), 0u);
  two = Budget::Share();
  EXPECT_EQ(whole.used(), 0u);
  EXPECT_TRUE(other.Take(2));
}

TEST(BudgetTest, SaysOnceThatNothingIsLeftWhicheverPartItIs) {
  Budget whole(4);
  Budget part(4, &whole);
  Budget other(4, &whole);
  Budget::Share all = part.Take(4);
  EXPECT_FALSE(other.Take());
  EXPECT_TRUE(other.SaysSo());
  EXPECT_FALSE(other.SaysSo());
  EXPECT_FALSE(part.SaysSo());
}

TEST(BudgetTest, ThreadsNeverHaveMoreThanThereIs) {
  Budget whole(3);
  Budget part(2, &whole);
  std::atomic<int> held = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const Budget::Share share = part.Take();
        if (!share) continue;
        ASSERT_LE(++held, 2);
        --held;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(part.used(), 0u);
  EXPECT_EQ(whole.used(), 0u);
  const Budget::Share two = part.Take(2);
  EXPECT_TRUE(two);
}

}  // namespace
}  // namespace postern
