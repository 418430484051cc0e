// How long to look again before sleeping.
#ifndef POSTERN_COMMON_RPC_ADAPTIVE_POLL_H_
#define POSTERN_COMMON_RPC_ADAPTIVE_POLL_H_

#include <chrono>

namespace postern {

// How long a thread without work looks again and again before it sleeps. Waking a sleeping thread
// on another processor costs some 20 µs in a virtual machine; what comes within that time is better
// waited for awake. So the window grows while work comes soon, and shrinks to nothing while it
// doesn't: an idle process uses no processor at all. Without a clock. Belongs to one thread.
class AdaptivePoll {
 public:
  // `budget`: the longest window; 0 switches polling off.
  explicit AdaptivePoll(std::chrono::nanoseconds budget) : budget_(budget) {}

  std::chrono::nanoseconds budget() const { return budget_; }
  std::chrono::nanoseconds window() const { return window_; }

  // Learns from an idle time that `gap` was long.
  void Learn(std::chrono::nanoseconds gap);

 private:
  // What a sleep seems longer by than the time without work was: going to sleep and waking.
  static constexpr std::chrono::microseconds kSleepCost{30};

  const std::chrono::nanoseconds budget_;
  std::chrono::nanoseconds window_{0};
  // Polling for the whole budget was in vain: so many more idle times pass before it is tried
  // again.
  int pause_ = 0;
  int next_pause_ = 1;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_ADAPTIVE_POLL_H_
