// When to log that a guest has run into a limit.
#ifndef POSTERN_COMMON_LIMIT_NOTICE_H_
#define POSTERN_COMMON_LIMIT_NOTICE_H_

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

namespace postern {

// Says yes once per visit to the limit, and at most once in a minute: a guest that goes to and fro
// must not fill the log. Thread-safe.
class LimitNotice {
 public:
  static constexpr absl::Duration kInterval = absl::Minutes(1);

  // At the limit: whether to log it.
  bool Hit(absl::Time now = absl::Now()) {
    if (silent_.load(std::memory_order_relaxed)) return false;
    int64_t last = last_.load(std::memory_order_relaxed);
    const int64_t present = absl::ToUnixNanos(now);
    if (last != 0 && present - last < absl::ToInt64Nanoseconds(kInterval)) return false;
    // Of two threads one.
    if (!last_.compare_exchange_strong(last, present)) return false;
    silent_.store(true, std::memory_order_relaxed);
    return true;
  }
  // Well below the limit again.
  void Recovered() {
    if (silent_.load(std::memory_order_relaxed)) silent_.store(false, std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> silent_{false};
  std::atomic<int64_t> last_{0};  // Unix nanoseconds; 0: never.
};

}  // namespace postern

#endif  // POSTERN_COMMON_LIMIT_NOTICE_H_
