#include "broker/inodes/path_cache.h"

#include <algorithm>
#include <utility>

namespace postern {
namespace {

// Who wants a place asks for one handle if one is missing among so many.
constexpr size_t kLookAhead = 8;

}  // namespace

PathRef PathCache::Find(const Inode& inode) {
  if (inode.cached_ == 0) return nullptr;
  Place& place = places_[inode.cached_ - 1];
  place.used = true;
  return place.path;
}

PathRef PathCache::Put(Inode& inode, PathRef path, uint64_t stamp) {
  if (places_.size() < max_places_) {
    if (DescriptorBudget::Share share = budget_->TakeCached()) {
      // Not used yet: a walk through many files doesn't drive out what is used again and again.
      places_.push_back({&inode, std::move(path), stamp, std::move(share), /*used=*/false,
                         /*retained=*/false});
      inode.cached_ = static_cast<uint32_t>(places_.size());
      index_.BeganToPin(inode);
      return nullptr;
    }
  }
  Place* const victim = NextVictim();
  if (victim == nullptr) return path;
  Place& place = *victim;
  inode.cached_ = std::exchange(place.inode->cached_, 0);
  index_.CeasedToPin(*place.inode);
  index_.BeganToPin(inode);
  place.inode = &inode;
  place.stamp = stamp;
  place.used = false;
  return std::exchange(place.path, std::move(path));
}

PathCache::Place* PathCache::NextVictim() {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (hand_ >= places_.size()) hand_ = 0;
    Place& place = places_[hand_++];
    const bool used = std::exchange(place.used, false);
    if (!used && !place.retained && place.inode->has_handle()) return &place;
  }
  return nullptr;
}

std::optional<PathCache::Entry> PathCache::NextWithoutHandle() {
  for (size_t i = 0; i < std::min(kLookAhead, places_.size()); ++i) {
    if (handle_hand_ >= places_.size()) handle_hand_ = 0;
    const Place& place = places_[handle_hand_++];
    if (!place.inode->has_handle()) return Entry{place.inode, place.path};
  }
  return std::nullopt;
}

PathRef PathCache::Drop(Inode& inode) {
  if (inode.cached_ == 0) return nullptr;
  Place& place = places_[std::exchange(inode.cached_, 0) - 1];
  PathRef path = std::move(place.path);
  if (&place != &places_.back()) {
    places_.back().inode->cached_ = static_cast<uint32_t>(&place - places_.data()) + 1;
    place = std::move(places_.back());
  }
  places_.pop_back();
  index_.CeasedToPin(inode);
  return path;
}

PathRef PathCache::DropUnused() {
  Place* const victim = NextVictim();
  return victim == nullptr ? nullptr : Drop(*victim->inode);
}

}  // namespace postern
