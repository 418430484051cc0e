// O_PATH descriptors of inodes that can do without one.
#ifndef POSTERN_BROKER_INODES_PATH_CACHE_H_
#define POSTERN_BROKER_INODES_PATH_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/inode.h"
#include "broker/inodes/inode_index.h"

namespace postern {

// Keeps descriptors of the inodes that are known by their handles and were used of late, so that
// not every operation opens the handle; and pins them thereby. Gives up what wasn't used since the
// last time around (CLOCK). Not thread-safe: one for each shard of an InodeTable, guarded by that
// shard's mutex. All calls take constant time and no system call; what they return is closed by the
// caller, outside of locks.
//
// An inode may be here before its handle was asked for: a lookup is cheaper without. It isn't given
// up before it has one.
class PathCache {
 public:
  // `index` is told of each inode that this begins or ceases to pin. Borrowed.
  explicit PathCache(InodeIndex& index) : index_(index) {}
  PathCache(const PathCache&) = delete;
  PathCache& operator=(const PathCache&) = delete;

  // Before the first Put(): where descriptors are counted (borrowed), and the most to be held here.
  // Without it nothing is kept.
  void Use(DescriptorBudget& budget, size_t max_places) {
    budget_ = &budget;
    max_places_ = max_places;
  }

  // None if there is none.
  PathRef Find(const Inode& inode);
  // Whether there has been one, without interruption, from `stamp` or earlier on.
  bool HasSince(const Inode& inode, uint64_t stamp) const {
    return inode.cached_ != 0 && places_[inode.cached_ - 1].stamp <= stamp;
  }
  // Notes that an inode was found by its descriptor.
  void Touch(const Inode& inode) {
    if (inode.cached_ != 0) places_[inode.cached_ - 1].used = true;
  }

  // Keeps `path`, in the place of another one if there is no room. What isn't kept any more is
  // answered: another inode's, or `path` itself if the whole room is taken by other shards, by
  // inodes without a handle, by retained ones, or by those that were all used since the last time.
  // Precondition: !Find(inode), and `inode` isn't destroyed before Drop().
  PathRef Put(Inode& inode, PathRef path, uint64_t stamp);
  // Gives `inode`'s place to no other one until it is dropped. Precondition: it has one.
  void Retain(const Inode& inode) { places_[inode.cached_ - 1].retained = true; }
  // Of `inode`, if there is one.
  PathRef Drop(Inode& inode);
  // One that wasn't used since the last time around. None if there is none.
  PathRef DropUnused();

  struct Entry {
    Inode* inode;
    PathRef path;
  };
  // One of the next that would be given up if it had its handle, if there is one.
  std::optional<Entry> NextWithoutHandle();

  size_t size() const { return places_.size(); }

 private:
  struct Place {
    Inode* inode;
    PathRef path;
    uint64_t stamp;
    // Of the budget: given back with the place, and not with the descriptor, which an operation in
    // progress may keep open for a moment longer. The budget has room for those of each thread.
    DescriptorBudget::Share share;
    bool used;
    bool retained;
  };

  // The next place to be given up; null if there is none within one round.
  Place* NextVictim();

  InodeIndex& index_;
  DescriptorBudget* budget_ = nullptr;
  size_t max_places_ = 0;
  std::vector<Place> places_;
  size_t hand_ = 0;
  size_t handle_hand_ = 0;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_PATH_CACHE_H_
