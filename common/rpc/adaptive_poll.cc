#include "common/rpc/adaptive_poll.h"

#include <algorithm>

namespace postern {
namespace {

constexpr int kMaxPause = 1024;

}  // namespace

void AdaptivePoll::Learn(std::chrono::nanoseconds gap) {
  if (budget_.count() == 0) return;
  if (gap <= window_) {  // It came while we looked.
    next_pause_ = 1;
    return;
  }
  if (gap > budget_ + kSleepCost || window_ == budget_) {
    if (window_ == budget_) {
      pause_ = next_pause_;
      next_pause_ = std::min(2 * next_pause_, kMaxPause);
    }
    window_ = window_ > budget_ / 8 ? window_ / 2 : std::chrono::nanoseconds(0);
    return;
  }
  if (pause_ > 0) {
    --pause_;
    return;
  }
  window_ = std::min(budget_, std::max(2 * window_, budget_ / 4));
}

}  // namespace postern
