// A file of the host that the guest knows.
#ifndef POSTERN_BROKER_INODE_H_
#define POSTERN_BROKER_INODE_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <utility>

#include "broker/descriptor_budget.h"
#include "common/errno_or.h"
#include "common/ids.h"
#include "common/unique_fd.h"

namespace postern {

// What tells one file of the host from all others for as long as somebody holds it open.
struct InodeIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t mount_id = 0;  // STATX_MNT_ID (Linux 5.8), else 0.

  friend bool operator==(const InodeIdentity&, const InodeIdentity&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const InodeIdentity& identity) {
    return H::combine(std::move(h), identity.device, identity.inode, identity.mount_id);
  }
};

// An O_PATH descriptor to work with: one that the inode holds (borrowed), or one opened for this
// use.
class InodeDescriptor {
 public:
  explicit InodeDescriptor(int borrowed) : fd_(borrowed) {}
  explicit InodeDescriptor(UniqueFd owned) : fd_(owned.get()), owned_(std::move(owned)) {}
  int get() const { return fd_; }

 private:
  int fd_;
  UniqueFd owned_;
};

// Immutable but for the lookup count, which its InodeTable guards. Lives as long as there is an
// InodeRef to it: the table's, or that of an operation in progress.
class Inode {
 public:
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;

  NodeId id() const { return id_; }
  const InodeIdentity& identity() const { return identity_; }
  // The S_IFMT bits, taken from the descriptor itself: no rename can change what they describe.
  mode_t type() const { return type_; }
  bool is_directory() const { return S_ISDIR(type_); }

  // Holds no longer than the InodeRef through which it was asked for.
  ErrnoOr<InodeDescriptor> Descriptor() const { return InodeDescriptor(path_.fd.get()); }

 private:
  friend class InodeRef;
  friend class InodeTable;

  Inode(const InodeIdentity& identity, mode_t type, BudgetedFd path)
      : type_(type & S_IFMT), identity_(identity), path_(std::move(path)) {}
  ~Inode() = default;

  std::atomic<uint32_t> references_{0};
  const mode_t type_;
  const InodeIdentity identity_;
  const BudgetedFd path_;  // O_PATH
  // Set by the table before anybody else sees the inode.
  NodeId id_;
  uint64_t stamp_ = 0;
  // Guarded by the mutex of the inode's shard.
  uint64_t lookups_ = 0;
};

// A counted reference to an Inode, or none. The last one closes the descriptor: destroy it outside
// of locks.
class InodeRef {
 public:
  InodeRef() = default;
  explicit InodeRef(Inode* inode) : inode_(inode) {
    if (inode_ != nullptr) inode_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  InodeRef(const InodeRef& other) : InodeRef(other.inode_) {}
  InodeRef(InodeRef&& other) noexcept : inode_(std::exchange(other.inode_, nullptr)) {}
  InodeRef& operator=(InodeRef other) noexcept {
    std::swap(inode_, other.inode_);
    return *this;
  }
  ~InodeRef() {
    // Release: what this thread did with the inode happens before its end. Acquire: and before the
    // deletion, if that is here.
    if (inode_ != nullptr && inode_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete inode_;
    }
  }

  explicit operator bool() const { return inode_ != nullptr; }
  const Inode* operator->() const { return inode_; }
  const Inode& operator*() const { return *inode_; }

 private:
  friend class InodeTable;
  Inode* inode_ = nullptr;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODE_H_
