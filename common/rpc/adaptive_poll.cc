#include "common/rpc/adaptive_poll.h"

#include <sched.h>

#include <algorithm>

namespace postern {
namespace {

constexpr int kMaxPause = 1024;

}  // namespace

void AdaptivePoll::Busy() {
  if (!idle_) return;
  idle_ = false;
  if (budget_.count() > 0) Learn(Clock::now() - idle_since_);
}

bool AdaptivePoll::Again(std::chrono::nanoseconds patience) {
  if (budget_.count() == 0) return false;
  const Clock::time_point now = Clock::now();
  if (!idle_) {
    idle_ = true;
    idle_since_ = now;
  }
  const std::chrono::nanoseconds idle = now - idle_since_;
  if (idle >= window_) return false;
  if (idle >= patience) sched_yield();
  return true;
}

void AdaptivePoll::Learn(std::chrono::nanoseconds gap) {
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
