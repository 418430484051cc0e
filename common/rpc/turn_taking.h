// Waiting for somebody who runs on the same processor.
#ifndef POSTERN_COMMON_RPC_TURN_TAKING_H_
#define POSTERN_COMMON_RPC_TURN_TAKING_H_

#include <chrono>

namespace postern {

// Two threads on one processor, each of which waits for what the other does, give it to each other
// and back: for as long as both have turns that costs half of what sleeping and waking does. Who
// waits so isn't asleep, but takes time only when nobody else does. Belongs to one thread.
//
//   while (true) {
//     if (DoWork()) turns.Busy();
//     if (!turns.Again()) Sleep();
//   }
class TurnTaking {
 public:
  using Clock = std::chrono::steady_clock;

  // `budget`: how long Again() goes on without Busy(); 0: not at all.
  explicit TurnTaking(std::chrono::nanoseconds budget) : budget_(budget) {}

  // There was something to do.
  void Busy() { idle_ = false; }
  // There is nothing left: has others run that want the processor. True: some did, look again.
  // False: none did, so that the peer sleeps or is on another processor, or the budget is used up.
  bool Again();

 private:
  const std::chrono::nanoseconds budget_;
  bool idle_ = false;
  Clock::time_point idle_since_;
  Clock::time_point now_;  // When Again() returned last, if idle_.
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_TURN_TAKING_H_
