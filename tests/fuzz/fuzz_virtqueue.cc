// A hostile driver's rings and descriptor chains. The input is a queue's settings and the guest's
// memory.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "common/unique_fd.h"
#include "tests/fuzz/fuzz_input.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/virtqueue.h"

namespace postern {
namespace {

constexpr uint64_t kGuestBase = 0x10000;
constexpr uint64_t kFrontEndBase = 0x7f0000000000;
constexpr size_t kMemoryBytes = 64 * 1024;
// A queue that is never broken and never empty would be a finding of its own; the ring's index can
// announce this many at the most.
constexpr int kMaxPops = 65536;

// A guest whose memory lies in two regions that adjoin each other.
class Guest {
 public:
  Guest() : fd_(memfd_create("guest", MFD_CLOEXEC)) {
    POSTERN_HOLDS(ftruncate(fd_.get(), kMemoryBytes) == 0);
    void* const mapping =
        mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    POSTERN_HOLDS(mapping != MAP_FAILED);
    base_ = static_cast<std::byte*>(mapping);
    constexpr uint64_t kHalf = kMemoryBytes / 2;
    const std::array<MemoryTable::NewRegion, 2> regions = {
        MemoryTable::NewRegion{{GuestAddress(kGuestBase), kHalf, FrontEndAddress(kFrontEndBase), 0},
                               fd_.get()},
        MemoryTable::NewRegion{{GuestAddress(kGuestBase + kHalf), kHalf,
                                FrontEndAddress(kFrontEndBase + kHalf), kHalf},
                               fd_.get()}};
    auto table = MemoryTable::Of(regions);
    POSTERN_HOLDS(table.ok());
    table_ = *table;
  }

  void Fill(std::span<const std::byte> bytes) {
    std::memset(base_, 0, kMemoryBytes);
    std::memcpy(base_, bytes.data(), std::min(bytes.size(), kMemoryBytes));
  }
  const std::shared_ptr<const MemoryTable>& table() const { return table_; }

 private:
  UniqueFd fd_;
  std::byte* base_ = nullptr;
  std::shared_ptr<const MemoryTable> table_;
};

void UseChain(DescriptorChain& chain, std::vector<iovec>& ranges) {
  std::array<std::byte, 64> bytes{};
  POSTERN_HOLDS(chain.readable_bytes() + chain.writable_bytes() <= uint64_t{1} << 32);
  const size_t readable = std::min(bytes.size(), chain.readable_bytes());
  POSTERN_HOLDS(chain.CopyFromGuest(0, std::span(bytes).first(readable)));
  POSTERN_HOLDS(!chain.CopyFromGuest(chain.readable_bytes(), bytes));
  const size_t writable = std::min(bytes.size(), chain.writable_bytes());
  POSTERN_HOLDS(chain.CopyToGuest(chain.writable_bytes() - writable,
                                  std::span<const std::byte>(bytes).first(writable)));
  ranges.clear();
  POSTERN_HOLDS(chain.AppendReadable(0, chain.readable_bytes(), ranges));
  POSTERN_HOLDS(chain.AppendWritable(0, chain.writable_bytes(), ranges));
  size_t sum = 0;
  for (const iovec& range : ranges) sum += range.iov_len;
  POSTERN_HOLDS(sum == chain.readable_bytes() + chain.writable_bytes());
}

void Drive(Virtqueue& queue) {
  DescriptorChain chain;
  std::vector<iovec> ranges;
  for (int i = 0; i < kMaxPops; ++i) {
    const Virtqueue::PopResult result = queue.Pop(chain);
    POSTERN_HOLDS(queue.in_flight() <= queue.settings().size);
    switch (result) {
      case Virtqueue::PopResult::kChain:
        UseChain(chain, ranges);
        // Some stay in flight for a while.
        if (i % 3 != 0) queue.Push(chain.head(), static_cast<uint32_t>(chain.writable_bytes()));
        break;
      case Virtqueue::PopResult::kFailed:
        break;
      case Virtqueue::PopResult::kEmpty:
        queue.Publish();
        queue.DisableNotification();
        if (!queue.EnableNotification()) return;
        break;
      case Virtqueue::PopResult::kBroken:
        POSTERN_HOLDS(queue.broken() && !queue.broken_reason().empty());
        POSTERN_HOLDS(!queue.Publish() && !queue.HasAvailable());
        return;
    }
  }
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  static Guest guest;
  FuzzInput input(data, size);
  VirtqueueSettings settings;
  settings.size = input.Take<uint16_t>();
  settings.next_avail = input.Take<uint16_t>();
  settings.descriptor_table = FrontEndAddress(kFrontEndBase + input.Take<uint16_t>());
  settings.available_ring = FrontEndAddress(kFrontEndBase + input.Take<uint16_t>());
  settings.used_ring = FrontEndAddress(kFrontEndBase + input.Take<uint16_t>());
  const auto features = input.Take<uint8_t>();
  settings.indirect_descriptors = (features & 1) != 0;
  settings.event_index = (features & 2) != 0;
  guest.Fill(input.TakeRest());
  auto queue = Virtqueue::Activate(settings, guest.table());
  if (queue.ok()) Drive(**queue);
  return 0;
}
