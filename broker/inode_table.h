// The files that the guest knows, by node id and by key.
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
#include "broker/inode_budget.h"
#include "broker/slot_array.h"
#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// Thread-safe, and made to scale: an inode's slot and its place in the index lie in one shard,
// chosen by its key, so that each call takes one lock, briefly, and never two. No lock
// is held over a system call; descriptors are closed after the lock is dropped.
class InodeTable {
 public:
  // Marks a moment: what was in the table by then carries an older or equal stamp.
  using Stamp = uint64_t;

  // `root` becomes node id 1; it has a descriptor. It stays for the table's life: no FORGET reaches
  // it.
  // `budget` is borrowed; null: no limit but that of the ids.
  explicit InodeTable(InodeParts root, InodeBudget* budget = nullptr);
  ~InodeTable();
  InodeTable(const InodeTable&) = delete;
  InodeTable& operator=(const InodeTable&) = delete;

  // EBADF for an id that this table hasn't given out, or that was forgotten.
  ErrnoOr<InodeRef> Get(NodeId id);

  // Take this before the statx(2) whose result goes to FindAndCount().
  Stamp Now() const { return last_stamp_.load(std::memory_order_acquire); }

  // The known inode of this key, its lookup count raised by one; or none. `before` must be older
  // than the system call that reported key.identity and `type`. An inode is reported only if that
  // call has certainly seen the same file:
  // - Not if it was added later: at the time of the call nothing may have pinned its number, and
  // the
  //   identity may then be that of another file, deleted meanwhile, whose number it got.
  // - Not if it has another identity or type: the handle was asked for in a system call of its own,
  //   and the name may have come to mean another file in between.
  InodeRef FindAndCount(const InodeKey& key, mode_t type, Stamp before);

  // Adds an inode, or finds the one that is there; raises its lookup count by one. All of `parts`
  // was read from one descriptor that is still open, so the one found is the same file. ENFILE if
  // the budget or all slots are used up.
  ErrnoOr<InodeRef> InsertOrFind(InodeParts parts);

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
  static constexpr uint32_t kMaxSlots = (UINT32_MAX >> kShardBits) - 1;

  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const InodeKey& key) const;
    size_t operator()(const Inode* inode) const { return (*this)(inode->key()); }
  };
  struct KeyEqual {
    using is_transparent = void;
    static const InodeKey& Of(const InodeKey& key) { return key; }
    static InodeKey Of(const Inode* inode) { return inode->key(); }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Of(a) == Of(b);
    }
  };

  // On cache lines of its own, so that threads on different shards don't disturb each other.
  struct alignas(64) Shard {
    // Of a table with that limit.
    void SetLimit(size_t max_inodes);
    // A leaf: nothing else is locked under it.
    mutable absl::Mutex mutex;
    SlotArray<InodeRef> slots ABSL_GUARDED_BY(mutex){kMaxSlots};  // Owns.
    // The same inodes by key. A set of pointers, not a map: 9 bytes an entry instead of 50 or more.
    absl::flat_hash_set<Inode*, KeyHash, KeyEqual> by_key ABSL_GUARDED_BY(mutex);
  };

  // Slot numbers begin at kShards, so that none is 0 ("none") or 1 (the root).
  static NodeId MakeId(uint32_t shard, SlotKey key);
  static SlotKey KeyOf(NodeId id);
  Shard* ShardOf(NodeId id);
  static uint32_t ShardIndexOf(const InodeKey& key);

  // Constant.
  InodeRef root_;
  InodeBudget* const budget_;
  // Raised by each insert, while a descriptor of the inode is open and before it can be found.
  std::atomic<Stamp> last_stamp_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODE_TABLE_H_
