// The files and directories that the guest has open.
#ifndef POSTERN_BROKER_INODES_OPEN_FILE_TABLE_H_
#define POSTERN_BROKER_INODES_OPEN_FILE_TABLE_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/btree_set.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/directory_stream.h"
#include "broker/inodes/slot_array.h"
#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// What FUSE calls a file handle: an open file description of the broker's.
class OpenFile {
 public:
  enum class Kind { kFile, kDirectory };

  OpenFile(NodeId node, Kind kind, uint32_t flags, BudgetedFd fd,
           std::unique_ptr<DirectoryStream> stream = nullptr)
      : node_(node), kind_(kind), flags_(flags), fd_(std::move(fd)), stream_(std::move(stream)) {}

  NodeId node() const { return node_; }
  Kind kind() const { return kind_; }
  uint32_t flags() const { return flags_; }  // As opened, for a reopening in another process.
  int fd() const { return fd_.fd.get(); }

  // Whether closing it may wait for a server. Set it before anybody else has the file.
  bool may_stall() const { return may_stall_; }
  void set_may_stall(bool may_stall) { may_stall_ = may_stall; }

  // Of a directory; null for a file.
  DirectoryStream* stream() { return stream_.get(); }

 private:
  const NodeId node_;
  const Kind kind_;
  const uint32_t flags_;
  const BudgetedFd fd_;
  const std::unique_ptr<DirectoryStream> stream_;
  bool may_stall_ = false;
};

// The last reference closes the file, which may block: drop it outside of locks. Who sends the
// descriptor on keeps one until it is sent, so that a RELEASE of a guessed id on another channel
// can't put another file under the same number.
using OpenFileRef = std::shared_ptr<OpenFile>;

// Thread-safe. Locks are leaves and never held over a system call. All open files of one node are
// in one shard.
class OpenFileTable {
 public:
  // ENFILE if all slots are used up.
  ErrnoOr<OpenFileId> Insert(OpenFileRef file);
  // EBADF unless `id` is open, of `kind`, and belongs to `node`.
  ErrnoOr<OpenFileRef> Get(OpenFileId id, NodeId node, OpenFile::Kind kind);
  // The same for either kind.
  ErrnoOr<OpenFileRef> Get(OpenFileId id, NodeId node);
  // Any open file of `node`; null if there is none.
  OpenFileRef AnyOf(NodeId node);
  // Takes it out of the table. EBADF as above.
  ErrnoOr<OpenFileRef> Remove(OpenFileId id, NodeId node, OpenFile::Kind kind);
  size_t size() const;

 private:
  static constexpr uint32_t kShards = 16;

  struct alignas(64) Shard {
    mutable absl::Mutex mutex;
    SlotArray<OpenFileRef> slots ABSL_GUARDED_BY(mutex){UINT32_MAX / kShards - 1};
    // The same by node.
    absl::btree_set<std::pair<NodeId, OpenFileId>> by_node ABSL_GUARDED_BY(mutex);
  };

  static SlotKey KeyOf(OpenFileId id);
  Shard* ShardOf(OpenFileId id);
  // The same in every process, and so is an id: the shard is a part of it.
  static uint32_t ShardIndexOf(NodeId node);

  std::array<Shard, kShards> shards_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_OPEN_FILE_TABLE_H_
