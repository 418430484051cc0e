// From what the host says of a file to the inode that it is.
#ifndef POSTERN_BROKER_INODES_INODE_INDEX_H_
#define POSTERN_BROKER_INODES_INODE_INDEX_H_

#include <absl/container/flat_hash_set.h>

#include <cstddef>

#include "broker/inodes/inode.h"

namespace postern {

// Finds inodes by two keys, each of which is a constant for as long as an inode is found by it. Not
// thread-safe: one for each shard of an InodeTable, guarded by that shard's mutex. All calls take
// constant time and no system call, but for what (4) says.
//
// (1) Listed: an inode is listed from Add() to Remove(), and never again. Only listed ones are
//     found.
// (2) Pinned: a listed inode is found by its identity while a descriptor, its own or one in the
//     cache, pins its file. As long as that is so no other file has that identity, so there is one
//     for each identity. If a host should say otherwise it is the one that was pinned last, unless
//     the other one has no handle.
// (3) Handle: a listed inode that has a handle is found by identity and handle, pinned or not. A
//     handle names its file for all time, so a filesystem that gives one away twice is the only way
//     to two files of one such key; who adds the second removes the first.
// (4) Recycled: files that are gone may share their identity with the one that got the number, and
//     differ in their handles. A guest that makes and deletes many such files without forgetting
//     them slows its own lookups down.
// (5) Reachable: a listed inode is pinned or has a handle, so it is found by one key at least. For
//     that an inode gets its handle before it gives up its descriptor.
class InodeIndex {
 public:
  InodeIndex() = default;
  InodeIndex(const InodeIndex&) = delete;
  InodeIndex& operator=(const InodeIndex&) = delete;

  // Null if there is none.
  Inode* FindPinned(const InodeIdentity& identity) const;
  // Precondition: key.handle.
  Inode* FindByHandle(const InodeKey& key) const;
  // One that is pinned, or else any that has a handle: of a file that is gone, perhaps.
  Inode* FindAny(const InodeIdentity& identity) const;
  // Whether any inode of that identity is listed.
  bool Knows(const InodeIdentity& identity) const;

  // Lists a new inode. Precondition: no listed inode has its handle, if it has one.
  void Add(Inode& inode);
  // To be called after each change of what (2) and (3) speak of: the cache has begun to pin the
  // inode, the cache has ceased to pin it, it has got its handle. They do nothing for an inode that
  // isn't listed.
  void BeganToPin(Inode& inode);
  void CeasedToPin(Inode& inode);
  void GotHandle(Inode& inode);
  // From here on nothing finds it.
  void Remove(Inode& inode);

 private:
  // Both sets hash by identity alone, so that Knows() can ask either. Sets of pointers, not maps: 9
  // bytes an entry instead of 50 or more.
  struct Hash {
    using is_transparent = void;
    size_t operator()(const InodeIdentity& identity) const;
    size_t operator()(const InodeKey& key) const { return (*this)(key.identity); }
    size_t operator()(const Inode* inode) const { return (*this)(inode->identity()); }
  };
  struct SameIdentity {
    using is_transparent = void;
    bool operator()(const Inode* inode, const InodeIdentity& identity) const {
      return inode->identity() == identity;
    }
    bool operator()(const Inode* a, const Inode* b) const { return a->identity() == b->identity(); }
  };
  struct SameHandle {
    using is_transparent = void;
    bool operator()(const Inode* inode, const InodeKey& key) const { return inode->key() == key; }
    bool operator()(const Inode* a, const Inode* b) const { return a == b || a->key() == b->key(); }
    bool operator()(const Inode* inode, const InodeIdentity& identity) const {
      return inode->identity() == identity;
    }
  };

  absl::flat_hash_set<Inode*, Hash, SameIdentity> pinned_;
  absl::flat_hash_set<Inode*, Hash, SameHandle> by_handle_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_INODE_INDEX_H_
