// Which way of looking is best where a thread runs now.
#ifndef POSTERN_COMMON_RPC_WAIT_CHOICE_H_
#define POSTERN_COMMON_RPC_WAIT_CHOICE_H_

#include <array>
#include <chrono>
#include <cstddef>

namespace postern {

// How a thread may look for what another brings.
enum class WaitWay {
  kLook,   // Again and again: best where the other has a processor of its own.
  kYield,  // And let others run in between: best where the other has the same one.
};

// Learns from what each way has cost, without I/O and without a clock. Mostly says the cheaper one;
// but places change, so that now and then it tries the other, and no oftener than pays: what the
// other costs more must have been earned before, and a 64th of all waiting is what trials may cost
// in the long run. So a cheap mistake is tried again soon, and a dear one rarely. Belongs to one
// thread.
class WaitChoice {
 public:
  // How to wait this time.
  WaitWay Choose();
  // What that has cost.
  void Learn(std::chrono::nanoseconds cost);

 private:
  std::chrono::nanoseconds& mean(WaitWay way) { return means_[static_cast<size_t>(way)]; }

  std::array<std::chrono::nanoseconds, 2> means_{};  // Of the last few times; 0: never tried.
  std::chrono::nanoseconds earned_{0};
  WaitWay better_ = WaitWay::kLook;
  WaitWay chosen_ = WaitWay::kLook;
  int until_trial_ = 0;  // Waits.
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_WAIT_CHOICE_H_
