// The files that the guest knows, by node id and by key.
#ifndef POSTERN_BROKER_INODES_INODE_TABLE_H_
#define POSTERN_BROKER_INODES_INODE_TABLE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/inode.h"
#include "broker/inodes/inode_budget.h"
#include "broker/inodes/inode_index.h"
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
  // Any known inode that may be the file of `identity`, if there is one, and its descriptor in the
  // cache. For who finds out himself whether it is.
  InodeAndPath FindAny(const InodeIdentity& identity);
  // Keeps `path`, as KeepPath() does, until the inode is forgotten, or not at all if the cache has
  // no room: for a file to which its handle won't lead any more.
  void RetainPath(const Inode& inode, PathRef path);
  // Take this before the statx(2) whose result goes to FindAndCount().
  Stamp Now() const { return last_stamp_.load(std::memory_order_acquire); }

  // The known inode that a system call has reported, its lookup count raised by one; or none.
  // `key.identity` and `type` are what the call said, and `before` is a stamp taken before it.
  // (1) Same file: an inode is answered only if the call has certainly seen its file.
  // (2) By identity: without key.handle that is certain of an inode if one descriptor of it, its
  //     own or one in the cache, was open from `before` until now. Without one the inode's number
  //     may have been free at the time of the call, and what the call saw may be another file that
  //     had it, deleted meanwhile.
  // (3) By handle: with key.handle that is certain of an inode that has this handle, or that is
  //     pinned and has none yet, if it was added before `before`. If it was added later (2)'s other
  //     file comes into question again.
  // (4) Both: with key.handle the identity and the type must be the inode's as well. The handle was
  //     asked for in a system call of its own, and the name may have come to mean another file in
  //     between.
  InodeRef FindAndCount(const InodeKey& key, mode_t type, Stamp before);

  // Whether an inode of that identity is known, though maybe that of a file deleted since. A hint.
  bool Knows(const InodeIdentity& identity);

  // Raises the lookup count of a known inode by one. EBADF as for Get().
  ErrnoOrVoid Count(NodeId id);

  // Adds an inode, or finds the one that is there; raises its lookup count by one. All of `parts`
  // was read from one descriptor that is still open (parts.spare, if that is one), so the one found
  // is the same file. ENFILE if it takes a share of the budget that isn't among `parts` and nothing
  // is left; or if all slots of a shard are used up, which only a guest that chooses its files by
  // their numbers can bring about.
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

  // On cache lines of its own, so that threads on different shards don't disturb each other.
  struct alignas(64) Shard {
    // Of a table with that limit.
    void SetLimit(size_t max_inodes);
    void SetCache(DescriptorBudget& budget);
    // FindAndCount() by identity.
    InodeRef CountPinned(const InodeIdentity& identity, mode_t type, Stamp before)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
    // By its handle; or without one, if it is pinned: then its identity says which file it is.
    Inode* FindByHandle(const InodeKey& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

    // A leaf: nothing else is locked under it.
    mutable absl::Mutex mutex;
    SlotArray<InodeRef> slots ABSL_GUARDED_BY(mutex){kMaxSlots};  // Owns.
    InodeIndex index ABSL_GUARDED_BY(mutex);
    PathCache paths ABSL_GUARDED_BY(mutex){index};
  };

  // Slot numbers begin at kShards, so that none is 0 ("none") or 1 (the root).
  static NodeId MakeId(uint32_t shard, SlotKey key);
  static SlotKey KeyOf(NodeId id);
  Shard* ShardOf(NodeId id);
  // The same in every process, and so is an id: the shard is a part of it.
  static uint32_t ShardIndexOf(const InodeIdentity& identity);
  Stamp NextStamp() { return last_stamp_.fetch_add(1, std::memory_order_acq_rel) + 1; }
  // For one more inode, into parts.share, unless there is one already. False if nothing is left,
  // which it may log.
  bool TakeShare(InodeParts& parts);
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
