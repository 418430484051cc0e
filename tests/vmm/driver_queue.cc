#include "tests/vmm/driver_queue.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "common/checked.h"

namespace postern::vmm {
namespace {

// Positions in the available ring, in 16-bit words: flags, index, ring[size], used_event.
constexpr size_t kFlags = 0;
constexpr size_t kIndex = 1;
constexpr size_t kRing = 2;

// Ring words are little-endian, as the machines that this runs on; each access is one aligned
// atomic access.
uint16_t Load(uint16_t* word, std::memory_order order) {
  return std::atomic_ref<uint16_t>(*word).load(order);
}
void Store(uint16_t* word, uint16_t value, std::memory_order order) {
  std::atomic_ref<uint16_t>(*word).store(value, order);
}

// Whether an event at `event` lies among the indices old..new - 1 (VIRTIO 1.2, 2.7.10).
bool NeedEvent(uint16_t event, uint16_t new_index, uint16_t old_index) {
  return static_cast<uint16_t>(new_index - event - 1) <
         static_cast<uint16_t>(new_index - old_index);
}

vring_desc Descriptor(const Segment& segment, bool writable, bool last, uint16_t next) {
  vring_desc descriptor{};
  descriptor.addr = segment.address.value();
  descriptor.len = segment.length;
  descriptor.flags =
      static_cast<uint16_t>((writable ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT));
  descriptor.next = last ? uint16_t{0} : next;
  return descriptor;
}

}  // namespace

ErrnoOr<std::unique_ptr<DriverQueue>> DriverQueue::Create(GuestMemory& memory,
                                                          const Options& options) {
  const size_t size = options.size;
  if (size == 0 || size > 32768 || (size & (size - 1)) != 0) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(EventFd kick, EventFd::Create());
  POSTERN_ASSIGN_OR_RETURN(EventFd call, EventFd::Create());
  POSTERN_ASSIGN_OR_RETURN(EventFd error, EventFd::Create());
  std::unique_ptr<DriverQueue> queue(
      new DriverQueue(options, std::move(kick), std::move(call), std::move(error)));
  // Sizes and alignments: VIRTIO 1.2, 2.7. The event words exist whether EVENT_IDX is negotiated or
  // not.
  POSTERN_ASSIGN_OR_RETURN(queue->descriptors_memory_,
                           memory.Allocate(16 * size, 16, options.region));
  POSTERN_ASSIGN_OR_RETURN(queue->available_memory_,
                           memory.Allocate(6 + 2 * size, 2, options.region));
  POSTERN_ASSIGN_OR_RETURN(queue->used_memory_, memory.Allocate(6 + 8 * size, 4, options.region));
  if (options.indirect) {
    POSTERN_ASSIGN_OR_RETURN(queue->indirect_memory_,
                             memory.Allocate(16 * size * options.max_indirect, 16, options.region));
  }
  queue->heads_.resize(size);
  queue->Reset();
  return queue;
}

void DriverQueue::Reset() {
  std::memset(descriptors_memory_.bytes.data(), 0, descriptors_memory_.size());
  std::memset(available_memory_.bytes.data(), 0, available_memory_.size());
  std::memset(used_memory_.bytes.data(), 0, used_memory_.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    heads_[i] = {.token = 0, .next_free = static_cast<uint16_t>(i + 1), .descriptors = 0};
  }
  free_head_ = 0;
  free_count_ = options_.size;
  in_flight_ = next_available_ = published_ = last_used_ = 0;
  call_.Drain();
}

uint16_t* DriverQueue::AvailableWord(size_t index) const {
  // Safe because the buffer is 2-aligned and holds 3 + size words; uint16_t is what the ring is
  // made of.
  return reinterpret_cast<uint16_t*>(available_memory_.bytes.data()) + index;
}

uint16_t* DriverQueue::UsedWord(size_t index) const {
  // Safe because the buffer is 4-aligned and holds 3 + 4 * size words.
  return reinterpret_cast<uint16_t*>(used_memory_.bytes.data()) + index;
}

vring_desc* DriverQueue::raw_descriptors() const {
  // Safe because the buffer is 16-aligned and holds `size` of them.
  return reinterpret_cast<vring_desc*>(descriptors_memory_.bytes.data());
}

GuestBuffer DriverQueue::raw_indirect_table(uint16_t head) const {
  const size_t bytes = sizeof(vring_desc) * options_.max_indirect;
  return indirect_memory_.Part(head * bytes, bytes);
}

void DriverQueue::FillIndirect(uint16_t head, std::span<const Segment> readable,
                               std::span<const Segment> writable) {
  const GuestBuffer table = raw_indirect_table(head);
  const size_t count = readable.size() + writable.size();
  for (size_t i = 0; i < count; ++i) {
    const bool writes = i >= readable.size();
    const vring_desc descriptor = Descriptor(writes ? writable[i - readable.size()] : readable[i],
                                             writes, i + 1 == count, static_cast<uint16_t>(i + 1));
    std::memcpy(table.bytes.data() + i * sizeof(descriptor), &descriptor, sizeof(descriptor));
  }
  vring_desc referring{};
  referring.addr = table.address.value();
  referring.len = static_cast<uint32_t>(count * sizeof(vring_desc));
  referring.flags = VRING_DESC_F_INDIRECT;
  raw_descriptors()[head] = referring;
}

void DriverQueue::FillDirect(uint16_t head, std::span<const Segment> readable,
                             std::span<const Segment> writable) {
  const size_t count = readable.size() + writable.size();
  uint16_t at = head;
  for (size_t i = 0; i < count; ++i) {
    const bool writes = i >= readable.size();
    const uint16_t next = heads_[at].next_free;
    raw_descriptors()[at] = Descriptor(writes ? writable[i - readable.size()] : readable[i], writes,
                                       i + 1 == count, next);
    at = next;
  }
}

ErrnoOr<uint16_t> DriverQueue::Add(std::span<const Segment> readable,
                                   std::span<const Segment> writable, uint64_t token) {
  const size_t count = readable.size() + writable.size();
  if (count == 0) return Errno(EINVAL);
  const bool indirect = options_.indirect && count > 1;
  if (count > (indirect ? options_.max_indirect : options_.size)) return Errno(E2BIG);
  const uint16_t taken = indirect ? uint16_t{1} : static_cast<uint16_t>(count);
  if (taken > free_count_) return Errno(ENOSPC);

  const uint16_t head = free_head_;
  uint16_t last = head;
  for (uint16_t i = 1; i < taken; ++i) last = heads_[last].next_free;
  if (indirect) {
    FillIndirect(head, readable, writable);
  } else {
    FillDirect(head, readable, writable);
  }
  free_head_ = heads_[last].next_free;
  free_count_ = static_cast<uint16_t>(free_count_ - taken);
  heads_[head].token = token;
  heads_[head].descriptors = taken;
  ++in_flight_;
  AddRawHead(head);
  return head;
}

void DriverQueue::AddRawHead(uint16_t head) {
  Store(AvailableWord(kRing + (next_available_ & (options_.size - 1u))), head,
        std::memory_order_relaxed);
  ++next_available_;
}

void DriverQueue::StoreAvailableIndex(uint16_t index) {
  Store(AvailableWord(kIndex), index, std::memory_order_release);
}

bool DriverQueue::Publish() {
  const uint16_t old_index = std::exchange(published_, next_available_);
  if (old_index == published_) return false;
  StoreAvailableIndex(published_);
  // Full barrier between publishing and reading the device's wish, or both sides may miss the
  // other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (options_.event_index) {
    const uint16_t available_event =
        Load(UsedWord(kRing + size_t{4} * options_.size), std::memory_order_relaxed);
    return NeedEvent(available_event, published_, old_index);
  }
  return (Load(UsedWord(kFlags), std::memory_order_relaxed) & VRING_USED_F_NO_NOTIFY) == 0;
}

