#include "broker/service/slow_operations.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

constexpr uint64_t kDevice = 7;
constexpr uint64_t kOther = 8;
constexpr int kLookup = 1;
constexpr int kOpen = 2;

class SlowOperationsTest : public testing::Test {
 protected:
  const SlowOperations::Clock::time_point now_{hours(1)};
  SlowOperations slow_;
};

TEST_F(SlowOperationsTest, NothingIsSlowAtTheBeginning) {
  EXPECT_FALSE(slow_.watching());
  EXPECT_FALSE(slow_.IsSlow(kDevice, kLookup, now_));
}

TEST_F(SlowOperationsTest, WhatTookLongIsSlowForAWhileOnItsDevice) {
  slow_.Took(SlowOperations::kSlow, kDevice, kLookup, now_);
  EXPECT_TRUE(slow_.any());
  EXPECT_TRUE(slow_.IsSlow(kDevice, kLookup, now_));
  EXPECT_FALSE(slow_.IsSlow(kDevice, kOpen, now_));
  EXPECT_FALSE(slow_.IsSlow(kOther, kLookup, now_));
  EXPECT_FALSE(slow_.IsSlow(kDevice, kLookup, now_ + SlowOperations::kMemory));
}

TEST_F(SlowOperationsTest, WhatTakesNoTimeIsntSlow) {
  slow_.Took(SlowOperations::kSlow - microseconds(1), kDevice, kLookup, now_);
  EXPECT_FALSE(slow_.any());
}

TEST_F(SlowOperationsTest, WatchesOneMessageAfterASuspicion) {
  slow_.Suspect();
  EXPECT_TRUE(slow_.watching());
  EXPECT_FALSE(slow_.any());
  slow_.EndMeasuring(now_);
  EXPECT_FALSE(slow_.watching());
}

TEST_F(SlowOperationsTest, WatchesUntilAllIsForgotten) {
  slow_.Took(SlowOperations::kSlow, kDevice, kLookup, now_);
  slow_.EndMeasuring(now_ + SlowOperations::kMemory - microseconds(1));
  EXPECT_TRUE(slow_.watching());
  slow_.EndMeasuring(now_ + SlowOperations::kMemory);
  EXPECT_FALSE(slow_.watching());
}

TEST_F(SlowOperationsTest, WhatIsStuckIsSlowUntilItEnds) {
  slow_.BeginStuck(kDevice, kLookup);
  EXPECT_TRUE(slow_.IsSlow(kDevice, kLookup, now_ + hours(24)));
  EXPECT_FALSE(slow_.IsSlow(kDevice, kOpen, now_));
  slow_.EndMeasuring(now_ + hours(24));
  EXPECT_TRUE(slow_.any());
  slow_.EndStuck(kDevice, kLookup);
  EXPECT_FALSE(slow_.IsSlow(kDevice, kLookup, now_));
  slow_.EndMeasuring(now_);
  EXPECT_FALSE(slow_.any());
}

TEST_F(SlowOperationsTest, TwoThatAreStuckDistrustTheWholeDevice) {
  slow_.BeginStuck(kDevice, kLookup);
  slow_.BeginStuck(kDevice, kLookup);
  EXPECT_TRUE(slow_.IsSlow(kDevice, kOpen, now_));
  EXPECT_FALSE(slow_.IsSlow(kOther, kLookup, now_));
  slow_.EndStuck(kDevice, kLookup);
  EXPECT_FALSE(slow_.IsSlow(kDevice, kOpen, now_));
  EXPECT_TRUE(slow_.IsSlow(kDevice, kLookup, now_));
}

TEST_F(SlowOperationsTest, MoreThanItHasRoomForForgetsTheOldest) {
  for (uint64_t device = 1; device <= 100; ++device) {
    slow_.Took(SlowOperations::kSlow, device, kLookup, now_ + microseconds(device));
  }
  EXPECT_TRUE(slow_.IsSlow(100, kLookup, now_));
  EXPECT_FALSE(slow_.IsSlow(1, kLookup, now_));
}

}  // namespace
}  // namespace postern
