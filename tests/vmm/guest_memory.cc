#include "tests/vmm/guest_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/checked.h"
#include "common/mutex_lock.h"

namespace postern::vmm {
namespace {

bool Overlap(const GuestMemory::RegionLayout& a, const GuestMemory::RegionLayout& b) {
  return a.guest_base < b.guest_base + b.size && b.guest_base < a.guest_base + a.size;
}

}  // namespace

ErrnoOr<std::unique_ptr<GuestMemory>> GuestMemory::Create(std::span<const RegionLayout> layout) {
  if (layout.empty()) return Errno(EINVAL);
  for (size_t i = 0; i < layout.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (Overlap(layout[i], layout[j])) return Errno(EINVAL);
    }
  }
  std::unique_ptr<GuestMemory> memory(new GuestMemory());
  for (const RegionLayout& wanted : layout) {
    Region region{.guest_base = wanted.guest_base,
                  .size = wanted.size,
                  .file_offset = wanted.file_offset,
                  .user_address = 0,
                  .host = nullptr,
                  .fd = UniqueFd(memfd_create(kFileName, MFD_CLOEXEC))};
    if (!region.fd) return Errno::Last();
    const off_t end = Narrow<off_t>(wanted.file_offset + wanted.size);
    if (ftruncate(region.fd.get(), end) < 0) return Errno::Last();
    void* mapped = mmap(nullptr, wanted.size, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd.get(),
                        Narrow<off_t>(wanted.file_offset));
    if (mapped == MAP_FAILED) return Errno::Last();
    region.host = static_cast<std::byte*>(mapped);
    region.user_address = wanted.user_address.value_or(reinterpret_cast<uint64_t>(mapped));
    memory->regions_.push_back(std::move(region));
  }
  MutexLock lock(memory->mutex_);
  memory->used_.assign(layout.size(), 0);
  return memory;
}

GuestMemory::~GuestMemory() {
  for (const Region& region : regions_) munmap(region.host, region.size);
}

ErrnoOr<GuestBuffer> GuestMemory::Allocate(size_t size, size_t alignment,
                                           std::optional<size_t> region) {
  if (region.has_value() && *region >= regions_.size()) return Errno(EINVAL);
  MutexLock lock(mutex_);
  const size_t first = region.value_or(0);
  const size_t last = region.has_value() ? *region : regions_.size() - 1;
  for (size_t i = first; i <= last; ++i) {
    const Region& from = regions_[i];
    // Regions begin on page boundaries, so aligning the offset aligns both addresses (up to a
    // page).
    const size_t offset = (used_[i] + alignment - 1) & ~(alignment - 1);
    if (offset > from.size || size > from.size - offset) continue;
    used_[i] = offset + size;
    return GuestBuffer{GuestAddress(from.guest_base + offset), {from.host + offset, size}};
  }
  return Errno(ENOMEM);
}

const GuestMemory::Region* GuestMemory::FindRegion(GuestAddress address, size_t size) const {
  for (const Region& region : regions_) {
    if (address.value() < region.guest_base) continue;
    const uint64_t offset = address.value() - region.guest_base;
    if (offset < region.size && size <= region.size - offset) return &region;
  }
  return nullptr;
}

std::byte* GuestMemory::HostPointer(GuestAddress address, size_t size) const {
  const Region* region = FindRegion(address, size);
  return region == nullptr ? nullptr : region->host + (address.value() - region->guest_base);
}

UserAddress GuestMemory::ToUserAddress(GuestAddress address) const {
  const Region* region = FindRegion(address, 1);
  if (region == nullptr) return UserAddress(0);
  return UserAddress(region->user_address + (address.value() - region->guest_base));
}

ErrnoOr<BufferPool> BufferPool::Create(GuestMemory& memory, size_t buffer_size, size_t count) {
  BufferPool pool;
  pool.free_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    POSTERN_ASSIGN_OR_RETURN(GuestBuffer buffer, memory.Allocate(buffer_size, kGuestPageBytes));
    pool.free_.push_back(buffer);
  }
  return pool;
}

std::optional<GuestBuffer> BufferPool::Take() {
  if (free_.empty()) return std::nullopt;
  const GuestBuffer buffer = free_.back();
  free_.pop_back();
  return buffer;
}

}  // namespace postern::vmm
