#include "broker/inodes/inode_table.h"

#include "common/mix_bits.h"
#include "common/mutex_lock.h"

namespace postern {
namespace {

constexpr uint32_t SlotOf(NodeId id) { return static_cast<uint32_t>(id.value()); }

}  // namespace

// Slots are kept for their generations when they are empty. A guest that knows very many files can
// choose those of one shard, forget the others, and go on to the next shard: without this it gets
// kShards times the memory.
void InodeTable::Shard::SetLimit(size_t max_inodes) {
  const size_t slot_limit = max_inodes / kShards * 2 + 1024;  // The hash spreads evenly.
  const MutexLock lock(mutex);
  if (slot_limit < kMaxSlots) slots.set_max_slots(static_cast<uint32_t>(slot_limit));
}

// The budget is common to all shards, so that those with more than their part of what is used have
// their part of the cache.
void InodeTable::Shard::SetCache(DescriptorBudget& budget) {
  const MutexLock lock(mutex);
  paths.Use(budget, budget.cache_limit() / kShards * 2 + 8);
}

InodeRef InodeTable::Shard::CountPinned(const InodeIdentity& identity, mode_t type, Stamp before) {
  Inode* const inode = index.FindPinned(identity);
  if (inode == nullptr || inode->type() != (type & S_IFMT)) return InodeRef();
  const bool since =
      (inode->has_descriptor() && inode->stamp_ <= before) || paths.HasSince(*inode, before);
  if (!since) return InodeRef();
  paths.Touch(*inode);
  ++inode->lookups_;
  return InodeRef(inode);
}

Inode* InodeTable::Shard::FindByHandle(const InodeKey& key) const {
  if (Inode* const found = index.FindByHandle(key)) return found;
  Inode* const pinned = index.FindPinned(key.identity);
  return pinned == nullptr || pinned->has_handle() ? nullptr : pinned;
}

InodeTable::InodeTable(InodeParts root, InodeBudget* budget, DescriptorBudget* descriptors)
    : root_(Inode::New(std::move(root))), budget_(budget), descriptors_(descriptors) {
  root_.inode_->id_ = kRootNodeId;
  if (budget_ != nullptr) {
    for (Shard& shard : shards_) shard.SetLimit(budget_->limit());
  }
  if (descriptors_ != nullptr && descriptors_->cache_limit() != 0) {
    for (Shard& shard : shards_) shard.SetCache(*descriptors_);
  }
}

InodeTable::~InodeTable() {
  if (budget_ != nullptr) budget_->GiveBack(size());
}

bool InodeTable::TakeShare(InodeParts& parts) {
  if (budget_ == nullptr || parts.share) return true;
  parts.share = budget_->Take();
  return static_cast<bool>(parts.share);
}

NodeId InodeTable::MakeId(uint32_t shard, SlotKey key) {
  const uint64_t slot = (uint64_t{key.index} + 1) * kShards + shard;
  return NodeId(uint64_t{key.generation} << 32 | slot);
}

SlotKey InodeTable::KeyOf(NodeId id) {
  return {SlotOf(id) / kShards - 1, static_cast<uint32_t>(id.value() >> 32)};
}

InodeTable::Shard* InodeTable::ShardOf(NodeId id) {
  if (SlotOf(id) < kShards) return nullptr;
  return &shards_[SlotOf(id) % kShards];
}

// Without the mount's id: a broker that takes over has a mount namespace of its own, in which the
// same mount has another.
uint32_t InodeTable::ShardIndexOf(const InodeIdentity& identity) {
  return static_cast<uint32_t>(MixBits(identity.device, identity.inode) % kShards);
}

ErrnoOr<InodeRef> InodeTable::Get(NodeId id) {
  if (id == kRootNodeId) return root_;
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return Errno(EBADF);
  const MutexLock lock(shard->mutex);
  const InodeRef* found = shard->slots.Find(KeyOf(id));
  if (found == nullptr) return Errno(EBADF);
  return *found;
}

ErrnoOr<InodeTable::InodeAndPath> InodeTable::GetWithPath(NodeId id) {
  if (id == kRootNodeId) return InodeAndPath{root_, nullptr};
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return Errno(EBADF);
  const MutexLock lock(shard->mutex);
  const InodeRef* found = shard->slots.Find(KeyOf(id));
  if (found == nullptr) return Errno(EBADF);
  return InodeAndPath{*found, shard->paths.Find(**found)};
}

ErrnoOrVoid InodeTable::Count(NodeId id) {
  if (id == kRootNodeId) return {};
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return Errno(EBADF);
  const MutexLock lock(shard->mutex);
  const InodeRef* found = shard->slots.Find(KeyOf(id));
  if (found == nullptr) return Errno(EBADF);
  ++found->inode_->lookups_;
  return {};
}

PathRef InodeTable::CachedPath(const Inode& inode) {
  Shard* shard = ShardOf(inode.id());
  if (shard == nullptr) return nullptr;
  const MutexLock lock(shard->mutex);
  return shard->paths.Find(inode);
}

PathRef InodeTable::KeepPath(const Inode& inode, UniqueFd path) {
  PathRef kept = std::make_shared<const UniqueFd>(std::move(path));
  Shard* shard = ShardOf(inode.id());
  if (shard == nullptr || descriptors_ == nullptr) return kept;
  const Stamp stamp = NextStamp();
  // Both are closed after the lock.
  const PathRef elsewhere = MakeRoom(*shard);
  PathRef given_up;
  const MutexLock lock(shard->mutex);
  // A forgotten one is never dropped from the cache again.
  const InodeRef* found = shard->slots.Find(KeyOf(inode.id()));
  if (found == nullptr || found->inode_ != &inode) return kept;
  if (PathRef other = shard->paths.Find(inode)) return other;
  given_up = shard->paths.Put(*found->inode_, kept, stamp);
  return kept;
}

InodeTable::InodeAndPath InodeTable::FindAny(const InodeIdentity& identity) {
  if (identity == root_->identity()) return {root_, nullptr};
  Shard& shard = shards_[ShardIndexOf(identity)];
  const MutexLock lock(shard.mutex);
  Inode* const inode = shard.index.FindAny(identity);
  if (inode == nullptr) return {};
  return {InodeRef(inode), shard.paths.Find(*inode)};
}

void InodeTable::RetainPath(const Inode& inode, PathRef path) {
  Shard* shard = ShardOf(inode.id());
  if (shard == nullptr || descriptors_ == nullptr || inode.has_descriptor()) return;
  const Stamp stamp = NextStamp();
  // Both are closed after the lock.
  const PathRef elsewhere = MakeRoom(*shard);
  PathRef given_up;
  const MutexLock lock(shard->mutex);
  const InodeRef* found = shard->slots.Find(KeyOf(inode.id()));
  if (found == nullptr || found->inode_ != &inode) return;
  if (inode.cached_ == 0) given_up = shard->paths.Put(*found->inode_, std::move(path), stamp);
  if (inode.cached_ != 0) shard->paths.Retain(inode);
}

void InodeTable::AskForHandle(Shard& shard) {
  InodeRef inode;
  PathRef path;
  {
    const MutexLock lock(shard.mutex);
    std::optional<PathCache::Entry> next = shard.paths.NextWithoutHandle();
    if (!next) return;
    inode = InodeRef(next->inode);
    path = std::move(next->path);
  }
  FileHandle handle;
  // One that has none, or none that fits, stays in the cache until it is forgotten.
  if (!handle.Set(path->get()).ok()) return;
  const MutexLock lock(shard.mutex);
  if (inode->cached_ == 0 || inode->has_handle()) return;
  if (inode.inode_->SetHandle(handle.view())) shard.index.GotHandle(*inode.inode_);
}

PathRef InodeTable::MakeRoom(Shard& wanting) {
  if (descriptors_ == nullptr || descriptors_->cached() < descriptors_->cache_limit()) {
    return nullptr;
  }
  AskForHandle(wanting);
  {
    const MutexLock lock(wanting.mutex);
    if (wanting.paths.size() != 0) return nullptr;
  }
  // With room for fewer than there are shards it may take several.
  for (uint32_t tries = 0; tries < kShards; ++tries) {
    const uint32_t index = next_victim_.fetch_add(1, std::memory_order_relaxed) % kShards;
    AskForHandle(shards_[index]);
    const MutexLock lock(shards_[index].mutex);
    if (PathRef path = shards_[index].paths.DropUnused()) return path;
  }
  return nullptr;
}

bool InodeTable::Knows(const InodeIdentity& identity) {
  Shard& shard = shards_[ShardIndexOf(identity)];
  const MutexLock lock(shard.mutex);
  return shard.index.Knows(identity);
}

InodeRef InodeTable::FindAndCount(const InodeKey& key, mode_t type, Stamp before) {
  // The root's descriptor was there before any stamp.
  if (key.identity == root_->identity()) return root_;
  Shard& shard = shards_[ShardIndexOf(key.identity)];
  const MutexLock lock(shard.mutex);
  if (!key.handle) return shard.CountPinned(key.identity, type, before);
  Inode* const inode = shard.FindByHandle(key);
  if (inode == nullptr || inode->stamp_ > before || inode->type() != (type & S_IFMT)) {
    return InodeRef();
  }
  ++inode->lookups_;
  return InodeRef(inode);
}

ErrnoOr<InodeRef> InodeTable::InsertOrFind(InodeParts parts) {
  if (parts.key.identity == root_->identity()) return root_;
  const uint32_t index = ShardIndexOf(parts.key.identity);
  Shard& shard = shards_[index];
  // Declared before the lock, so that what isn't used is closed after it is dropped.
  PathRef spare, elsewhere;
  if (parts.spare) {
    spare = std::make_shared<const UniqueFd>(std::move(parts.spare));
    elsewhere = MakeRoom(shard);
  }
  // Before the lock, because it may log.
  const bool has_share = TakeShare(parts);
  Budget::Share share = std::move(parts.share);
  InodeRef fresh(Inode::New(std::move(parts)));
  fresh.inode_->stamp_ = NextStamp();
  fresh.inode_->lookups_ = 1;

  const MutexLock lock(shard.mutex);
  // Another thread may have been faster: one file must not get two node ids.
  const InodeKey key = fresh->key();
  Inode* const known = key.handle ? shard.FindByHandle(key) : shard.index.FindPinned(key.identity);
  if (known != nullptr) {
    if (known->type_ == fresh->type_) {
      ++known->lookups_;
      if (spare != nullptr && !known->is_pinned()) {
        spare = shard.paths.Put(*known, std::move(spare), fresh->stamp_);
      }
      if (key.handle && !known->has_handle() && known->SetHandle(*key.handle)) {
        shard.index.GotHandle(*known);
      }
      return InodeRef(known);
    }
    // A filesystem has given a handle away twice; generations are 32 bits, so a guest may get there
    // by trying. The old file is gone, and the new one must not be taken for a file of its type:
    // what was a regular file could be opened, and be the host's device. The old one keeps its node
    // id, and isn't found any more.
    shard.index.Remove(*known);
  }
  if (!has_share) return Errno(ENFILE);
  POSTERN_RETURN_IF_ERROR(Insert(shard, index, fresh));
  share.Release();  // Until Forget().
  if (spare != nullptr) {
    spare = shard.paths.Put(*fresh.inode_, std::move(spare), fresh->stamp_);
  }
  return fresh;
}

ErrnoOr<InodeRef> InodeTable::InsertOrFindPinned(InodeParts& parts) {
  const InodeIdentity identity = parts.key.identity;
  if (identity == root_->identity()) return root_;
  if (descriptors_ == nullptr || descriptors_->cached() >= descriptors_->cache_limit()) {
    return InodeRef();
  }
  // As in InsertOrFind().
  const uint32_t index = ShardIndexOf(identity);
  Shard& shard = shards_[index];
  auto spare = std::make_shared<UniqueFd>(std::move(parts.spare));
  PathRef given_up;
  InodeRef fresh(Inode::New({.key = parts.key,
                             .type = parts.type,
                             .path = {},
                             .mount = parts.mount,
                             .spare = UniqueFd(),
                             .handle_room = parts.handle_room}));
  fresh.inode_->stamp_ = NextStamp();
  fresh.inode_->lookups_ = 1;
  const bool has_share = TakeShare(parts);
  const MutexLock lock(shard.mutex);
  if (InodeRef known = shard.CountPinned(identity, parts.type, kWhileOpen)) return known;
  // One that isn't pinned: this file, or one that had its number.
  const bool unclear = shard.index.Knows(identity);
  if (!unclear && !has_share) return Errno(ENFILE);
  if (!unclear) given_up = shard.paths.Put(*fresh.inode_, spare, fresh->stamp_);
  if (fresh->cached_ == 0) {
    given_up = nullptr;  // `spare` itself, if anything.
    parts.spare = std::move(*spare);
    return InodeRef();
  }
  const ErrnoOrVoid inserted = Insert(shard, index, fresh);
  if (!inserted.ok()) {
    shard.paths.Drop(*fresh.inode_);  // `spare` keeps it open until after the lock.
    return inserted.error();
  }
  parts.share.Release();
  return fresh;
}

ErrnoOrVoid InodeTable::Insert(Shard& shard, uint32_t shard_index, const InodeRef& fresh) {
  const auto key = shard.slots.Insert(fresh);
  if (!key) return Errno(ENFILE);
  fresh.inode_->id_ = MakeId(shard_index, *key);
  shard.index.Add(*fresh.inode_);
  return {};
}

void InodeTable::Forget(NodeId id, uint64_t count) {
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return;  // The root among others: it is pinned.
  InodeRef dropped;              // Closed after the lock, as is its descriptor in the cache.
  PathRef path;
  const MutexLock lock(shard->mutex);
  const SlotKey key = KeyOf(id);
  const InodeRef* found = shard->slots.Find(key);
  if (found == nullptr) return;
  Inode* inode = found->inode_;
  if (count < inode->lookups_) {
    inode->lookups_ -= count;
    return;
  }
  // From here on nothing finds it: a count that has reached zero is never raised again.
  shard->index.Remove(*inode);
  path = shard->paths.Drop(*inode);
  dropped = shard->slots.Remove(key);
  if (budget_ != nullptr) budget_->GiveBack(1);
}

size_t InodeTable::size() const {
  size_t sum = 0;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    sum += shard.slots.used();
  }
  return sum;
}

uint64_t InodeTable::LookupCountForTest(NodeId id) {
  Shard* shard = ShardOf(id);
  if (shard == nullptr) return 0;
  const MutexLock lock(shard->mutex);
  const InodeRef* found = shard->slots.Find(KeyOf(id));
  return found == nullptr ? 0 : found->inode_->lookups_;
}

}  // namespace postern
