// Guest RAM as a front end sees it: memfd-backed regions at chosen guest-physical addresses, and an
// allocator of buffers.
#ifndef POSTERN_TESTS_VMM_GUEST_MEMORY_H_
#define POSTERN_TESTS_VMM_GUEST_MEMORY_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/errno_or.h"
#include "common/ids.h"
#include "common/unique_fd.h"

namespace postern::vmm {

// What descriptors carry: an address as the guest counts it.
using GuestAddress = StrongId<struct GuestAddressTag, uint64_t>;
// What SET_VRING_ADDR carries: an address as the front end counts it.
using UserAddress = StrongId<struct UserAddressTag, uint64_t>;

inline constexpr size_t kGuestPageBytes = 4096;

// A piece of guest RAM, contiguous on either side.
struct GuestBuffer {
  GuestAddress address;
  std::span<std::byte> bytes;

  size_t size() const { return bytes.size(); }
  // Precondition: within the buffer.
  GuestBuffer Part(size_t offset, size_t count) const {
    return {GuestAddress(address.value() + offset), bytes.subspan(offset, count)};
  }
};

// Guest RAM. The regions stay mapped for the object's life, so buffers and pointers into it never
// dangle before that. Thread-safe; what the bytes hold is the callers' business.
class GuestMemory {
 public:
  // The name that the regions' memfds bear in /proc/PID/fd and /proc/PID/maps.
  static constexpr char kFileName[] = "postern-vmm-guest-ram";

  struct RegionLayout {
    uint64_t guest_base = 0;
    size_t size = size_t{64} << 20;  // A multiple of the page size, as the two offsets.
    uint64_t file_offset = 0;        // Where in its memfd the region begins.
    // What the front end claims as its own address of the region; unset: where it really is mapped,
    // as QEMU does. UML claims the guest-physical address.
    std::optional<uint64_t> user_address = std::nullopt;
  };
  struct Region {
    uint64_t guest_base = 0;
    size_t size = 0;
    uint64_t file_offset = 0;
    uint64_t user_address = 0;
    std::byte* host = nullptr;
    UniqueFd fd;
  };

  // EINVAL for an empty list or overlapping regions.
  static ErrnoOr<std::unique_ptr<GuestMemory>> Create(std::span<const RegionLayout> layout);
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  // A zeroed buffer from the first region that has room, or from region `region` only. There is no
  // way to give one back: make what is needed at start and reuse it. ENOMEM. `alignment` is a power
  // of two.
  ErrnoOr<GuestBuffer> Allocate(size_t size, size_t alignment = 16,
                                std::optional<size_t> region = std::nullopt)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The host's view of [address, address + size), or null if that isn't inside one region.
  std::byte* HostPointer(GuestAddress address, size_t size) const;
  // The front end's address of a guest-physical one; 0 if there is none.
  UserAddress ToUserAddress(GuestAddress address) const;

  const std::vector<Region>& regions() const { return regions_; }

 private:
  GuestMemory() = default;
  const Region* FindRegion(GuestAddress address, size_t size) const;

  std::vector<Region> regions_;  // Fixed by Create().
  absl::Mutex mutex_;
  std::vector<size_t> used_ ABSL_GUARDED_BY(mutex_);  // Bytes handed out of each region.
};

// Equal buffers that come and go. Belongs to one thread.
class BufferPool {
 public:
  static ErrnoOr<BufferPool> Create(GuestMemory& memory, size_t buffer_size, size_t count);

  // Nothing if all are taken.
  std::optional<GuestBuffer> Take();
  // Precondition: `buffer` came from Take().
  void Give(const GuestBuffer& buffer) { free_.push_back(buffer); }
  size_t available() const { return free_.size(); }

 private:
  std::vector<GuestBuffer> free_;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_GUEST_MEMORY_H_
