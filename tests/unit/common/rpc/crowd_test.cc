#include "common/rpc/crowd.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

class CrowdTest : public testing::Test {
 protected:
  const Crowd::Clock::time_point now_{hours(1)};
  Crowd crowd_;
};

TEST_F(CrowdTest, NobodyIsThereAtTheBeginning) { EXPECT_FALSE(crowd_.IsHere(now_)); }

TEST_F(CrowdTest, WhoWorksForTheOtherIsNoCrowd) {
  crowd_.Lost(microseconds(100), now_);
  EXPECT_FALSE(crowd_.IsHere(now_));
}

TEST_F(CrowdTest, ALostSliceCostsAPartOfTheTimeAtTheMost) {
  crowd_.Lost(milliseconds(3), now_);
  EXPECT_TRUE(crowd_.IsHere(now_));
  EXPECT_TRUE(crowd_.IsHere(now_ + milliseconds(3 * 64 - 1)));
  EXPECT_FALSE(crowd_.IsHere(now_ + milliseconds(3 * 64)));
}

TEST_F(CrowdTest, WhatIsLostBetweenSlicesChangesNothing) {
  crowd_.Lost(milliseconds(3), now_);
  crowd_.Lost(microseconds(10), now_ + milliseconds(100));
  EXPECT_TRUE(crowd_.IsHere(now_ + milliseconds(3 * 64 - 1)));
  EXPECT_FALSE(crowd_.IsHere(now_ + milliseconds(3 * 64)));
}

TEST_F(CrowdTest, AMachineThatStoodStillIsForgottenInASecond) {
  crowd_.Lost(hours(1), now_);
  EXPECT_TRUE(crowd_.IsHere(now_));
  EXPECT_FALSE(crowd_.IsHere(now_ + milliseconds(1000)));
}

}  // namespace
}  // namespace postern
