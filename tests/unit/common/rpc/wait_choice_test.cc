#include "common/rpc/wait_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace postern {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using enum WaitWay;

// What each way costs in some place. One that varies has several costs, which come in turn.
using Place = std::map<WaitWay, std::vector<nanoseconds>>;

const Place kApart = {{kLook, {microseconds(16)}}, {kYield, {microseconds(17), microseconds(20)}}};
const Place kOneProcessor = {{kLook, {microseconds(90)}},
                             {kYield, {microseconds(4), microseconds(6)}}};
const Place kCrowded = {{kLook, {microseconds(30), microseconds(50)}},
                        {kYield, {microseconds(5), milliseconds(3)}}};

nanoseconds MeanOf(const std::vector<nanoseconds>& costs) {
  nanoseconds sum{0};
  for (const nanoseconds cost : costs) sum += cost;
  return sum / static_cast<int>(costs.size());
}

nanoseconds Best(const Place& place) {
  return std::min(MeanOf(place.at(kLook)), MeanOf(place.at(kYield)));
}

class WaitChoiceTest : public testing::Test {
 protected:
  // Waits so often in that place. Returns the cost of all.
  nanoseconds Wait(const Place& place, int count) {
    nanoseconds total{0};
    for (int i = 0; i < count; ++i) {
      const WaitWay way = choice_.Choose();
      const std::vector<nanoseconds>& costs = place.at(way);
      const nanoseconds cost = costs[static_cast<size_t>(times_[way]++) % costs.size()];
      choice_.Learn(cost);
      total += cost;
    }
    return total;
  }

  WaitChoice choice_;
  std::map<WaitWay, int> times_;
};

TEST_F(WaitChoiceTest, BothAreTriedAtTheBeginning) {
  Wait(kApart, 2);
  EXPECT_EQ(times_, (std::map<WaitWay, int>{{kLook, 1}, {kYield, 1}}));
}

TEST_F(WaitChoiceTest, ACostOfNothingCountsAsTried) {
  EXPECT_EQ(choice_.Choose(), kLook);
  choice_.Learn(nanoseconds(0));
  EXPECT_EQ(choice_.Choose(), kYield);
}

TEST_F(WaitChoiceTest, WhatIsntLearntChangesNothing) {
  Wait(kOneProcessor, 100);
  for (int i = 0; i < 1000; ++i) choice_.Choose();
  EXPECT_LT(Wait(kOneProcessor, 1000), 1000 * Best(kOneProcessor) * 5 / 4);
}

class WaitChoicePlaceTest : public WaitChoiceTest, public testing::WithParamInterface<Place> {};

TEST_P(WaitChoicePlaceTest, CostsLittleMoreThanTheBetterWay) {
  constexpr int kWaits = 100'000;
  EXPECT_LT(Wait(GetParam(), kWaits), kWaits * Best(GetParam()) * 33 / 32 + milliseconds(5));
}

TEST_P(WaitChoicePlaceTest, IsLearntSoonAfterAnotherPlace) {
  for (const Place& before : {kApart, kOneProcessor, kCrowded}) {
    Wait(before, 20'000);
    // A mistake of 3 ms has to be earned by 64 times as much.
    nanoseconds spent{0};
    while (spent < milliseconds(400)) spent += Wait(GetParam(), 1);
    constexpr int kWaits = 50'000;
    EXPECT_LT(Wait(GetParam(), kWaits), kWaits * Best(GetParam()) * 33 / 32 + milliseconds(5));
  }
}

INSTANTIATE_TEST_SUITE_P(, WaitChoicePlaceTest, testing::Values(kApart, kOneProcessor, kCrowded));

}  // namespace
}  // namespace postern
