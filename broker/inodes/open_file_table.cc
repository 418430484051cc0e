#include "broker/inodes/open_file_table.h"

#include "common/mix_bits.h"
#include "common/mutex_lock.h"

namespace postern {
namespace {

constexpr uint32_t SlotOf(OpenFileId id) { return static_cast<uint32_t>(id.value()); }

}  // namespace

// Slot numbers begin at kShards, so that none is 0 ("none").
SlotKey OpenFileTable::KeyOf(OpenFileId id) {
  return {SlotOf(id) / kShards - 1, static_cast<uint32_t>(id.value() >> 32)};
}

OpenFileTable::Shard* OpenFileTable::ShardOf(OpenFileId id) {
  if (SlotOf(id) < kShards) return nullptr;
  return &shards_[SlotOf(id) % kShards];
}

uint32_t OpenFileTable::ShardIndexOf(NodeId node) {
  return static_cast<uint32_t>(MixBits(node.value()) % kShards);
}

ErrnoOr<OpenFileId> OpenFileTable::Insert(OpenFileRef file) {
  const NodeId node = file->node();
  const uint32_t index = ShardIndexOf(node);
  Shard& shard = shards_[index];
  const MutexLock lock(shard.mutex);
  const auto key = shard.slots.Insert(std::move(file));
  if (!key) return Errno(ENFILE);
  const uint64_t slot = (uint64_t{key->index} + 1) * kShards + index;
  const OpenFileId id(uint64_t{key->generation} << 32 | slot);
  shard.by_node.emplace(node, id);
  return id;
}

ErrnoOr<OpenFileRef> OpenFileTable::Get(OpenFileId id, NodeId node) {
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return Errno(EBADF);
  const MutexLock lock(shard->mutex);
  const OpenFileRef* found = shard->slots.Find(KeyOf(id));
  if (found == nullptr || (*found)->node() != node) return Errno(EBADF);
  return *found;
}

ErrnoOr<OpenFileRef> OpenFileTable::Get(OpenFileId id, NodeId node, OpenFile::Kind kind) {
  POSTERN_ASSIGN_OR_RETURN(OpenFileRef file, Get(id, node));
  if (file->kind() != kind) return Errno(EBADF);
  return file;
}

ErrnoOr<OpenFileRef> OpenFileTable::Remove(OpenFileId id, NodeId node, OpenFile::Kind kind) {
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return Errno(EBADF);
  const MutexLock lock(shard->mutex);
  const SlotKey key = KeyOf(id);
  const OpenFileRef* found = shard->slots.Find(key);
  if (found == nullptr || (*found)->node() != node || (*found)->kind() != kind) {
    return Errno(EBADF);
  }
  shard->by_node.erase({node, id});
  return shard->slots.Remove(key);
}

OpenFileRef OpenFileTable::AnyOf(NodeId node) {
  Shard& shard = shards_[ShardIndexOf(node)];
  const MutexLock lock(shard.mutex);
  const auto first = shard.by_node.lower_bound({node, OpenFileId()});
  if (first == shard.by_node.end() || first->first != node) return nullptr;
  return *shard.slots.Find(KeyOf(first->second));
}

size_t OpenFileTable::size() const {
  size_t sum = 0;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    sum += shard.slots.used();
  }
  return sum;
}

}  // namespace postern
