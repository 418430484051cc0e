// Looking again for a short while before sleeping.
#ifndef POSTERN_COMMON_RPC_ADAPTIVE_POLL_H_
#define POSTERN_COMMON_RPC_ADAPTIVE_POLL_H_

#include <chrono>

namespace postern {

// How long a thread without work looks again and again before it sleeps. Waking a sleeping thread
// on another processor costs some 20 µs in a virtual machine; what comes within that time is better
// waited for awake. So the window grows while work comes soon, and shrinks to nothing while it
// doesn't: an idle process uses no processor at all. Belongs to one thread.
//
//   while (true) {
//     if (DoWork()) poll.Busy();
//     if (!poll.Again()) Sleep();
//   }
class AdaptivePoll {
 public:
  using Clock = std::chrono::steady_clock;

  // `budget`: the longest window; 0 switches polling off.
  explicit AdaptivePoll(std::chrono::nanoseconds budget) : budget_(budget) {}

  // There was something to do.
  void Busy();
  // There is nothing left. True: look again. False: the window is over; sleep until there is
  // something. Once `patience` of the idle time is over, each call lets others run on the thread's
  // processor: what is waited for may need it. But a system call is long for what comes at once.
  bool Again(std::chrono::nanoseconds patience = std::chrono::microseconds(1));

  std::chrono::nanoseconds window() const { return window_; }

  // Learns from an idle time that `gap` was long. Public for tests: Busy() measures it.
  void Learn(std::chrono::nanoseconds gap);

 private:
  // What a sleep seems longer by than the time without work was: going to sleep and waking.
  static constexpr std::chrono::microseconds kSleepCost{30};

  const std::chrono::nanoseconds budget_;
  std::chrono::nanoseconds window_{0};
  bool idle_ = false;
  Clock::time_point idle_since_;
  // Polling for the whole budget was in vain: so many more idle times pass before it is tried
  // again.
  int pause_ = 0;
  int next_pause_ = 1;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_ADAPTIVE_POLL_H_
