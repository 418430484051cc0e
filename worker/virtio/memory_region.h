// One mapped piece of guest memory.
#ifndef POSTERN_WORKER_VIRTIO_MEMORY_REGION_H_
#define POSTERN_WORKER_VIRTIO_MEMORY_REGION_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// Guest-physical: what descriptors hold.
using GuestAddress = StrongId<struct GuestAddressTag, uint64_t>;
// Virtual, in the front end's own address space: what SET_VRING_ADDR holds. Equal to the
// guest-physical one under User-Mode Linux, and never under QEMU.
using FrontEndAddress = StrongId<struct FrontEndAddressTag, uint64_t>;

// A memory region as the front end describes it; nothing of it is believed before
// MemoryRegion::Map().
struct MemoryRegionSettings {
  GuestAddress guest_address{0};
  uint64_t size = 0;
  FrontEndAddress front_end_address{0};
  uint64_t mmap_offset = 0;  // Where in the file the region begins.
};

// Mapped readable and writable, never executable, until destroyed. The file may be cut by whoever
// gave it to us; then the process dies of SIGBUS at the next access. That is the front end, which
// can end us anyway; a guest can't do it.
class MemoryRegion {
 public:
  // Maps it. The descriptor stays the caller's and isn't needed afterwards.
  //   EINVAL     size 0, or a range that wraps around, or a regular file that ends before the
  //   region EACCES     `fd` isn't open for reading and writing others     from fstat(2) and
  //   mmap(2)
  static ErrnoOr<std::shared_ptr<const MemoryRegion>> Map(const MemoryRegionSettings& settings,
                                                          int fd);
  ~MemoryRegion();
  MemoryRegion(const MemoryRegion&) = delete;
  MemoryRegion& operator=(const MemoryRegion&) = delete;

  uint64_t guest_begin() const { return settings_.guest_address.value(); }
  uint64_t front_end_begin() const { return settings_.front_end_address.value(); }
  uint64_t size() const { return settings_.size; }
  // The host address of the region's byte 0; size() bytes follow.
  std::byte* host() const { return host_; }

 private:
  MemoryRegion(const MemoryRegionSettings& settings, void* mapping, size_t mapping_size,
               size_t lead)
      : settings_(settings),
        mapping_(mapping),
        mapping_size_(mapping_size),
        host_(static_cast<std::byte*>(mapping) + lead) {}

  const MemoryRegionSettings settings_;
  void* const mapping_;  // Begins at the page that holds byte 0, hence at or before host_.
  const size_t mapping_size_;
  std::byte* const host_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_MEMORY_REGION_H_