uint16_t DriverQueue::LoadUsedIndex() const {
  return Load(UsedWord(kIndex), std::memory_order_acquire);
}

bool DriverQueue::HasUsed() const { return LoadUsedIndex() != last_used_; }

ErrnoOr<std::optional<DriverQueue::Used>> DriverQueue::PopUsed() {
  const uint16_t waiting = static_cast<uint16_t>(LoadUsedIndex() - last_used_);
  if (waiting == 0) return std::optional<Used>();
  if (waiting > in_flight_) return Errno(EPROTO);
  vring_used_elem element;
  const size_t slot = last_used_ & (options_.size - 1u);
  std::memcpy(&element, used_memory_.bytes.data() + 4 + slot * sizeof(element), sizeof(element));
  if (element.id >= options_.size) return Errno(EPROTO);
  const uint16_t head = static_cast<uint16_t>(element.id);
  Head& record = heads_[head];
  if (record.descriptors == 0) return Errno(EPROTO);

  uint16_t last = head;
  for (uint16_t i = 1; i < record.descriptors; ++i) last = heads_[last].next_free;
  heads_[last].next_free = free_head_;
  free_head_ = head;
  free_count_ = static_cast<uint16_t>(free_count_ + record.descriptors);
  record.descriptors = 0;
  --in_flight_;
  ++last_used_;
  return std::optional<Used>(Used{head, record.token, element.len});
}

bool DriverQueue::EnableCalls() {
  if (options_.event_index) {
    Store(AvailableWord(kRing + options_.size), last_used_, std::memory_order_relaxed);
  } else {
    Store(AvailableWord(kFlags), 0, std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return HasUsed();
}

void DriverQueue::DisableCalls() {
  if (options_.event_index) {
    // An event that has already passed: no call before the index has gone round once.
    Store(AvailableWord(kRing + options_.size), static_cast<uint16_t>(last_used_ - 1),
          std::memory_order_relaxed);
  } else {
    Store(AvailableWord(kFlags), VRING_AVAIL_F_NO_INTERRUPT, std::memory_order_relaxed);
  }
}

}  // namespace postern::vmm
