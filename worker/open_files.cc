#include "worker/open_files.h"

#include <utility>

namespace postern {

void OpenFiles::Insert(OpenFileId id, UniqueFd fd, NodeId node_id) {
  auto file = std::make_shared<OpenFile>();
  file->fd = std::move(fd);
  file->node_id = node_id;
  Shard& shard = ShardOf(id);
  {
    absl::MutexLock lock(&shard.mutex);
    shard.files[id].swap(file);
  }
  // `file` is now what stood there before: nothing, as the broker doesn't reuse ids.
}

ErrnoOr<std::shared_ptr<OpenFile>> OpenFiles::Find(OpenFileId id, NodeId node_id) const {
  const Shard& shard = ShardOf(id);
  absl::ReaderMutexLock lock(&shard.mutex);
  const auto found = shard.files.find(id);
  if (found == shard.files.end() || found->second->node_id != node_id) return Errno(EBADF);
  return found->second;
}

ErrnoOr<std::shared_ptr<OpenFile>> OpenFiles::Remove(OpenFileId id, NodeId node_id) {
  Shard& shard = ShardOf(id);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.files.find(id);
  if (found == shard.files.end() || found->second->node_id != node_id) return Errno(EBADF);
  std::shared_ptr<OpenFile> file = std::move(found->second);
  shard.files.erase(found);
  return file;
}

void OpenFiles::Clear() {
  for (Shard& shard : shards_) {
    absl::flat_hash_map<OpenFileId, std::shared_ptr<OpenFile>> dropped;
    {
      absl::MutexLock lock(&shard.mutex);
      dropped.swap(shard.files);
    }
  }
}

}  // namespace postern
