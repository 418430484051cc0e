// The files that the guest knows, by node id and by key.
#ifndef POSTERN_BROKER_INODES_INODE_TABLE_H_
#define POSTERN_BROKER_INODES_INODE_TABLE_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_set.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/inode.h"
#include "broker/inodes/inode_budget.h"
#include "broker/inodes/path_cache.h"
#include "broker/inodes/slot_array.h"
#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// Thread-safe, and made to scale: an inode's slot, its place in the index and its descriptor in the
// cache lie in one shard, chosen by its identity, so that each call takes one lock, briefly, and
// never two at a time. No lock is held over a system call; descriptors are closed after the lock is
// dropped.
class InodeTable {
 public:
  // Marks a moment: what was in the table by then carries an older or equal stamp.
  using Stamp = uint64_t;
  // Later than all: for who has a descriptor open of what was seen.
  static constexpr Stamp kWhileOpen = UINT64_MAX;

  struct InodeAndPath {
    InodeRef inode;
    PathRef path;  // The one in the cache, if any.
  };

  // `root` becomes node id 1; it has a descriptor. It stays for the table's life: no FORGET reaches
  // it.
  // The budgets are borrowed. Null: no limit but that of the ids, and no cache of descriptors.
  explicit InodeTable(InodeParts root, InodeBudget* budget = nullptr,
                      DescriptorBudget* descriptors = nullptr);
  ~InodeTable();
  InodeTable(const InodeTable&) = delete;
  InodeTable& operator=(const InodeTable&) = delete;

  // EBADF for an id that this table hasn't given out, or that was forgotten.
  ErrnoOr<InodeRef> Get(NodeId id);
  ErrnoOr<InodeAndPath> GetWithPath(NodeId id);

  // The descriptor that the cache has of `inode`, if any.
  PathRef CachedPath(const Inode& inode);
  // Puts `path` there, if there is room and the inode isn't forgotten, and answers it or the one
  // that was there. `path` is O_PATH, and its statx(2) has reported the inode's identity and type.
  PathRef KeepPath(const Inode& inode, UniqueFd path);
  // Closes all of them. They come back one by one, as they are needed.
  void DropPaths();

  // Take this before the statx(2) whose result goes to FindAndCount().
  Stamp Now() const { return last_stamp_.load(std::memory_order_acquire); }

  // The known inode of this key, its lookup count raised by one; or none. `before` must be older
  // than the system call that reported key.identity and `type`. An inode is reported only if that
  // call has certainly seen the same file:
  // - Without a handle in the key, not if no descriptor of it has been open, here or in the cache,
  //   from `before` on: at the time of the call nothing may have pinned its number, and the
  //   identity may then be that of another file, deleted meanwhile, whose number it got.
  // - With one, not if it was added later, for the same reason, or if it has another identity or
  //   type: the handle was asked for in a system call of its own, and the name may have come to
  //   mean another file in between.
  InodeRef FindAndCount(const InodeKey& key, mode_t type, Stamp before);

  // Whether an inode of that identity is known, though maybe that of a file deleted since. A hint.
  bool Knows(const InodeIdentity& identity);

  // Adds an inode, or finds the one that is there; raises its lookup count by one. All of `parts`
  // was read from one descriptor that is still open (parts.spare, if that is one), so the one found
  // is the same file. ENFILE if the budget or all slots are used up.
  ErrnoOr<InodeRef> InsertOrFind(InodeParts parts);
  // The same without having asked for the handle, which costs a system call: the cache, where
  // parts.spare goes, asks for it when it gives that up, and parts.handle_room is what it may take.
  // None, and `parts` as it was, if the cache has no room or if it takes the handle to tell whether
  // the file is known.
  ErrnoOr<InodeRef> InsertOrFindPinned(InodeParts& parts);

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

  // An inode of that identity which a descriptor pins. There is one at the most: as long as it is
  // pinned no other file gets its number.
  struct PinnedKey {
    InodeIdentity identity;
  };

  // The index is by identity alone, so that an inode is found whether its handle was asked for or
  // not; one that has none yet equals any of its identity, because it is pinned. Files that are
  // gone may share theirs with the one that got the number: a guest that makes and deletes many
  // such files without forgetting them slows its own lookups down.
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const InodeIdentity& identity) const;
    size_t operator()(const InodeKey& key) const { return (*this)(key.identity); }
    size_t operator()(const PinnedKey& key) const { return (*this)(key.identity); }
    size_t operator()(const Inode* inode) const { return (*this)(inode->identity()); }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const Inode* inode, const InodeIdentity& identity) const {
      return inode->identity() == identity;
    }
    bool operator()(const Inode* inode, const PinnedKey& key) const {
      return inode->identity() == key.identity && (inode->has_descriptor() || inode->cached_ != 0);
    }
    bool operator()(const Inode* inode, const InodeKey& key) const {
      return inode->identity() == key.identity &&
             (inode->key() == key || (!inode->has_handle() && inode->cached_ != 0));
    }
    bool operator()(const Inode* inode, const Inode* other) const { return inode == other; }
  };

  // On cache lines of its own, so that threads on different shards don't disturb each other.
  struct alignas(64) Shard {
    // Of a table with that limit.
    void SetLimit(size_t max_inodes);
    void SetCache(DescriptorBudget& budget);
    InodeRef FindPinned(const InodeIdentity& identity, mode_t type, Stamp before)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

    // A leaf: nothing else is locked under it.
    mutable absl::Mutex mutex;
    SlotArray<InodeRef> slots ABSL_GUARDED_BY(mutex){kMaxSlots};  // Owns.
    // The same inodes by key. A set of pointers, not a map: 9 bytes an entry instead of 50 or more.
    absl::flat_hash_set<Inode*, KeyHash, KeyEqual> by_key ABSL_GUARDED_BY(mutex);
    PathCache paths ABSL_GUARDED_BY(mutex);
  };

  // Slot numbers begin at kShards, so that none is 0 ("none") or 1 (the root).
  static NodeId MakeId(uint32_t shard, SlotKey key);
  static SlotKey KeyOf(NodeId id);
  Shard* ShardOf(NodeId id);
  static uint32_t ShardIndexOf(const InodeIdentity& identity);
  Stamp NextStamp() { return last_stamp_.fetch_add(1, std::memory_order_acq_rel) + 1; }
  // If the cache is full, sees to it that a descriptor can be given up: one of that shard, or else
  // one of another, which is answered.
  PathRef MakeRoom(Shard& wanting);
  // Asks for the handle of one of the next inodes to be given up, if it has none.
  static void AskForHandle(Shard& shard);
  // Gives `fresh` its id and makes it findable. It isn't known yet.
  static ErrnoOrVoid Insert(Shard& shard, uint32_t shard_index, const InodeRef& fresh)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);

  // Constant.
  InodeRef root_;
  InodeBudget* const budget_;
  DescriptorBudget* const descriptors_;
  // Raised by each insert, while a descriptor of the inode is open and before it can be found by
  // it.
  std::atomic<Stamp> last_stamp_{0};
  // The shard that gives up a descriptor next.
  std::atomic<uint32_t> next_victim_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_INODE_TABLE_H_
