// The driver's side of a split virtqueue (VIRTIO 1.2, 2.7): what a guest's virtio core does.
#ifndef POSTERN_TESTS_VMM_DRIVER_QUEUE_H_
#define POSTERN_TESTS_VMM_DRIVER_QUEUE_H_

// The header's helpers for legacy layouts aren't C++.
#ifndef VIRTIO_RING_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#endif
#include <linux/virtio_ring.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/errno_or.h"
#include "common/event_fd.h"
#include "tests/vmm/guest_memory.h"

namespace postern::vmm {

// One descriptor's worth of guest RAM.
struct Segment {
  GuestAddress address;
  uint32_t length = 0;
};

// A ring in guest RAM with the driver's own record of it. The device may write anything there, so
// whatever decides here is kept outside guest RAM, and what the device says is checked: a device
// that breaks the ring fails the test. Belongs to one thread at a time; allocates nothing after
// Create().
class DriverQueue {
 public:
  struct Options {
    uint16_t size = 128;  // A power of two, at most 32768.
    bool indirect = true;
    bool event_index = true;
    // Descriptors in each head's indirect table. Linux's longest request: 4 and 256 pages, one more
    // if the data is unaligned.
    uint16_t max_indirect = 272;
    std::optional<size_t> region = std::nullopt;  // The region that holds the ring.
  };
  struct Used {
    uint16_t head = 0;
    uint64_t token = 0;   // As given to Add().
    uint32_t length = 0;  // What the device says it has written.
  };

  static ErrnoOr<std::unique_ptr<DriverQueue>> Create(GuestMemory& memory, const Options& options);

  // Makes a chain and puts it into the ring; the device sees it after Publish(). Returns its head.
  // ENOSPC if there is no room now, E2BIG if there never will be.
  ErrnoOr<uint16_t> Add(std::span<const Segment> readable, std::span<const Segment> writable,
                        uint64_t token);
  // Makes what was added visible. Returns whether the device wants a kick for it
  // (VIRTIO 1.2, 2.7.10).
  bool Publish();
  void Kick() const { kick_.Signal(); }

  // The next used chain, if there is one. EPROTO if the device has broken a rule: a head that isn't
  // in flight, or more used elements than there are chains.
  ErrnoOr<std::optional<Used>> PopUsed();
  bool HasUsed() const;
  // Asks for a call on the next used chain; true if one is there already: then don't sleep.
  bool EnableCalls();
  void DisableCalls();
  // Clears the call descriptor.
  void DrainCall() const { call_.Drain(); }

  // Empties the ring and starts at index 0, as a driver does after a device reset. Whatever was in
  // flight is forgotten.
  void Reset();

  uint16_t size() const { return options_.size; }
  bool indirect() const { return options_.indirect; }
  uint16_t in_flight() const { return in_flight_; }
  uint16_t free_descriptors() const { return free_count_; }
  int kick_fd() const { return kick_.fd(); }
  int call_fd() const { return call_.fd(); }
  int error_fd() const { return error_.fd(); }
  const EventFd& error_event() const { return error_; }
  GuestAddress descriptor_address() const { return descriptors_memory_.address; }
  GuestAddress available_address() const { return available_memory_.address; }
  GuestAddress used_address() const { return used_memory_.address; }
  // The index up to which the driver has published; where GET_VRING_BASE ends when all is served.
  uint16_t available_index() const { return published_; }
  uint16_t last_used() const { return last_used_; }

  // ---- for hostile tests: the ring as bytes, past every rule above ----

  vring_desc* raw_descriptors() const;
  GuestBuffer raw_available() const { return available_memory_; }
  GuestBuffer raw_used() const { return used_memory_; }
  // The indirect table that Add() uses for `head`; of max_indirect entries.
  GuestBuffer raw_indirect_table(uint16_t head) const;
  // Puts any head into the ring's next slot, unrecorded: its completion will be EPROTO from
  // PopUsed(); read raw_used().
  void AddRawHead(uint16_t head);
  // Publishes any available index, unrecorded.
  void StoreAvailableIndex(uint16_t index);
  uint16_t LoadUsedIndex() const;

 private:
  struct Head {
    uint64_t token = 0;
    uint16_t next_free = 0;    // Next in the free list, or in a direct chain.
    uint16_t descriptors = 0;  // That the chain took from the table; 0: not in flight.
  };

  DriverQueue(const Options& options, EventFd kick, EventFd call, EventFd error)
      : options_(options),
        kick_(std::move(kick)),
        call_(std::move(call)),
        error_(std::move(error)) {}
  uint16_t* AvailableWord(size_t index) const;
  uint16_t* UsedWord(size_t index) const;
  // Puts `count` segments into `table` from `at` on, linked one after the other. Returns where the
  // next one goes.
  void FillIndirect(uint16_t head, std::span<const Segment> readable,
                    std::span<const Segment> writable);
  void FillDirect(uint16_t head, std::span<const Segment> readable,
                  std::span<const Segment> writable);

  const Options options_;
  EventFd kick_;
  EventFd call_;
  EventFd error_;
  GuestBuffer descriptors_memory_;
  GuestBuffer available_memory_;
  GuestBuffer used_memory_;
  GuestBuffer indirect_memory_;

  std::vector<Head> heads_;
  uint16_t free_head_ = 0;
  uint16_t free_count_ = 0;
  uint16_t in_flight_ = 0;
  uint16_t next_available_ = 0;
  uint16_t published_ = 0;
  uint16_t last_used_ = 0;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_DRIVER_QUEUE_H_
