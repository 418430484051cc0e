// The guest's shares of descriptors and inodes.
#include <gtest/gtest.h>

#include <vector>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/inode_budget.h"

namespace postern {
namespace {

using Kind = DescriptorBudget::Kind;

std::vector<DescriptorBudget::Share> TakeAll(DescriptorBudget& budget, Kind kind) {
  std::vector<DescriptorBudget::Share> shares;
  for (auto share = budget.Take(kind); share.ok(); share = budget.Take(kind)) {
    shares.push_back(std::move(*share));
  }
  return shares;
}

TEST(DescriptorBudgetTest, NeitherKindCanTakeTheLastEighth) {
  DescriptorBudget budget(80);
  const auto inodes = TakeAll(budget, Kind::kInode);
  EXPECT_EQ(inodes.size(), 70u);
  const auto opens = TakeAll(budget, Kind::kOpen);
  EXPECT_EQ(opens.size(), 10u);
  EXPECT_EQ(budget.used(), 80u);
  EXPECT_EQ(budget.Take(Kind::kInode).errno_value(), ENFILE);
}

TEST(DescriptorBudgetTest, OpenFilesLeaveAnEighthToInodes) {
  DescriptorBudget budget(80);
  const auto opens = TakeAll(budget, Kind::kOpen);
  EXPECT_EQ(opens.size(), 70u);
  EXPECT_EQ(TakeAll(budget, Kind::kInode).size(), 10u);
}

TEST(DescriptorBudgetTest, WhatIsGivenBackGoesToItsKind) {
  DescriptorBudget budget(16);
  auto inodes = TakeAll(budget, Kind::kInode);
  ASSERT_EQ(inodes.size(), 14u);
  DescriptorBudget::Share moved = std::move(inodes.back());
  inodes.pop_back();
  EXPECT_EQ(budget.Take(Kind::kInode).errno_value(), ENFILE);
  moved = DescriptorBudget::Share();
  EXPECT_TRUE(budget.Take(Kind::kInode).ok());
  EXPECT_EQ(budget.used(), 13u);
}

TEST(DescriptorBudgetTest, CacheHasAPartOfItsOwnAndNoMore) {
  DescriptorBudget budget(160);
  budget.SetCacheAside();
  EXPECT_EQ(budget.cache_limit(), 10u);
  EXPECT_EQ(budget.limit(), 150u);
  std::vector<DescriptorBudget::Share> cached;
  for (auto share = budget.TakeCached(); share; share = budget.TakeCached()) {
    cached.push_back(std::move(share));
  }
  EXPECT_EQ(cached.size(), 10u);
  EXPECT_EQ(budget.used(), 0u);
  const auto opens = TakeAll(budget, Kind::kOpen);
  const auto inodes = TakeAll(budget, Kind::kInode);
  EXPECT_EQ(opens.size() + inodes.size(), 150u);
  cached.pop_back();
  EXPECT_EQ(budget.cached(), 9u);
  EXPECT_TRUE(budget.TakeCached());
}

TEST(DescriptorBudgetTest, CacheIsNoLargerThanItHasUseFor) {
  DescriptorBudget some(10'048);
  some.SetCacheAside();
  EXPECT_EQ(some.cache_limit(), 628u + 4000u);
  DescriptorBudget many(1'000'000);
  many.SetCacheAside();
  EXPECT_EQ(many.cache_limit(), 16384u);
  EXPECT_EQ(many.limit(), 1'000'000u - 16384u);
}

TEST(DescriptorBudgetTest, NothingIsCachedUnlessItWasSetAside) {
  DescriptorBudget budget(160);
  EXPECT_FALSE(budget.TakeCached());
  EXPECT_EQ(budget.cached(), 0u);
}

TEST(InodeBudgetTest, TakesUpToTheLimitAndAgainWhatWasGivenBack) {
  InodeBudget budget(2);
  const Budget::Share one = budget.Take();
  Budget::Share two = budget.Take();
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
  EXPECT_FALSE(budget.Take());
  two.Release();
  EXPECT_FALSE(budget.Take());
  budget.GiveBack(1);
  two = budget.Take();
  EXPECT_TRUE(two);
  EXPECT_EQ(budget.used(), 2u);
}

TEST(InodeBudgetTest, ZeroIsNoLimit) {
  InodeBudget budget(0);
  std::vector<Budget::Share> shares;
  for (int i = 0; i < 1000; ++i) {
    shares.push_back(budget.Take());
    ASSERT_TRUE(shares.back());
  }
  EXPECT_EQ(budget.used(), 1000u);
}

}  // namespace
}  // namespace postern
