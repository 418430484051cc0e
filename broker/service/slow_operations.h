// Which operations have had to wait of late, on which filesystems.
#ifndef POSTERN_BROKER_SERVICE_SLOW_OPERATIONS_H_
#define POSTERN_BROKER_SERVICE_SLOW_OPERATIONS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace postern {

// What was slow a moment ago is given to another thread. Finding that out costs the fast ones
// nothing: while nothing is known to be slow, nothing is measured but, now and then, one message.
// A device is a st_dev, an operation a number of rpc::Request::OperationCase. Thread-safe.
class SlowOperations {
 public:
  using Clock = std::chrono::steady_clock;

  // Longer than an operation in memory, shorter than one that waits for a disk or a server.
#ifdef POSTERN_SANITIZED  // Where all takes many times as long.
  static constexpr std::chrono::microseconds kSlow{20'000};
#else
  static constexpr std::chrono::microseconds kSlow{200};
#endif
  // So long it is remembered.
  static constexpr std::chrono::milliseconds kMemory{1000};

  // Threads have been at work for some time: the next message is to be measured.
  void Suspect() { suspected_.store(true, std::memory_order_relaxed); }
  // Whether the caller's message is to be measured. A hint, cheap.
  bool watching() const {
    return suspected_.load(std::memory_order_relaxed) || any_.load(std::memory_order_relaxed);
  }
  // Whether anything is known to be slow. A hint, cheap.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  bool IsSlow(uint64_t device, int operation, Clock::time_point now);
  // An operation has waited for something, and taken that long.
  void Took(std::chrono::nanoseconds time, uint64_t device, int operation, Clock::time_point now);
  // An operation doesn't end: others of the kind are slow until it does. If two are stuck on a
  // device, all are slow there: a server is gone, and each further kind would cost a thread.
  void BeginStuck(uint64_t device, int operation);
  void EndStuck(uint64_t device, int operation);
  // A message has been measured. Forgets what is over.
  void EndMeasuring(Clock::time_point now);

 private:
  struct Entry {
    uint64_t device = 0;
    int operation = 0;
    Clock::time_point until;
  };

  std::atomic<bool> suspected_{false};
  std::atomic<bool> any_{false};
  absl::Mutex mutex_;
  // The oldest gives way: then something slow is measured once more.
  std::array<Entry, 64> entries_ ABSL_GUARDED_BY(mutex_);
  // Device and operation, one for each thread at the most.
  std::vector<std::pair<uint64_t, int>> stuck_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_SLOW_OPERATIONS_H_
