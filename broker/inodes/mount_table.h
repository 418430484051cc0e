// The mounts that the guest has reached, for opening file handles on them.
#ifndef POSTERN_BROKER_INODES_MOUNT_TABLE_H_
#define POSTERN_BROKER_INODES_MOUNT_TABLE_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/synchronization/mutex.h>
#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/file_handle.h"
#include "broker/inodes/reopen.h"
#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace postern {

// One mount, and whether the broker opens file handles on it. That is settled once: if it changed
// while inodes of the mount are known, one file could be known both by its handle and by its
// number, and get two node ids. Immutable. The descriptor, like that of an inode, keeps the mount
// (and so its id) from going away.
class Mount {
 public:
  // `descriptor`: of something on the mount, opened for reading; none if there are no handles.
  Mount(uint64_t id, BudgetedFd descriptor);

  uint64_t id() const { return id_; }
  bool has_handles() const { return descriptor_.fd.valid(); }
  // How many bytes a handle takes. A guess: some filesystems make them of several lengths.
  size_t handle_size() const { return handle_size_; }
  // An O_PATH descriptor. Precondition: has_handles(). ESTALE: the file is gone.
  ErrnoOr<UniqueFd> Open(const FileHandleView& handle) const {
    return FileHandle(handle).Open(descriptor_.fd.get());
  }

 private:
  const uint64_t id_;  // STATX_MNT_ID
  const BudgetedFd descriptor_;
  const size_t handle_size_;
};

// Inodes of the mount hold these. The last one closes the descriptor: drop it outside of locks.
using MountRef = std::shared_ptr<const Mount>;

// By mount id. A mount stays for as long as somebody holds a reference to it. Thread-safe; the lock
// is a leaf and never held over a system call.
//
// No name leads to a mount (such as mountinfo has them): its descriptor is made from that of an
// inode on it. The first inode known on a mount is what is mounted there, since a walk gets to a
// mount in no other way; so it can be opened unless somebody has mounted a device, a socket or a
// FIFO, which has no file below it.
class MountTable {
 public:
  // What becomes of inodes that can't be known by a file handle.
  enum class Policy {
    kDescriptor,  // They hold a descriptor.
    kError,       // The guest gets the error.
  };

  // `proc_fd` and `budget` are borrowed.
  MountTable(const ProcFd& proc_fd, DescriptorBudget& budget, Policy policy)
      : proc_fd_(proc_fd), budget_(budget), policy_(policy) {}

  Policy policy() const { return policy_; }

  // None if nobody holds the mount.
  MountRef Find(uint64_t id) const;

  // Never null. `fd` (O_PATH) is open on something on the mount; `status` is its statx(2). Tries
  // the handles of a mount that isn't in the table, by opening that of `fd`. If they don't work the
  // answer has none or, under kError, is why. ENFILE and the like are answered in any case: they
  // say nothing about the mount.
  ErrnoOr<MountRef> FindOrAdd(int fd, const struct statx& status);

  // The two halves of that. A descriptor to open handles with, or why they don't work.
  ErrnoOr<BudgetedFd> Open(int fd, const struct statx& status);
  // The mount of that id, made with `descriptor` if it isn't there. Never null.
  MountRef Add(uint64_t id, BudgetedFd descriptor);

 private:
  void WarnOnce(const struct statx& status, Errno error);

  // Constant.
  const ProcFd& proc_fd_;
  DescriptorBudget& budget_;
  const Policy policy_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<const Mount>> mounts_ ABSL_GUARDED_BY(mutex_);
  // Devices of filesystems without handles that have been logged. The host decides how many there
  // are, not the guest.
  absl::flat_hash_set<uint64_t> warned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_MOUNT_TABLE_H_
