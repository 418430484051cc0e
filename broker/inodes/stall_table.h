// Which filesystems may keep a system call waiting for long.
#ifndef POSTERN_BROKER_INODES_STALL_TABLE_H_
#define POSTERN_BROKER_INODES_STALL_TABLE_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <utility>

#include "broker/inodes/inode.h"

namespace postern {

// Asks each mounted filesystem once what it is. Thread-safe; the lock is a leaf and never held over
// a system call.
class StallTable {
 public:
  struct Traits {
    // None of those known to end a buffered write or a close by themselves: a server's, FUSE,
    // anything new.
    bool may_stall = true;
    // There is nothing behind it that fsync(2) would wait for.
    bool in_memory = false;
  };

  // Of the filesystem that `fd` is open on. `identity` is that of the file.
  Traits Of(int fd, const InodeIdentity& identity);
  bool MayStall(int fd, const InodeIdentity& identity) { return Of(fd, identity).may_stall; }

 private:
  using Key =
      std::pair<uint64_t, uint64_t>;  // Device, mount id: together they are not reused soon.

  absl::Mutex mutex_;
  absl::flat_hash_map<Key, Traits> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_STALL_TABLE_H_
