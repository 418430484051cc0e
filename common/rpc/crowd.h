// Whether somebody else wants the processor.
#ifndef POSTERN_COMMON_RPC_CROWD_H_
#define POSTERN_COMMON_RPC_CROWD_H_

#include <algorithm>
#include <chrono>

namespace postern {

// A thread that waits awake, and by that has lost a slice of time to somebody else, is not alone.
// It had better sleep then: who sleeps is woken at once, and who gives a busy neighbour the
// processor has it back after milliseconds. After 64 times what was lost it tries again, so that
// neighbours cost a 64th at the most, and being alone again is noticed in a fraction of a second.
// Without a clock. Belongs to one thread.
class Crowd {
 public:
  using Clock = std::chrono::steady_clock;

  // More than two threads that work for each other take from each other, and less than a slice.
  static constexpr std::chrono::microseconds kSlice{700};

  // Whether it was there not long ago.
  bool IsHere(Clock::time_point now) const { return now < until_; }

  // The thread, which was ready to run, didn't run for so long. Tells of a crowd if it is a slice.
  void Lost(Clock::duration time, Clock::time_point now) {
    if (time >= kSlice) until_ = now + 64 * std::min<Clock::duration>(time, kMost);
  }

 private:
  // What is longer is no slice, but a machine that stood still.
  static constexpr std::chrono::milliseconds kMost{10};

  Clock::time_point until_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_CROWD_H_
