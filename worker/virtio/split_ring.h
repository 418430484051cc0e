// The three parts of a split virtqueue in the guest's memory (VIRTIO 1.2, 2.7).
#ifndef POSTERN_WORKER_VIRTIO_SPLIT_RING_H_
#define POSTERN_WORKER_VIRTIO_SPLIT_RING_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/errno_or.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/virtio_ring.h"
#include "worker/virtio/virtqueue_settings.h"

namespace postern {

// Raw access, and the only code that knows the layout. Each call accesses the guest's memory once,
// 16-bit fields as single aligned accesses; what it returns is the guest's word and unchecked.
// Valid while the memory table is held that it was located in.
class SplitRing {
 public:
  static constexpr uint32_t kMaxSize = 32768;  // VIRTIO 1.2, 2.7

  static constexpr bool IsValidSize(uint32_t size) {
    return std::has_single_bit(size) && size <= kMaxSize;
  }

  // EINVAL: the size isn't a power of two from 1 to kMaxSize, or a part isn't aligned. EFAULT: a
  // part isn't in one region.
  static ErrnoOr<SplitRing> Locate(const VirtqueueSettings& settings, const MemoryTable& memory);

  uint32_t size() const { return size_; }

  // Pairs with the driver's barrier between filling a slot and raising the index (2.7.13.3): slots
  // and descriptors that are read afterwards are at least as new.
  uint16_t LoadAvailableIndex() const;
  // The head in the slot of free-running `index`.
  uint16_t LoadAvailableHead(uint16_t index) const;
  uint16_t LoadAvailableFlags() const;
  uint16_t LoadUsedEvent() const;
  // Precondition: index < size().
  vring_desc LoadDescriptor(uint32_t index) const;

  uint16_t LoadUsedIndex() const;
  // Everything written before is visible to whoever sees the new index.
  void StoreUsedIndex(uint16_t index);
  void StoreUsedElement(uint16_t index, uint32_t head, uint32_t written);
  void StoreUsedFlags(uint16_t flags);
  void StoreAvailableEvent(uint16_t event);
  // No access after it is done before one that precedes it, not even a load before a store.
  static void FullFence();

 private:
  SplitRing(uint32_t size, std::byte* descriptors, std::byte* available, std::byte* used)
      : size_(size), descriptors_(descriptors), available_(available), used_(used) {}
  size_t Slot(uint16_t index) const { return index & (size_ - 1); }

  // Invariant: size_ is a power of two, the three parts are aligned and mapped in full.
  uint32_t size_;
  std::byte* descriptors_;
  std::byte* available_;
  std::byte* used_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_SPLIT_RING_H_
