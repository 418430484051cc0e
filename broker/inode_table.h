// The files that the guest knows, by node id and by identity.
#ifndef POSTERN_BROKER_INODE_TABLE_H_
#define POSTERN_BROKER_INODE_TABLE_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_set.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "broker/inode.h"
#include "broker/slot_array.h"
#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// Thread-safe, and made to scale: an inode's slot and its place in the identity index lie in one
// shard, chosen by its identity, so that each call takes one lock, briefly, and never two. No lock
// is held over a system call; descriptors are closed after the lock is dropped.
class InodeTable {
 public:
  // Marks a moment: what was in the table by then carries an older or equal stamp.
  using Stamp = uint64_t;

  // `root` becomes node id 1. It stays for the table's life: no FORGET reaches it.
  InodeTable(const InodeIdentity& identity, mode_t type, BudgetedFd root);
  ~InodeTable();
  InodeTable(const InodeTable&) = delete;
  InodeTable& operator=(const InodeTable&) = delete;

  // EBADF for an id that this table hasn't given out, or that was forgotten.
  ErrnoOr<InodeRef> Get(NodeId id);

  // Take this before the statx(2) whose result goes to FindAndCount().
  Stamp Now() const { return last_stamp_.load(std::memory_order_acquire); }

  // The known inode of this identity, its lookup count raised by one; or none. `before` must be
  // older than the system call that reported the identity. An inode that was added after it is not
  // reported: at the time of the call nothing may have pinned its number, and the identity may then
  // be that of another file, deleted meanwhile, whose number it got.
  InodeRef FindAndCount(const InodeIdentity& identity, Stamp before);

  // Adds an inode, or finds the one that is there; raises its lookup count by one. `path` is what
  // `identity` was read from: it pins the identity, so the one found is the same file. ENFILE if
  // all slots are used up.
  ErrnoOr<InodeRef> InsertOrFind(const InodeIdentity& identity, mode_t type, BudgetedFd path);

  // Lowers the lookup count by `count`, or to zero if there is less, and drops the inode there.
  // Ignores the root and ids that aren't known.
  void Forget(NodeId id, uint64_t count);

  // Without the root.
  size_t size() const;
  // 0 for an unknown id.
  uint64_t LookupCountForTest(NodeId id);

 private:
  static constexpr uint32_t kShards = 64;  // A power of two.
  static constexpr uint32_t kShardBits = 6;
  static_assert(kShards == 1u << kShardBits);

  struct IdentityHash {
    using is_transparent = void;
    size_t operator()(const InodeIdentity& identity) const;
    size_t operator()(const Inode* inode) const { return (*this)(inode->identity()); }
  };
  struct IdentityEqual {
    using is_transparent = void;
    static const InodeIdentity& Of(const InodeIdentity& identity) { return identity; }
    static const InodeIdentity& Of(const Inode* inode) { return inode->identity(); }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Of(a) == Of(b);
    }
  };

  // On cache lines of its own, so that threads on different shards don't disturb each other.
  struct alignas(64) Shard {
    Shard();
    // A leaf: nothing else is locked under it.
    mutable absl::Mutex mutex;
    SlotArray<InodeRef> slots ABSL_GUARDED_BY(mutex);  // Owns.
    // The same inodes by identity. A set of pointers, not a map: 9 bytes an entry instead of 33.
    absl::flat_hash_set<Inode*, IdentityHash, IdentityEqual> by_identity ABSL_GUARDED_BY(mutex);
  };

  // Slot numbers begin at kShards, so that none is 0 ("none") or 1 (the root).
  static NodeId MakeId(uint32_t shard, SlotKey key);
  static SlotKey KeyOf(NodeId id);
  Shard* ShardOf(NodeId id);
  static uint32_t ShardIndexOf(const InodeIdentity& identity);

  // Constant.
  InodeRef root_;
  // Raised by each insert, after the inode's descriptor was opened and before it can be found.
  std::atomic<Stamp> last_stamp_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODE_TABLE_H_
