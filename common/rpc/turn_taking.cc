#include "common/rpc/turn_taking.h"

#include <sched.h>

namespace postern {
namespace {

// Coming back sooner than this sched_yield(2) has switched to nobody. Two switches and what the
// other does in between take longer; if they ever don't, one more sleep is all that is lost.
constexpr std::chrono::nanoseconds kTwoSwitches{900};

}  // namespace

bool TurnTaking::Again() {
  if (budget_.count() == 0) return false;
  if (!idle_) {
    idle_ = true;
    now_ = idle_since_ = Clock::now();
  } else if (now_ - idle_since_ >= budget_) {
    return false;
  }
  const Clock::time_point before = now_;
  sched_yield();
  now_ = Clock::now();
  return now_ - before >= kTwoSwitches;
}

}  // namespace postern
