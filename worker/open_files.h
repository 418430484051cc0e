// The worker's copies of the descriptors that the broker opened for the guest.
#ifndef POSTERN_WORKER_OPEN_FILES_H_
#define POSTERN_WORKER_OPEN_FILES_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "common/errno_or.h"
#include "common/ids.h"
#include "common/unique_fd.h"

namespace postern {

// A regular file that the guest has open. Everything but the two hints is constant.
struct OpenFile {
  UniqueFd fd;
  NodeId node_id;
  // Whether the filesystem takes RWF_NOWAIT on this file; learnt from the first EOPNOTSUPP.
  std::atomic<bool> read_nowait = true;
  std::atomic<bool> write_nowait = true;
};

// OpenFileId (the guest's fh) to OpenFile. Thread-safe. A request holds its file by reference, so
// that a RELEASE which races with it (only a misbehaving guest's does) closes the descriptor after
// it and not under it.
class OpenFiles {
 public:
  void Insert(OpenFileId id, UniqueFd fd, NodeId node_id);
  // EBADF if there is no such file, or if it isn't one of `node_id`'s: a guest can't use one
  // inode's handle on another.
  ErrnoOr<std::shared_ptr<OpenFile>> Find(OpenFileId id, NodeId node_id) const;
  // Find() and removal.
  ErrnoOr<std::shared_ptr<OpenFile>> Remove(OpenFileId id, NodeId node_id);
  // Drops all; descriptors close as their last user is done.
  void Clear();

 private:
  struct Shard {
    mutable absl::Mutex mutex;
    absl::flat_hash_map<OpenFileId, std::shared_ptr<OpenFile>> files ABSL_GUARDED_BY(mutex);
  };
  static constexpr size_t kShards = 16;

  Shard& ShardOf(OpenFileId id) { return shards_[id.value() % kShards]; }
  const Shard& ShardOf(OpenFileId id) const { return shards_[id.value() % kShards]; }

  std::array<Shard, kShards> shards_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_OPEN_FILES_H_
