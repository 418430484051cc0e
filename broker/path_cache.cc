#include "broker/path_cache.h"

#include <utility>

namespace postern {

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
      places_.push_back({&inode, std::move(path), stamp, std::move(share), /*used=*/false});
      inode.cached_ = static_cast<uint32_t>(places_.size());
      return nullptr;
    }
  }
  if (places_.empty()) return path;
  Place& place = NextVictim();
  inode.cached_ = std::exchange(place.inode->cached_, 0);
  place.inode = &inode;
  place.stamp = stamp;
  place.used = false;
  return std::exchange(place.path, std::move(path));
}

PathCache::Place& PathCache::NextVictim() {
  for (;;) {
    if (hand_ >= places_.size()) hand_ = 0;
    Place& place = places_[hand_++];
    if (!std::exchange(place.used, false)) return place;
  }
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
  return path;
}

PathRef PathCache::DropAny() { return places_.empty() ? nullptr : Drop(*NextVictim().inode); }

}  // namespace postern
