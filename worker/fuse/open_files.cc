#include "worker/fuse/open_files.h"

#include <utility>

#include "common/mutex_lock.h"

namespace postern {

GuestFile::~GuestFile() {
  if (may_stall && closer != nullptr) (*closer)({std::move(share), std::move(fd)});
}

OpenTicket OpenFiles::BeginOpen() const {
  return {.generation = generation_.load(std::memory_order_acquire),
          .set_id_changes = set_id_changes_ended_.load(std::memory_order_acquire)};
}

ErrnoOrVoid OpenFiles::TakeRoom(OpenTicket& ticket) {
  ticket.room = budget_->Take();
  if (!ticket.room) return Errno(EMFILE);
  return {};
}

ErrnoOrVoid OpenFiles::Insert(OpenFileId id, UniqueFd fd, NodeId node_id, OpenTicket ticket,
                              const OpenedFacts& facts) {
  if (!ticket.room) POSTERN_RETURN_IF_ERROR(TakeRoom(ticket));
  auto file = std::make_shared<GuestFile>(FileShare{budget_, std::move(ticket.room)});
  file->fd = std::move(fd);
  file->id = id;
  file->node_id = node_id;
  file->may_stall = facts.may_stall;
  if (facts.in_memory) {
    file->in_memory = true;
    // Nor have READ and WRITE, and tmpfs doesn't know RWF_NOWAIT.
    file->read_nowait.store(false, std::memory_order_relaxed);
    file->write_nowait.store(false, std::memory_order_relaxed);
  }
  file->closer = closer_;
  file->has_set_id_bits.store(facts.has_set_id_bits, std::memory_order_relaxed);
  std::shared_ptr<GuestFile> replaced = file;
  Shard& shard = ShardOf(id);
  {
    MutexLock lock(shard.mutex);
    shard.files[id].swap(replaced);
  }
  // `replaced` is now what stood there before: nothing, as the broker doesn't reuse ids.

  if (generation_.load(std::memory_order_acquire) != ticket.generation) {
    (void)Remove(id, node_id);  // Clear() may have been quicker.
    return Errno(EIO);
  }
  // As many as had ended before have begun by now: none overlapped.
  if (set_id_changes_begun_.load(std::memory_order_acquire) != ticket.set_id_changes) {
    file->has_set_id_bits.store(true, std::memory_order_relaxed);
  }
  return {};
}

ErrnoOr<std::shared_ptr<GuestFile>> OpenFiles::Find(OpenFileId id, NodeId node_id) const {
  const Shard& shard = ShardOf(id);
  ReaderMutexLock lock(shard.mutex);
  const auto found = shard.files.find(id);
  if (found == shard.files.end() || found->second->node_id != node_id) return Errno(EBADF);
  return found->second;
}

ErrnoOr<std::shared_ptr<GuestFile>> OpenFiles::Remove(OpenFileId id, NodeId node_id) {
  Shard& shard = ShardOf(id);
  MutexLock lock(shard.mutex);
  const auto found = shard.files.find(id);
  if (found == shard.files.end() || found->second->node_id != node_id) return Errno(EBADF);
  std::shared_ptr<GuestFile> file = std::move(found->second);
  shard.files.erase(found);
  return file;
}

void OpenFiles::Clear() {
  generation_.fetch_add(1, std::memory_order_acq_rel);
  for (Shard& shard : shards_) {
    absl::flat_hash_map<OpenFileId, std::shared_ptr<GuestFile>> dropped;
    {
      MutexLock lock(shard.mutex);
      dropped.swap(shard.files);
    }
  }
}

SetIdChange OpenFiles::BeginSetIdChange(NodeId node_id) {
  set_id_changes_begun_.fetch_add(1, std::memory_order_acq_rel);
  for (const Shard& shard : shards_) {
    ReaderMutexLock lock(shard.mutex);
    for (const auto& [id, file] : shard.files) {
      if (file->node_id == node_id) file->has_set_id_bits.store(true, std::memory_order_relaxed);
    }
  }
  return SetIdChange(set_id_changes_ended_);
}

}  // namespace postern
