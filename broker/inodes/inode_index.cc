#include "broker/inodes/inode_index.h"

#include <absl/hash/hash.h>

namespace postern {
namespace {

// Takes out `inode`, and not another one of the same key.
template <typename Set>
void Erase(Set& set, Inode& inode) {
  const auto found = set.find(&inode);
  if (found != set.end() && *found == &inode) set.erase(found);
}

}  // namespace

// Another one in each process, which a guest can't know; no id depends on it.
size_t InodeIndex::Hash::operator()(const InodeIdentity& identity) const {
  return absl::Hash<InodeIdentity>{}(identity);
}

Inode* InodeIndex::FindPinned(const InodeIdentity& identity) const {
  if (pinned_.empty()) return nullptr;  // Spares the hash where all are known by their handles.
  const auto found = pinned_.find(identity);
  return found == pinned_.end() ? nullptr : *found;
}

Inode* InodeIndex::FindByHandle(const InodeKey& key) const {
  const auto found = by_handle_.find(key);
  return found == by_handle_.end() ? nullptr : *found;
}

Inode* InodeIndex::FindAny(const InodeIdentity& identity) const {
  if (Inode* const pinned = FindPinned(identity)) return pinned;
  const auto found = by_handle_.find(identity);
  return found == by_handle_.end() ? nullptr : *found;
}

bool InodeIndex::Knows(const InodeIdentity& identity) const {
  return pinned_.contains(identity) || by_handle_.contains(identity);
}

void InodeIndex::Add(Inode& inode) {
  inode.listed_ = true;
  if (inode.has_handle()) by_handle_.insert(&inode);
  if (inode.is_pinned()) BeganToPin(inode);
}

void InodeIndex::BeganToPin(Inode& inode) {
  if (!inode.listed_) return;
  const auto [place, inserted] = pinned_.insert(&inode);
  if (inserted || *place == &inode || !(*place)->has_handle()) return;
  pinned_.erase(place);
  pinned_.insert(&inode);
}

void InodeIndex::CeasedToPin(Inode& inode) {
  if (inode.listed_ && !inode.is_pinned()) Erase(pinned_, inode);
}

void InodeIndex::GotHandle(Inode& inode) {
  if (inode.listed_) by_handle_.insert(&inode);
}

void InodeIndex::Remove(Inode& inode) {
  if (!inode.listed_) return;
  inode.listed_ = false;
  if (inode.is_pinned()) Erase(pinned_, inode);
  if (inode.has_handle()) Erase(by_handle_, inode);
}

}  // namespace postern
