#include "common/rpc/wait_choice.h"

#include <algorithm>

namespace postern {
namespace {

using std::chrono::nanoseconds;

// How much a new cost counts beside the mean of those before.
constexpr int kWeight = 8;
// The part of all waiting that trials may cost.
constexpr int kPart = 64;
// So many times the better way is taken between two trials: or nobody would know what it costs now.
constexpr int kTrialPause = 8;
// The mean counts no cost as more than that: a way that was as bad as can be must be tried again
// some day.
constexpr nanoseconds kMostCounted = std::chrono::milliseconds(1);
// Nobody saves more than that, or a thread that has waited long would make many mistakes.
constexpr nanoseconds kMostEarned = 2 * kMostCounted;
// A cost is never 0, which means that there was none.
constexpr nanoseconds kLeastCost{1};

}  // namespace

WaitWay WaitChoice::Choose() {
  for (const WaitWay way : {WaitWay::kLook, WaitWay::kYield}) {
    if (mean(way).count() == 0) return chosen_ = better_ = way;
  }
  const bool look = mean(WaitWay::kLook) <= mean(WaitWay::kYield);
  better_ = look ? WaitWay::kLook : WaitWay::kYield;
  const WaitWay other = look ? WaitWay::kYield : WaitWay::kLook;
  chosen_ = better_;
  if (--until_trial_ <= 0 && earned_ > mean(other) - mean(better_)) {
    chosen_ = other;
    until_trial_ = kTrialPause;
  }
  return chosen_;
}

void WaitChoice::Learn(nanoseconds cost) {
  cost = std::max(cost, kLeastCost);
  if (chosen_ != better_) earned_ -= std::max(nanoseconds(0), cost - mean(better_));
  earned_ = std::min(kMostEarned, earned_ + cost / kPart);
  const nanoseconds counted = std::min(cost, kMostCounted);
  nanoseconds& mean_cost = mean(chosen_);
  mean_cost = mean_cost.count() == 0
                  ? counted
                  : std::max(kLeastCost, mean_cost + (counted - mean_cost) / kWeight);
}

}  // namespace postern
