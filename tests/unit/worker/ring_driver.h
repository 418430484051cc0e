// The driver's side of a split virtqueue, without any of a driver's manners.
#ifndef POSTERN_TESTS_UNIT_WORKER_RING_DRIVER_H_
#define POSTERN_TESTS_UNIT_WORKER_RING_DRIVER_H_

#include <cstdint>

#include "tests/unit/worker/guest_memory.h"
#include "worker/virtio/virtio_ring.h"
#include "worker/virtio/virtqueue_settings.h"

namespace postern {

// An element of the used ring.
struct UsedElement {
  uint32_t head;
  uint32_t written;
  friend bool operator==(const UsedElement&, const UsedElement&) = default;
};

// Lays a ring of `size` into the low region of `memory`, whose first MiB it takes.
class RingDriver {
 public:
  static constexpr uint64_t kDescriptors = GuestMemory::kLow;
  static constexpr uint64_t kAvailable = GuestMemory::kLow + 0x80000;
  static constexpr uint64_t kUsed = GuestMemory::kLow + 0xa0000;

  RingDriver(const GuestMemory& memory, uint16_t size) : memory_(memory), size_(size) {}

  VirtqueueSettings Settings() const {
    VirtqueueSettings settings;
    settings.size = size_;
    settings.descriptor_table = FrontEnd(kDescriptors);
    settings.available_ring = FrontEnd(kAvailable);
    settings.used_ring = FrontEnd(kUsed);
    settings.indirect_descriptors = true;
    settings.event_index = true;
    return settings;
  }
  static FrontEndAddress FrontEnd(uint64_t address) {
    return FrontEndAddress(address - GuestMemory::kLow + GuestMemory::kFrontEndLow);
  }

  // Both indices, as if that many requests had been served.
  void StartAt(uint16_t index) {
    available_ = index;
    memory_.Store<uint16_t>(kAvailable + 2, index);
    memory_.Store<uint16_t>(kUsed + 2, index);
  }
  void Descriptor(uint16_t index, uint64_t address, uint32_t length, uint16_t flags = 0,
                  uint16_t next = 0) {
    memory_.Store(kDescriptors + sizeof(vring_desc) * index,
                  vring_desc{address, length, flags, next});
  }
  // An entry of an indirect table at guest-physical `table`.
  void Indirect(uint64_t table, uint16_t index, uint64_t address, uint32_t length,
                uint16_t flags = 0, uint16_t next = 0) {
    memory_.Store(table + sizeof(vring_desc) * index, vring_desc{address, length, flags, next});
  }
  void Offer(uint16_t head) {
    memory_.Store<uint16_t>(kAvailable + 4 + 2 * Slot(available_), head);
    SetAvailableIndex(static_cast<uint16_t>(available_ + 1));
  }
  void SetAvailableIndex(uint16_t index) {
    available_ = index;
    memory_.Store<uint16_t>(kAvailable + 2, index);
  }
  void SetAvailableFlags(uint16_t flags) { memory_.Store<uint16_t>(kAvailable, flags); }
  void SetUsedEvent(uint16_t event) {
    memory_.Store<uint16_t>(kAvailable + 4 + uint64_t{2} * size_, event);
  }

  uint16_t used_index() const { return memory_.Load<uint16_t>(kUsed + 2); }
  uint16_t used_flags() const { return memory_.Load<uint16_t>(kUsed); }
  uint16_t available_event() const {
    return memory_.Load<uint16_t>(kUsed + 4 + uint64_t{8} * size_);
  }
  // The element in the slot of free-running `index`.
  UsedElement used(uint16_t index) const {
    return memory_.Load<UsedElement>(kUsed + 4 + 8 * Slot(index));
  }

 private:
  uint64_t Slot(uint16_t index) const { return static_cast<uint64_t>(index % size_); }

  const GuestMemory& memory_;
  const uint16_t size_;
  uint16_t available_ = 0;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_RING_DRIVER_H_
