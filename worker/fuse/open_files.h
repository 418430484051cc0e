// The worker's copies of the descriptors that the broker opened for the guest.
#ifndef POSTERN_WORKER_FUSE_OPEN_FILES_H_
#define POSTERN_WORKER_FUSE_OPEN_FILES_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "common/budget.h"
#include "common/errno_or.h"
#include "common/ids.h"
#include "common/mix_bits.h"
#include "common/unique_fd.h"
#include "worker/fuse/slow_transfers.h"

namespace postern {

// One open descriptor's worth of what the guest may make this process hold. The last share may be
// dropped after the OpenFiles that it was taken from, so each keeps the budget.
struct FileShare {
  const std::shared_ptr<Budget> budget;
  Budget::Share share;
};

// The share is given back after the descriptor is closed.
struct ClosingFile {
  FileShare share;
  UniqueFd fd;
};
// Closes it, now or later. Thread-safe.
using FileCloser = std::function<void(ClosingFile)>;

// What the broker says of a file that it has opened.
struct OpenedFacts {
  bool has_set_id_bits = false;
  bool may_stall = false;
  bool in_memory = false;
};

// A regular file that the guest has open. Everything but the hints is constant.
struct GuestFile {
  GuestFile() = default;
  explicit GuestFile(FileShare taken) : share(std::move(taken)) {}
  // Closes the descriptor; by `closer`, if that may wait for a server.
  ~GuestFile();

  FileShare share;
  UniqueFd fd;
  OpenFileId id;
  NodeId node_id;
  // What would wait may wait for long: never on the thread of a queue. Closing, too.
  bool may_stall = false;
  // FSYNC has nothing to wait for.
  bool in_memory = false;
  std::shared_ptr<const FileCloser> closer;
  // Whether the filesystem takes RWF_NOWAIT on this file; learnt from the first EOPNOTSUPP.
  std::atomic<bool> read_nowait = true;
  std::atomic<bool> write_nowait = true;
  // Of those that it doesn't take it for.
  SlowTransfers slow_transfers;
  // The file has, or may get, set-user-ID or set-group-ID bits, which any write by this process
  // would clear: it has no capability. Never unset, because what removes the bits may be followed
  // by what sets them again.
  std::atomic<bool> has_set_id_bits = false;
};

// When a request that opens a file was taken from the ring.
struct OpenTicket {
  uint64_t generation = 0;  // Of the session. The broker numbers sessions by it.
  uint64_t set_id_changes = 0;
  Budget::Share room = {};  // For the file. All that moves when the ticket does.
};

// A change of mode that may set set-user-ID or set-group-ID bits is under way while this lives.
class SetIdChange {
 public:
  SetIdChange() = default;
  explicit SetIdChange(std::atomic<uint64_t>& ended) : ended_(&ended) {}
  SetIdChange(SetIdChange&& other) noexcept : ended_(std::exchange(other.ended_, nullptr)) {}
  SetIdChange& operator=(SetIdChange&& other) noexcept {
    std::swap(ended_, other.ended_);
    return *this;
  }
  ~SetIdChange() {
    if (ended_ != nullptr) ended_->fetch_add(1, std::memory_order_release);
  }

 private:
  std::atomic<uint64_t>* ended_ = nullptr;
};

// OpenFileId (the guest's fh) to GuestFile. Thread-safe. A request holds its file by reference, so
// that a RELEASE which races with it (only a misbehaving guest's does) closes the descriptor after
// it and not under it.
class OpenFiles {
 public:
  // Before there are other threads: the most descriptors to hold, by default no bound; and who
  // closes files whose closing may stall, by default whoever drops them.
  void set_limit(size_t limit) { budget_->set_limit(limit); }
  void set_closer(FileCloser closer) {
    closer_ = std::make_shared<const FileCloser>(std::move(closer));
  }

  // Before it is checked that there is a session.
  OpenTicket BeginOpen() const;
  // Takes the room for one file. Before the broker is asked to make or to cut what can't be opened
  // then. EMFILE at the limit.
  ErrnoOrVoid TakeRoom(OpenTicket& ticket);
  // A file that the request with `ticket` has opened. If that request overlapped a SetIdChange, of
  // whatever file, this one counts as having such bits: nobody knows which came first. EIO, and not
  // inserted, if Clear() was called meanwhile: nobody would ever release it. EMFILE, and not
  // inserted, if `ticket` has no room and none is left.
  ErrnoOrVoid Insert(OpenFileId id, UniqueFd fd, NodeId node_id, OpenTicket ticket,
                     const OpenedFacts& facts);
  // EBADF if there is no such file, or if it isn't one of `node_id`'s: a guest can't use one
  // inode's handle on another.
  ErrnoOr<std::shared_ptr<GuestFile>> Find(OpenFileId id, NodeId node_id) const;
  // Find() and removal.
  ErrnoOr<std::shared_ptr<GuestFile>> Remove(OpenFileId id, NodeId node_id);
  // Drops all; descriptors close as their last user is done.
  void Clear();

  // Before a SETATTR on `node_id` that may set such bits is sent: all files open on it count as
  // having them from now on.
  SetIdChange BeginSetIdChange(NodeId node_id);

 private:
  struct Shard {
    mutable absl::Mutex mutex;
    absl::flat_hash_map<OpenFileId, std::shared_ptr<GuestFile>> files ABSL_GUARDED_BY(mutex);
  };
  static constexpr size_t kShards = 16;

  // Whatever the broker makes its ids of.
  static size_t ShardIndexOf(OpenFileId id) { return MixBits(id.value()) % kShards; }
  Shard& ShardOf(OpenFileId id) { return shards_[ShardIndexOf(id)]; }
  const Shard& ShardOf(OpenFileId id) const { return shards_[ShardIndexOf(id)]; }

  // Constant once there are other threads.
  std::shared_ptr<const FileCloser> closer_;
  // Counts what is being closed, too: a guest that closes what a dead server holds up gets no more.
  const std::shared_ptr<Budget> budget_ = std::make_shared<Budget>();
  // Each is changed before the shards are gone through, and looked at after a file is in its shard:
  // so either the walk finds the file, or who inserts it finds the change.
  std::atomic<uint64_t> generation_ = 0;  // Of the session: how often Clear() was called.
  std::atomic<uint64_t> set_id_changes_begun_ = 0;
  std::atomic<uint64_t> set_id_changes_ended_ = 0;
  std::array<Shard, kShards> shards_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_OPEN_FILES_H_
