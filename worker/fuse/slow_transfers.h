// Whether a file's reads and writes take long at present.
#ifndef POSTERN_WORKER_FUSE_SLOW_TRANSFERS_H_
#define POSTERN_WORKER_FUSE_SLOW_TRANSFERS_H_

#include <atomic>
#include <chrono>

namespace postern {

// Where a filesystem can't say beforehand that a transfer would wait (RWF_NOWAIT), one that has
// waited tells of the next: the kernel throttles who writes faster than the disk, for up to 200 ms
// each time. Thread-safe.
class SlowTransfers {
 public:
  using Clock = std::chrono::steady_clock;

  // Longer than moving a megabyte in memory takes.
  static constexpr std::chrono::milliseconds kSlow{2};
  static constexpr std::chrono::milliseconds kMemory{1000};

  bool AreExpected(Clock::time_point now) const {
    return now.time_since_epoch().count() < until_.load(std::memory_order_relaxed);
  }
  // A transfer that might have waited has taken so long, and ended now.
  void Took(Clock::duration time, Clock::time_point now) {
    if (time < kSlow) return;
    until_.store((now + kMemory).time_since_epoch().count(), std::memory_order_relaxed);
  }

 private:
  std::atomic<Clock::rep> until_{Clock::time_point::min().time_since_epoch().count()};
};

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_SLOW_TRANSFERS_H_
