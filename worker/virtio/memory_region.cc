#include "worker/virtio/memory_region.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "common/checked.h"
#include "common/logging.h"

namespace postern {
namespace {

// mmap(2) and munmap(2) want multiples of the file's own page: on hugetlbfs st_blksize is the huge
// page. Elsewhere a larger one than needed only maps a few pages around the region, which no
// address leads to.
uint64_t MappingGranularity(const struct stat& status) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const auto block = static_cast<uint64_t>(std::max<blksize_t>(status.st_blksize, 0));
  constexpr uint64_t kLargestHugePage = uint64_t{16} << 30;
  return std::has_single_bit(block) && block <= kLargestHugePage ? std::max(page, block) : page;
}

}  // namespace

ErrnoOr<std::shared_ptr<const MemoryRegion>> MemoryRegion::Map(const MemoryRegionSettings& settings,
                                                               int fd) {
  if (settings.size == 0) return Errno(EINVAL);
  // With these, every later begin + size is known not to wrap.
  if (!CheckedAdd(settings.guest_address.value(), settings.size)) return Errno(EINVAL);
  if (!CheckedAdd(settings.front_end_address.value(), settings.size)) return Errno(EINVAL);
  const auto file_end = CheckedAdd(settings.mmap_offset, settings.size);
  if (!file_end || !NarrowOrNone<off_t>(*file_end)) return Errno(EINVAL);

  struct stat status;
  // By its number: fstat(3) is, with some C libraries, the call that takes a path, which the jail
  // forbids. Safe because on 64-bit architectures the library's structure is the kernel's.
  if (syscall(SYS_fstat, fd, &status) < 0) return Errno::Last();
  // Beyond the file's end every access raises SIGBUS. What isn't a regular file (a device's memory)
  // checks for itself.
  if (S_ISREG(status.st_mode) && std::cmp_less(status.st_size, *file_end)) return Errno(EINVAL);

  // Only what the region needs, not the whole file: what isn't mapped can't be reached from a
  // broken worker.
  const uint64_t granularity = MappingGranularity(status);
  const uint64_t lead = settings.mmap_offset % granularity;
  const uint64_t needed = lead + settings.size;  // <= file_end
  const uint64_t mapping_size = (needed + granularity - 1) / granularity * granularity;
  void* const mapping =
      mmap(nullptr, mapping_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
           static_cast<off_t>(settings.mmap_offset - lead));
  if (mapping == MAP_FAILED) return Errno::Last();
  return std::shared_ptr<const MemoryRegion>(
      new MemoryRegion(settings, mapping, mapping_size, lead));
}

MemoryRegion::~MemoryRegion() {
  if (munmap(mapping_, mapping_size_) < 0) {
    const Errno error = Errno::Last();
    POSTERN_LOG_ONCE(ERROR) << "munmap: " << error.Message();
  }
}

}  // namespace postern
