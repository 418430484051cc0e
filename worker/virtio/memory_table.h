// Which guest addresses are backed by memory, and where it is mapped.
#ifndef POSTERN_WORKER_VIRTIO_MEMORY_TABLE_H_
#define POSTERN_WORKER_VIRTIO_MEMORY_TABLE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/errno_or.h"
#include "worker/virtio/memory_region.h"

namespace postern {

// An immutable snapshot of the guest's memory map. A change makes a new table that shares the
// unchanged regions; a region is unmapped when the last table that has it goes. So whoever holds a
// table holds every address that it gave out. Safe to use from any thread.
class MemoryTable {
 public:
  // vhost-user, GET_MAX_MEM_SLOTS: as many as the Rust crates and libvhost-user offer.
  static constexpr size_t kMaxRegions = 509;

  // A region to be mapped; `fd` is borrowed.
  struct NewRegion {
    MemoryRegionSettings settings;
    int fd = -1;
  };

  // The table without a region.
  static std::shared_ptr<const MemoryTable> Empty();
  // A table of exactly `regions`. Errors as With(); on error nothing stays mapped.
  static ErrnoOr<std::shared_ptr<const MemoryTable>> Of(std::span<const NewRegion> regions);
  // This table and one more region.
  //   EEXIST  it overlaps another, in guest-physical or in front-end addresses
  //   ENOSPC  the table is full
  //   others  from MemoryRegion::Map()
  ErrnoOr<std::shared_ptr<const MemoryTable>> With(const NewRegion& region) const;
  // This table without the region that has this guest address, front-end address and size. ENOENT
  // if there is none.
  ErrnoOr<std::shared_ptr<const MemoryTable>> Without(const MemoryRegionSettings& region) const;

  // Appends the host ranges that back `size` guest-physical bytes at `address`: one, or several if
  // the bytes lie in regions that adjoin each other. None for size 0. False, and nothing appended,
  // if any byte isn't backed.
  [[nodiscard]] bool Translate(GuestAddress address, uint64_t size,
                               std::vector<iovec>& ranges) const;
  // The host address of `size` bytes at `address`, which lie in one region. EFAULT otherwise.
  ErrnoOr<std::byte*> HostAddress(FrontEndAddress address, uint64_t size) const;

  size_t region_count() const { return regions_.size(); }

 private:
  using Regions = std::vector<std::shared_ptr<const MemoryRegion>>;

  // What translation needs of a region, close together.
  struct Span {
    uint64_t guest_begin;
    uint64_t size;
    std::byte* host;
  };

  explicit MemoryTable(Regions regions);
  // Maps `region` and puts it in its place among `regions`. Errors as With().
  static ErrnoOrVoid Insert(const NewRegion& region, Regions& regions);
  // The region that holds `address`, or null.
  const Span* Find(uint64_t address) const;

  const Regions regions_;    // By guest address, ascending; no two overlap in either address space.
  std::vector<Span> spans_;  // The same, in the same order; constant, too.
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_MEMORY_TABLE_H_
