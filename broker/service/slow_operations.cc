#include "broker/service/slow_operations.h"

#include <algorithm>

#include "common/mutex_lock.h"

namespace postern {

bool SlowOperations::IsSlow(uint64_t device, int operation, Clock::time_point now) {
  const MutexLock lock(mutex_);
  if (std::ranges::find(stuck_, std::pair(device, operation)) != stuck_.end()) return true;
  const auto on_device = [device](const auto& stuck) { return stuck.first == device; };
  if (std::ranges::count_if(stuck_, on_device) > 1) return true;
  return std::ranges::any_of(entries_, [=](const Entry& entry) {
    return entry.device == device && entry.operation == operation && entry.until > now;
  });
}

void SlowOperations::Took(std::chrono::nanoseconds time, uint64_t device, int operation,
                          Clock::time_point now) {
  if (time < kSlow) return;
  const MutexLock lock(mutex_);
  const auto same = std::ranges::find_if(entries_, [=](const Entry& entry) {
    return entry.device == device && entry.operation == operation;
  });
  Entry& entry =
      same != entries_.end() ? *same : *std::ranges::min_element(entries_, {}, &Entry::until);
  entry = {.device = device, .operation = operation, .until = now + kMemory};
  any_.store(true, std::memory_order_relaxed);
}

void SlowOperations::BeginStuck(uint64_t device, int operation) {
  const MutexLock lock(mutex_);
  stuck_.emplace_back(device, operation);
  any_.store(true, std::memory_order_relaxed);
}

void SlowOperations::EndStuck(uint64_t device, int operation) {
  const MutexLock lock(mutex_);
  stuck_.erase(std::ranges::find(stuck_, std::pair(device, operation)));
}

void SlowOperations::EndMeasuring(Clock::time_point now) {
  suspected_.store(false, std::memory_order_relaxed);
  if (!any()) return;
  const MutexLock lock(mutex_);
  const bool any = !stuck_.empty() || std::ranges::any_of(entries_, [now](const Entry& entry) {
    return entry.until > now;
  });
  any_.store(any, std::memory_order_relaxed);
}

}  // namespace postern
