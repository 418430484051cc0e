// How many descriptors the guest may make the broker hold.
#ifndef POSTERN_BROKER_INODES_DESCRIPTOR_BUDGET_H_
#define POSTERN_BROKER_INODES_DESCRIPTOR_BUDGET_H_

#include <absl/status/statusor.h>

#include <cstddef>

#include "common/budget.h"
#include "common/errno_or.h"
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
    kOpen,   // Open files, directories and mounts.
    kInode,  // O_PATH descriptors that inodes can't do without.
  };

  using Share = Budget::Share;

  explicit DescriptorBudget(size_t limit) { SetLimit(limit); }
  DescriptorBudget(const DescriptorBudget&) = delete;
  DescriptorBudget& operator=(const DescriptorBudget&) = delete;

  // The soft RLIMIT_NOFILE less what all threads and channels need for themselves.
  static absl::StatusOr<size_t> LimitFor(size_t threads, size_t channels);

  // Makes the process's table of descriptors as large as it usually gets. The kernel doubles it
  // when it is full, and then, if there are several threads, waits for some 10 ms (RCU). Call it
  // while there is one. `open` is any open descriptor; `limit` as LimitFor() has it.
  static void GrowTable(int open, size_t limit);

  // Sets a small part aside for cached descriptors. From then on it is theirs alone: what is cached
  // never keeps anybody else from a descriptor. Call it before other threads know the budget.
  void SetCacheAside();

  // ENFILE if nothing is left for this kind.
  ErrnoOr<Share> Take(Kind kind = Kind::kOpen);
  // The same for an O_PATH descriptor that may be closed at any time. None if nothing is left, or
  // nothing was set aside. Logs nothing, so that it can be called with a lock held.
  Share TakeCached() { return cached_.Take(); }

  // Without what is cached.
  size_t used() const { return all_.used(); }
  size_t limit() const { return all_.limit(); }
  size_t cached() const { return cached_.used(); }
  size_t cache_limit() const { return cached_.limit(); }

 private:
  void SetLimit(size_t limit);

  Budget all_;
  Budget opens_{0, &all_};
  Budget inodes_{0, &all_};
  Budget cached_{0};
};

// A descriptor that the guest pays for. The share is given back after the descriptor is closed.
struct BudgetedFd {
  DescriptorBudget::Share share;
  UniqueFd fd;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_DESCRIPTOR_BUDGET_H_
