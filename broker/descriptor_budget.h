// How many descriptors the guest may make the broker hold.
#ifndef POSTERN_BROKER_DESCRIPTOR_BUDGET_H_
#define POSTERN_BROKER_DESCRIPTOR_BUDGET_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstddef>
#include <utility>

#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace postern {

// Counts the descriptors that inodes and open files hold. What the broker needs for itself is set
// aside beforehand, so a guest at its limit gets ENFILE and everything else goes on. Thread-safe.
class DescriptorBudget {
 public:
  // One descriptor's worth, given back on destruction. Must not outlive the budget. Move-only.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)) {}
    Share& operator=(Share&& other) noexcept {
      if (this != &other) {
        GiveBack();
        budget_ = std::exchange(other.budget_, nullptr);
      }
      return *this;
    }
    ~Share() { GiveBack(); }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class DescriptorBudget;
    explicit Share(DescriptorBudget* budget) : budget_(budget) {}
    void GiveBack();

    DescriptorBudget* budget_ = nullptr;
  };

  explicit DescriptorBudget(size_t limit) : limit_(limit) {}
  DescriptorBudget(const DescriptorBudget&) = delete;
  DescriptorBudget& operator=(const DescriptorBudget&) = delete;

  // The soft RLIMIT_NOFILE less what `threads` threads and `channels` channels need for themselves.
  static absl::StatusOr<size_t> LimitFor(size_t threads, size_t channels);

  // ENFILE if nothing is left.
  ErrnoOr<Share> Take();
  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t limit() const { return limit_; }

 private:
  const size_t limit_;
  std::atomic<size_t> used_{0};
};

// A descriptor that the guest pays for. The share is given back after the descriptor is closed.
struct BudgetedFd {
  DescriptorBudget::Share share;
  UniqueFd fd;
};

}  // namespace postern

#endif  // POSTERN_BROKER_DESCRIPTOR_BUDGET_H_
