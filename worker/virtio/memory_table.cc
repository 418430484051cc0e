#include "worker/virtio/memory_table.h"

#include <algorithm>

namespace postern {
namespace {

// Of two ranges that don't wrap around (MemoryRegion::Map()).
bool Overlap(uint64_t begin_a, uint64_t size_a, uint64_t begin_b, uint64_t size_b) {
  return begin_a < begin_b + size_b && begin_b < begin_a + size_a;
}

bool GuestOrder(const std::shared_ptr<const MemoryRegion>& a,
                const std::shared_ptr<const MemoryRegion>& b) {
  return a->guest_begin() < b->guest_begin();
}

}  // namespace

std::shared_ptr<const MemoryTable> MemoryTable::Empty() {
  return std::shared_ptr<const MemoryTable>(new MemoryTable(Regions()));
}

ErrnoOr<std::shared_ptr<const MemoryTable>> MemoryTable::Of(std::span<const NewRegion> regions) {
  Regions all;
  for (const NewRegion& region : regions) POSTERN_RETURN_IF_ERROR(Insert(region, all));
  return std::shared_ptr<const MemoryTable>(new MemoryTable(std::move(all)));
}

ErrnoOr<std::shared_ptr<const MemoryTable>> MemoryTable::With(const NewRegion& region) const {
  Regions all = regions_;
  POSTERN_RETURN_IF_ERROR(Insert(region, all));
  return std::shared_ptr<const MemoryTable>(new MemoryTable(std::move(all)));
}

ErrnoOrVoid MemoryTable::Insert(const NewRegion& region, Regions& regions) {
  if (regions.size() >= kMaxRegions) return Errno(ENOSPC);
  POSTERN_ASSIGN_OR_RETURN(auto mapped, MemoryRegion::Map(region.settings, region.fd));
  for (const auto& other : regions) {
    // One guest address with two meanings would let a range be checked against one and used against
    // the other.
    if (Overlap(mapped->guest_begin(), mapped->size(), other->guest_begin(), other->size()) ||
        Overlap(mapped->front_end_begin(), mapped->size(), other->front_end_begin(),
                other->size())) {
      return Errno(EEXIST);
    }
  }
  regions.insert(std::upper_bound(regions.begin(), regions.end(), mapped, GuestOrder), mapped);
  return {};
}

ErrnoOr<std::shared_ptr<const MemoryTable>> MemoryTable::Without(
    const MemoryRegionSettings& region) const {
  const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const auto& candidate) {
    return candidate->guest_begin() == region.guest_address.value() &&
           candidate->front_end_begin() == region.front_end_address.value() &&
           candidate->size() == region.size;
  });
  if (found == regions_.end()) return Errno(ENOENT);
  Regions rest = regions_;
  rest.erase(rest.begin() + (found - regions_.begin()));
  return std::shared_ptr<const MemoryTable>(new MemoryTable(std::move(rest)));
}

MemoryTable::MemoryTable(Regions regions) : regions_(std::move(regions)) {
  for (const auto& region : regions_) {
    spans_.push_back({region->guest_begin(), region->size(), region->host()});
  }
}

const MemoryTable::Span* MemoryTable::Find(uint64_t address) const {
  const auto next =
      std::upper_bound(spans_.begin(), spans_.end(), address,
                       [](uint64_t value, const Span& span) { return value < span.guest_begin; });
  if (next == spans_.begin()) return nullptr;
  const Span& span = *std::prev(next);
  return address - span.guest_begin < span.size ? &span : nullptr;
}

bool MemoryTable::Translate(GuestAddress address, uint64_t size, std::vector<iovec>& ranges) const {
  const size_t before = ranges.size();
  uint64_t position = address.value();
  uint64_t left = size;
  while (left > 0) {
    const Span* const span = Find(position);
    if (span == nullptr) {
      ranges.resize(before);
      return false;
    }
    const uint64_t offset = position - span->guest_begin;
    const uint64_t length = std::min(left, span->size - offset);
    ranges.push_back({span->host + offset, length});
    position += length;  // Doesn't wrap: no region reaches 2^64.
    left -= length;
  }
  return true;
}

ErrnoOr<std::byte*> MemoryTable::HostAddress(FrontEndAddress address, uint64_t size) const {
  for (const auto& region : regions_) {
    if (address.value() < region->front_end_begin()) continue;
    const uint64_t offset = address.value() - region->front_end_begin();
    if (offset >= region->size()) continue;
    if (size > region->size() - offset) return Errno(EFAULT);
    return region->host() + offset;
  }
  return Errno(EFAULT);
}

}  // namespace postern
