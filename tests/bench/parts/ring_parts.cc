// A virtqueue's two sides in one thread: chains as Linux makes them for a lookup. Items are chains.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "tests/vmm/driver_queue.h"
#include "tests/vmm/guest_memory.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/virtqueue.h"

namespace postern::bench {
namespace {

constexpr uint32_t kHeaderBytes = 40;
constexpr uint32_t kReplyBytes = 144;

class Ring {
 public:
  Ring() {
    const vmm::GuestMemory::RegionLayout layout[] = {{}};
    memory_ = *vmm::GuestMemory::Create(layout);
    driver_ = *vmm::DriverQueue::Create(*memory_, {});
    std::vector<MemoryTable::NewRegion> regions;
    for (const vmm::GuestMemory::Region& region : memory_->regions()) {
      regions.push_back({{GuestAddress(region.guest_base), region.size,
                          FrontEndAddress(region.user_address), region.file_offset},
                         region.fd.get()});
    }
    const auto address = [this](vmm::GuestAddress guest) {
      return FrontEndAddress(memory_->ToUserAddress(guest).value());
    };
    VirtqueueSettings settings;
    settings.size = driver_->size();
    settings.descriptor_table = address(driver_->descriptor_address());
    settings.available_ring = address(driver_->available_address());
    settings.used_ring = address(driver_->used_address());
    settings.indirect_descriptors = true;
    settings.event_index = true;
    device_ = *Virtqueue::Activate(settings, *MemoryTable::Of(regions));
    const auto buffer = *memory_->Allocate(4096);
    readable_ = {{buffer.address, kHeaderBytes},
                 {vmm::GuestAddress(buffer.address.value() + kHeaderBytes), 12}};
    writable_ = {{vmm::GuestAddress(buffer.address.value() + 2048), 16},
                 {vmm::GuestAddress(buffer.address.value() + 2064), kReplyBytes - 16}};
  }

  void Offer(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      if (!driver_->Add(readable_, writable_, 0).ok()) std::abort();
    }
    driver_->Publish();
  }
  void Reap() {
    while ((*driver_->PopUsed()).has_value()) {
    }
  }
  Virtqueue& device() { return *device_; }

 private:
  std::unique_ptr<vmm::GuestMemory> memory_;
  std::unique_ptr<vmm::DriverQueue> driver_;
  std::unique_ptr<Virtqueue> device_;
  std::vector<vmm::Segment> readable_;
  std::vector<vmm::Segment> writable_;
};

// What the front end alone takes for it: to be taken off the one below.
void DriverOnly(benchmark::State& state) {
  const vmm::GuestMemory::RegionLayout layout[] = {{}};
  const auto memory = *vmm::GuestMemory::Create(layout);
  const auto driver = *vmm::DriverQueue::Create(*memory, {});
  const auto buffer = *memory->Allocate(4096);
  const std::vector<vmm::Segment> segments = {{buffer.address, 16}, {buffer.address, 16}};
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) {
      if (!driver->Add(segments, segments, 0).ok()) std::abort();
    }
    driver->Publish();
    driver->Reset();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(DriverOnly)->Arg(32);

void PopPushPublish(benchmark::State& state) {
  Ring ring;
  DescriptorChain chain;
  std::byte header[kHeaderBytes];
  const std::byte reply[kReplyBytes] = {};
  for (auto _ : state) {
    ring.Offer(state.range(0));
    while (ring.device().Pop(chain) == Virtqueue::PopResult::kChain) {
      if (!chain.CopyFromGuest(0, header) || !chain.CopyToGuest(0, reply)) std::abort();
      ring.device().Push(chain.head(), kReplyBytes);
    }
    benchmark::DoNotOptimize(ring.device().Publish());
    ring.Reap();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(PopPushPublish)->Arg(1)->Arg(32);

}  // namespace
}  // namespace postern::bench
