// How much of the log a child may fill.
#ifndef POSTERN_SANDBOX_LAUNCHER_LOG_ALLOWANCE_H_
#define POSTERN_SANDBOX_LAUNCHER_LOG_ALLOWANCE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace postern {

// A bucket of tokens, one a line: full at the beginning, and filled up again at an even rate.
class LogAllowance {
 public:
  using Clock = std::chrono::steady_clock;

  // `most`: lines at once. `interval`: one more after each.
  LogAllowance(uint64_t most, Clock::duration interval)
      : most_(most), interval_(interval), tokens_(most) {}

  // Takes a token, if there is one. `now` never goes back.
  bool Take(Clock::time_point now) {
    if (tokens_ == most_) filled_ = now;
    const auto more = static_cast<uint64_t>((now - filled_) / interval_);
    tokens_ = std::min(most_, tokens_ + std::min(more, most_));
    filled_ += more * interval_;
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  const uint64_t most_;
  const Clock::duration interval_;
  uint64_t tokens_;
  Clock::time_point filled_;  // When the last token came.
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_LOG_ALLOWANCE_H_
