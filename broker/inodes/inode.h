// A file of the host that the guest knows.
#ifndef POSTERN_BROKER_INODES_INODE_H_
#define POSTERN_BROKER_INODES_INODE_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/file_handle.h"
#include "broker/inodes/mount_table.h"
#include "common/budget.h"
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

// What an inode is found by. A file handle names its file for all time. An identity alone does so
// only while a descriptor pins it.
struct InodeKey {
  InodeIdentity identity;
  std::optional<FileHandleView> handle;

  friend bool operator==(const InodeKey&, const InodeKey&) = default;
};

// What a new inode is made of.
struct InodeParts {
  InodeKey key;
  mode_t type = 0;  // S_IFMT bits; others are ignored.
  BudgetedFd path;  // O_PATH, for as long as the inode is known; may be none if there is a handle.
  MountRef mount;   // With handles if key.handle. None if the broker uses no handles at all.
  UniqueFd spare;   // O_PATH, for the table's cache, if there is one and no `path`.
  // Room for a handle that is asked for later; 0 with key.handle.
  size_t handle_room = 0;
  // Of the table's budget, if it was taken beforehand.
  Budget::Share share = {};
};

// An O_PATH descriptor that operations in progress share with a cache, or none. The last one closes
// it: drop it outside of locks.
using PathRef = std::shared_ptr<const UniqueFd>;

// A descriptor to work with, O_PATH or more, that somebody holds.
class InodeDescriptor {
 public:
  // `keeper` keeps the descriptor open; null if that is the inode itself.
  explicit InodeDescriptor(int borrowed, std::shared_ptr<const void> keeper = nullptr)
      : fd_(borrowed), keeper_(std::move(keeper)) {}
  explicit InodeDescriptor(PathRef path) : fd_(path->get()), keeper_(std::move(path)) {}
  int get() const { return fd_; }

 private:
  int fd_;
  std::shared_ptr<const void> keeper_;
};

// Lives as long as there is an InodeRef to it: the table's, or that of an operation in progress.
// Made in one piece with the bytes of its handle: there are millions of these. "The mutex" is that
// of its shard in the table.
//
// (1) Constant: what isn't named below never changes once anybody but the table's inserting thread
//     sees the inode.
// (2) Guarded: lookups_, listed_ and cached_ are read and written under the mutex.
// (3) Handle: handle_size_, handle_type_ and the bytes are written once at the most, by the
//     constructor or by SetHandle(), never to "none" again.
// (4) Late handle: SetHandle() is called under the mutex, and only while cached_ isn't 0 or the
//     inode has a descriptor of its own.
// (5) Handle before unpinning: an inode that has neither a handle nor a descriptor of its own stays
//     in the cache until it is forgotten or has a handle.
// (6) Reading the handle: without the mutex the handle is read by OpenByHandle() alone, after its
//     caller has seen under the mutex that cached_ is 0. By (4) nobody writes it then, and what
//     wrote it happened before. The one exception that (5) leaves has been forgotten, and has none.
class Inode {
 public:
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;

  NodeId id() const { return id_; }
  const InodeIdentity& identity() const { return identity_; }
  InodeKey key() const;
  // The S_IFMT bits, taken from a descriptor of the inode: no rename can change what they describe.
  mode_t type() const { return mode_t{type_} << kTypeShift; }
  bool is_directory() const { return S_ISDIR(type()); }
  // None if the broker uses no file handles.
  const MountRef& mount() const { return mount_; }

  // Whether a descriptor of the inode's own pins the file, so that it can't go away.
  bool has_descriptor() const { return path_ != nullptr; }
  // That one, which holds as long as the InodeRef through which it was asked for. Precondition:
  // has_descriptor(). OpenPath() (filesystem.h) has one for every inode.
  int descriptor() const { return path_->fd.get(); }
  // An O_PATH descriptor of what the handle leads to. Precondition: !has_descriptor(), and there
  // was none in the table's cache. ESTALE: the file is gone, or the inode was forgotten before its
  // handle was asked for.
  ErrnoOr<UniqueFd> OpenByHandle() const;

 private:
  friend class InodeIndex;
  friend class InodeRef;
  friend class InodeTable;
  friend class PathCache;

  // S_IFMT is the four bits from here on.
  static constexpr int kTypeShift = 12;

  static Inode* New(InodeParts parts);
  void operator delete(void* room) { ::operator delete(room); }

  explicit Inode(InodeParts parts);
  ~Inode() = default;

  bool has_handle() const { return handle_size_ != 0; }
  // Whether a descriptor pins the file, the inode's own or one in the cache.
  bool is_pinned() const { return has_descriptor() || cached_ != 0; }
  // False if there is no room for it.
  bool SetHandle(const FileHandleView& handle);

  // Where the handle's bytes are.
  std::byte* tail() { return reinterpret_cast<std::byte*>(this + 1); }
  const std::byte* tail() const { return reinterpret_cast<const std::byte*>(this + 1); }

  std::atomic<uint32_t> references_{0};
  const uint8_t type_;         // Without the lower bits, which are 0.
  bool listed_ = false;        // Set and read by the InodeIndex.
  const uint8_t handle_room_;  // In the tail, at the most MAX_HANDLE_SZ.
  uint8_t handle_size_;        // 0: none.
  int32_t handle_type_;
  uint32_t cached_ = 0;  // The place in the PathCache, from 1 on; 0: none.
  const InodeIdentity identity_;
  const std::unique_ptr<const BudgetedFd> path_;  // Most have none.
  const MountRef mount_;
  // Set by the table before anybody else sees the inode.
  NodeId id_;
  uint64_t stamp_ = 0;
  uint64_t lookups_ = 0;
};

// A counted reference to an Inode, or none. The last one closes its descriptor: destroy it outside
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

#endif  // POSTERN_BROKER_INODES_INODE_H_
