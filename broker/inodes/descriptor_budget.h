// How many descriptors the guest may make the broker hold.
#ifndef POSTERN_BROKER_INODES_DESCRIPTOR_BUDGET_H_
#define POSTERN_BROKER_INODES_DESCRIPTOR_BUDGET_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstddef>
#include <utility>

#include "common/errno_or.h"
#include "common/limit_notice.h"
#include "common/unique_fd.h"

namespace postern {

// Counts the descriptors that inodes and open files hold. What the broker needs for itself is set
// aside beforehand, so a guest at its limit gets ENFILE and everything else goes on. Neither open
// files nor inodes may have more than seven eighths, so that lookups can't keep files from being
// opened, nor the other way round. This bounds the tables of open files and directories, too.
// Thread-safe.
class DescriptorBudget {
 public:
  enum class Kind {
    kOpen,    // Open files, directories and mounts.
    kInode,   // O_PATH descriptors that inodes can't do without.
    kCached,  // O_PATH descriptors that may be closed at any time.
  };

  // One descriptor's worth, given back on destruction. Must not outlive the budget. Move-only.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), kind_(other.kind_) {}
    Share& operator=(Share&& other) noexcept {
      if (this != &other) {
        GiveBack();
        budget_ = std::exchange(other.budget_, nullptr);
        kind_ = other.kind_;
      }
      return *this;
    }
    ~Share() { GiveBack(); }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class DescriptorBudget;
    Share(DescriptorBudget* budget, Kind kind) : budget_(budget), kind_(kind) {}
    void GiveBack();

    DescriptorBudget* budget_ = nullptr;
    Kind kind_ = Kind::kOpen;
  };

  explicit DescriptorBudget(size_t limit) : limit_(limit) {}
  DescriptorBudget(const DescriptorBudget&) = delete;
  DescriptorBudget& operator=(const DescriptorBudget&) = delete;

  // The soft RLIMIT_NOFILE less what `threads` threads and `channels` channels need for themselves.
  static absl::StatusOr<size_t> LimitFor(size_t threads, size_t channels);

  // Sets a small part aside for cached descriptors. From then on it is theirs alone: what is cached
  // never keeps anybody else from a descriptor. Call it before other threads know the budget.
  void SetCacheAside();

  // ENFILE if nothing is left for this kind, which isn't kCached.
  ErrnoOr<Share> Take(Kind kind = Kind::kOpen);
  // None if nothing is left, or nothing was set aside. Logs nothing, so that it can be called with
  // a lock held.
  Share TakeCached();

  // Without what is cached.
  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t limit() const { return limit_; }
  size_t cached() const { return cached_.load(std::memory_order_relaxed); }
  size_t cache_limit() const { return cache_limit_; }

 private:
  size_t limit_of_kind() const { return limit_ - limit_ / 8; }
  std::atomic<size_t>& used_by(Kind kind) { return kind == Kind::kInode ? inodes_ : opens_; }

  // Constant once there are threads.
  size_t limit_;
  size_t cache_limit_ = 0;

  std::atomic<size_t> used_{0};  // The sum of:
  std::atomic<size_t> inodes_{0};
  std::atomic<size_t> opens_{0};
  std::atomic<size_t> cached_{0};  // Not in the sum.
  LimitNotice notice_;
};

// A descriptor that the guest pays for. The share is given back after the descriptor is closed.
struct BudgetedFd {
  DescriptorBudget::Share share;
  UniqueFd fd;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_DESCRIPTOR_BUDGET_H_
