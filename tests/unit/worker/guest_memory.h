// A guest's memory for tests: what the front end would share, seen from the guest's side.
#ifndef POSTERN_TESTS_UNIT_WORKER_GUEST_MEMORY_H_
#define POSTERN_TESTS_UNIT_WORKER_GUEST_MEMORY_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.h"
#include "worker/virtio/memory_table.h"

namespace postern {

// Two regions that adjoin each other in the guest, and nowhere else: in the file they lie the other
// way round, and in the front end far apart.
class GuestMemory {
 public:
  static constexpr uint64_t kLow = 0x100000;
  static constexpr uint64_t kLowSize = 0x200000;
  static constexpr uint64_t kHigh = kLow + kLowSize;
  static constexpr uint64_t kHighSize = 0x100000;
  static constexpr uint64_t kEnd = kHigh + kHighSize;
  // For buffers: what lies before is for rings.
  static constexpr uint64_t kData = kLow + 0x100000;
  static constexpr uint64_t kFrontEndLow = 0x7f0000000000;
  static constexpr uint64_t kFrontEndHigh = 0x7e0000000000;

  GuestMemory() : fd_(memfd_create("guest", MFD_CLOEXEC)) {
    if (ftruncate(fd_.get(), static_cast<off_t>(kLowSize + kHighSize)) != 0) abort();
    void* const mapping =
        mmap(nullptr, kLowSize + kHighSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (mapping == MAP_FAILED) abort();
    base_ = static_cast<std::byte*>(mapping);
  }
  ~GuestMemory() { munmap(base_, kLowSize + kHighSize); }
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  int fd() const { return fd_.get(); }
  static MemoryRegionSettings Low() {
    return {GuestAddress(kLow), kLowSize, FrontEndAddress(kFrontEndLow), kHighSize};
  }
  static MemoryRegionSettings High() {
    return {GuestAddress(kHigh), kHighSize, FrontEndAddress(kFrontEndHigh), 0};
  }
  std::shared_ptr<const MemoryTable> Table() const {
    const MemoryTable::NewRegion regions[] = {{Low(), fd()}, {High(), fd()}};
    return *MemoryTable::Of(regions);
  }

  // The test's own view of guest-physical `address`, in another mapping than the code under test
  // has.
  std::byte* At(uint64_t address) const {
    if (address >= kHigh) return base_ + (address - kHigh);
    return base_ + kHighSize + (address - kLow);
  }
  template <typename T>
  T Load(uint64_t address) const {
    T value;
    std::memcpy(&value, At(address), sizeof(T));
    return value;
  }
  template <typename T>
  void Store(uint64_t address, const T& value) const {
    std::memcpy(At(address), &value, sizeof(T));
  }
  // Both byte by byte, and so across the regions.
  void Write(uint64_t address, std::string_view text) const {
    for (size_t i = 0; i < text.size(); ++i) Store(address + i, text[i]);
  }
  std::string Read(uint64_t address, size_t size) const {
    std::string text;
    for (size_t i = 0; i < size; ++i) text.push_back(Load<char>(address + i));
    return text;
  }

 private:
  UniqueFd fd_;
  std::byte* base_ = nullptr;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_GUEST_MEMORY_H_
