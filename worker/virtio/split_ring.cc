#include "worker/virtio/split_ring.h"

#include <atomic>
#include <bit>

namespace postern {
namespace {

// VIRTIO 1.0 rings are little endian; byte swapping would be needed on every access below.
static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(vring_desc) == 16 && sizeof(vring_used_elem) == 8);
static_assert(std::atomic_ref<uint16_t>::is_always_lock_free);
static_assert(std::atomic_ref<uint64_t>::is_always_lock_free);

// 2.7.6: {flags, idx, ring[size], used_event}. The last field's room is there with and without
// EVENT_IDX.
constexpr size_t kFlagsOffset = 0;
constexpr size_t kIndexOffset = 2;
constexpr size_t kEntriesOffset = 4;
constexpr size_t AvailableBytes(size_t size) {
  return kEntriesOffset + sizeof(uint16_t) * (size + 1);
}
constexpr size_t UsedEventOffset(size_t size) { return kEntriesOffset + sizeof(uint16_t) * size; }
// 2.7.8: {flags, idx, {id, len}[size], avail_event}
constexpr size_t AvailableEventOffset(size_t size) {
  return kEntriesOffset + sizeof(vring_used_elem) * size;
}
constexpr size_t UsedBytes(size_t size) { return AvailableEventOffset(size) + sizeof(uint16_t); }

// Safe because Locate() has checked that `part` is aligned and mapped as far as `offset` goes, and
// because atomic_ref accesses the object as a whole, exactly once.
template <typename Integer>
std::atomic_ref<Integer> Field(std::byte* part, size_t offset) {
  return std::atomic_ref<Integer>(*reinterpret_cast<Integer*>(part + offset));
}

ErrnoOr<std::byte*> LocatePart(const MemoryTable& memory, FrontEndAddress address, size_t bytes,
                               size_t alignment) {
  POSTERN_ASSIGN_OR_RETURN(std::byte * host, memory.HostAddress(address, bytes));
  // Safe because only the number is looked at. It is the host's address that must be aligned for
  // atomic access; regions begin at page boundaries in both spaces, so it says the same as the
  // guest's.
  if (reinterpret_cast<uintptr_t>(host) % alignment != 0) return Errno(EINVAL);
  return host;
}

}  // namespace

ErrnoOr<SplitRing> SplitRing::Locate(const VirtqueueSettings& settings, const MemoryTable& memory) {
  const uint32_t size = settings.size;
  if (!IsValidSize(size)) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(std::byte * descriptors,
                           LocatePart(memory, settings.descriptor_table, sizeof(vring_desc) * size,
                                      VRING_DESC_ALIGN_SIZE));
  POSTERN_ASSIGN_OR_RETURN(
      std::byte * available,
      LocatePart(memory, settings.available_ring, AvailableBytes(size), VRING_AVAIL_ALIGN_SIZE));
  POSTERN_ASSIGN_OR_RETURN(std::byte * used, LocatePart(memory, settings.used_ring, UsedBytes(size),
                                                        VRING_USED_ALIGN_SIZE));
  return SplitRing(size, descriptors, available, used);
}

uint16_t SplitRing::LoadAvailableIndex() const {
  return Field<uint16_t>(available_, kIndexOffset).load(std::memory_order_acquire);
}

uint16_t SplitRing::LoadAvailableHead(uint16_t index) const {
  return Field<uint16_t>(available_, kEntriesOffset + sizeof(uint16_t) * Slot(index))
      .load(std::memory_order_relaxed);
}

uint16_t SplitRing::LoadAvailableFlags() const {
  return Field<uint16_t>(available_, kFlagsOffset).load(std::memory_order_relaxed);
}

uint16_t SplitRing::LoadUsedEvent() const {
  return Field<uint16_t>(available_, UsedEventOffset(size_)).load(std::memory_order_relaxed);
}

vring_desc SplitRing::LoadDescriptor(uint32_t index) const {
  // Two atomic loads, so that the compiler can't load a field again after it has been checked.
  const size_t offset = sizeof(vring_desc) * index;
  struct Halves {
    uint64_t address;
    uint64_t rest;
  };
  return std::bit_cast<vring_desc>(Halves{
      Field<uint64_t>(descriptors_, offset).load(std::memory_order_relaxed),
      Field<uint64_t>(descriptors_, offset + sizeof(uint64_t)).load(std::memory_order_relaxed)});
}

uint16_t SplitRing::LoadUsedIndex() const {
  return Field<uint16_t>(used_, kIndexOffset).load(std::memory_order_relaxed);
}

void SplitRing::StoreUsedIndex(uint16_t index) {
  Field<uint16_t>(used_, kIndexOffset).store(index, std::memory_order_release);
}

void SplitRing::StoreUsedElement(uint16_t index, uint32_t head, uint32_t written) {
  const size_t offset = kEntriesOffset + sizeof(vring_used_elem) * Slot(index);
  Field<uint32_t>(used_, offset).store(head, std::memory_order_relaxed);
  Field<uint32_t>(used_, offset + sizeof(uint32_t)).store(written, std::memory_order_relaxed);
}

void SplitRing::StoreUsedFlags(uint16_t flags) {
  Field<uint16_t>(used_, kFlagsOffset).store(flags, std::memory_order_relaxed);
}

void SplitRing::StoreAvailableEvent(uint16_t event) {
  Field<uint16_t>(used_, AvailableEventOffset(size_)).store(event, std::memory_order_relaxed);
}

void SplitRing::FullFence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // namespace postern
