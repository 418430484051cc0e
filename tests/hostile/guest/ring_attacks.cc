// Rings whose indices lie, and guests that rewrite what the device is reading.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>

#include "common/checked.h"
#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

// An available index beyond what a ring can hold.
template <uint16_t ahead>
void Jump(AttackContext& context) {
  vmm::DriverQueue& ring = context.ring();
  const auto index = static_cast<uint16_t>(ring.available_index() + ahead);
  ring.StoreAvailableIndex(index);
  ring.Kick();
  context.AwaitUsedIndex(index);
}

// As many chains as the ring holds, of which none was ever made.
void StaleHeads(AttackContext& context) {
  Jump<128>(context);
  if (!context.over()) context.ResetDevice();
}

// A process that changes guest memory as fast as it can, as a guest's other processor would, until
// the object goes. Not a thread: no sanitizer is to judge this race, which is what is wanted here.
class Changer {
 public:
  template <typename Change>
  explicit Changer(const Change& change) : pid_(fork()) {
    if (pid_ != 0) return;
    std::minstd_rand random(1);
    while (true) change(random);
  }
  ~Changer() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Changer(const Changer&) = delete;
  Changer& operator=(const Changer&) = delete;

 private:
  const pid_t pid_;
};

template <typename T>
void StoreAt(const vmm::GuestBuffer& memory, size_t offset, T value) {
  // Safe because the attack's offsets are aligned and inside.
  std::atomic_ref<T>(*reinterpret_cast<T*>(memory.bytes.data() + offset))
      .store(value, std::memory_order_relaxed);
}

// Requests for the reader to stumble over while they change. They end with the queue stopped, or
// when all are through; what the answers say is the guest's own affair.
constexpr int kBatchesWhileChanging = 400;
constexpr int kBatch = 8;

void SendWhile(AttackContext& context, const std::string& request) {
  const vmm::GuestBuffer memory = context.scratch();
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const vmm::Segment readable[] = {
      {memory.address, 40}, {memory.Part(40, 1).address, Narrow<uint32_t>(request.size() - 40)}};
  const vmm::Segment writable[] = {{memory.Part(2048, 1).address, 16},
                                   {memory.Part(2064, 1).address, 1024}};
  for (int i = 0; i < kBatchesWhileChanging && !context.over(); ++i) {
    // In batches, so that some are there when the device looks.
    for (int j = 0; j < kBatch; ++j) {
      if (!context.queue().SubmitRaw(readable, writable, nullptr, nullptr).ok()) break;
    }
    if (context.Await() != ChainEnd::kUsed) return;
  }
}

void HeaderChanges(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const Changer changer([memory](std::minstd_rand& random) {
    StoreAt<uint32_t>(memory, 0, random() % 3 == 0 ? static_cast<uint32_t>(random()) : 47);
    StoreAt<uint32_t>(memory, 4, static_cast<uint32_t>(random()) % 54);
    StoreAt<uint64_t>(memory, 16, random() % 4);
    StoreAt<uint16_t>(memory, 36, static_cast<uint16_t>(random() % 3));
  });
  // Not the canary: to unlink it, too, is a guest's right.
  SendWhile(context, Request({.opcode = FUSE_LOOKUP}, std::string_view("victim", 7)));
}

void NameChanges(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const Changer changer([memory](std::minstd_rand& random) {
    StoreAt<uint8_t>(memory, 40 + random() % 7, static_cast<uint8_t>("/.\0a"[random() % 4]));
  });
  SendWhile(context, Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, 7)));
}

// SETXATTR's size, checked against what comes, and WRITE's.
void SizesChange(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const Changer changer([memory](std::minstd_rand& random) {
    StoreAt<uint32_t>(memory, 4,
                      random() % 2 == 0 ? uint32_t{FUSE_SETXATTR} : uint32_t{FUSE_WRITE});
    StoreAt<uint32_t>(memory, 40, static_cast<uint32_t>(random()));
    StoreAt<uint32_t>(memory, 56, static_cast<uint32_t>(random()));
  });
  SendWhile(context, Request({.opcode = FUSE_SETXATTR}, std::string(200, 'x')));
}

void DescriptorsChange(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  vring_desc* const table = context.ring().raw_descriptors();
  const uint16_t size = context.ring().size();
  const Changer changer([memory, table, size](std::minstd_rand& random) {
    vring_desc& entry = table[random() % size];
    const uint64_t addresses[] = {memory.address.value(), uint64_t{1} << 40, ~uint64_t{0} - 7};
    std::atomic_ref<__virtio64>(entry.addr)
        .store(addresses[random() % 3], std::memory_order_relaxed);
    std::atomic_ref<uint32_t>(entry.len).store(static_cast<uint32_t>(random()),
                                               std::memory_order_relaxed);
    std::atomic_ref<uint16_t>(entry.flags)
        .store(static_cast<uint16_t>(random() % 8), std::memory_order_relaxed);
    std::atomic_ref<uint16_t>(entry.next)
        .store(static_cast<uint16_t>(random()), std::memory_order_relaxed);
  });
  SendWhile(context, Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, 7)));
}

// Only values that are right on their own, so that the ring lives on.
void LengthsChange(AttackContext& context) {
  vring_desc* const table = context.ring().raw_descriptors();
  const uint16_t size = context.ring().size();
  const Changer changer([table, size](std::minstd_rand& random) {
    std::atomic_ref<uint32_t>(table[random() % size].len)
        .store(static_cast<uint32_t>(random() % 200), std::memory_order_relaxed);
  });
  SendWhile(context, Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, 7)));
}

void IndirectTablesChange(AttackContext& context) {
  const vmm::GuestBuffer table = context.ring().raw_indirect_table(0);
  const Changer changer([table](std::minstd_rand& random) {
    StoreAt<uint64_t>(table, 16 * (random() % 4) + 8, random());
  });
  SendWhile(context, Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, 7)));
}

// The driver's own record is of no use when heads and indices change: chains are made available
// and nothing is expected of the used ring. In the end the guest resets its device, as it must.
void OfferWhile(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const std::string request = Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, 7));
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  vmm::DriverQueue& ring = context.ring();
  for (uint16_t i = 0; i < ring.size(); i = static_cast<uint16_t>(i + 2)) {
    vring_desc* const table = ring.raw_descriptors();
    table[i] = {memory.address.value(), 47, VRING_DESC_F_NEXT, static_cast<uint16_t>(i + 1)};
    table[i + 1] = {memory.Part(2048, 1).address.value(), 512, VRING_DESC_F_WRITE, 0};
  }
  for (int i = 0; i < kBatchesWhileChanging * kBatch && !context.ConnectionClosed(); ++i) {
    ring.AddRawHead(static_cast<uint16_t>(2 * i % ring.size()));
    ring.Publish();
    ring.Kick();
  }
}

void HeadsChange(AttackContext& context) {
  const vmm::GuestBuffer available = context.ring().raw_available();
  const size_t size = context.ring().size();
  {
    const Changer changer([available, size](std::minstd_rand& random) {
      const auto head = static_cast<uint16_t>(random() % size);
      StoreAt<uint16_t>(available, 4 + 2 * (random() % size), head);
    });
    OfferWhile(context);
  }
  context.ResetDevice();
}

void AvailableIndexChanges(AttackContext& context) {
  const vmm::GuestBuffer available = context.ring().raw_available();
  {
    const Changer changer([available](std::minstd_rand& random) {
      StoreAt<uint16_t>(available, 2, static_cast<uint16_t>(random()));
    });
    OfferWhile(context);
  }
  context.ResetDevice();
}

// The device never reads these; a guest that spoils them harms itself.
void UsedEventChanges(AttackContext& context) {
  const vmm::GuestBuffer available = context.ring().raw_available();
  const size_t event = available.size() - 2;
  const Changer changer([available, event](std::minstd_rand& random) {
    StoreAt<uint16_t>(available, event, static_cast<uint16_t>(random()));
    StoreAt<uint16_t>(available, 0, static_cast<uint16_t>(random()));
  });
  SendWhile(context, Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, 7)));
}

// A READ's buffer and the requests beside it change while the kernel writes there.
void ReplyChanges(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const Changer changer([memory](std::minstd_rand& random) {
    StoreAt<uint64_t>(memory, 2048 + 8 * (random() % 16), random());
  });
  SendWhile(context, Request({.opcode = FUSE_STATFS}, "12345678"));
}

// Spoils the device's ring after each use. What the device wrote itself it mustn't believe.
void UsedRingIsScribbledOver(AttackContext& context) {
  const std::string request = Request({.opcode = FUSE_STATFS});
  for (int i = 0; i < 1000 && !context.over(); ++i) {
    context.Send(request);
    const vmm::GuestBuffer used = context.ring().raw_used();
    std::memset(used.bytes.data() + 4, 0xff, used.size() - 8);
  }
}

Attack Stops(std::string_view name, void (*run)(AttackContext&)) {
  return {.family = "ring",
          .name = name,
          .run = run,
          .survives = static_cast<uint32_t>(Outcome::kQueueStopped),
          .rounds = 40};
}
Attack Changing(std::string_view name, void (*run)(AttackContext&), bool indirect,
                uint32_t survives = static_cast<uint32_t>(Outcome::kAnswered)) {
  return {.family = "ring", .name = name, .run = run, .survives = survives, .indirect = indirect};
}
constexpr uint32_t kEither = Outcome::kAnswered | Outcome::kQueueStopped;

}  // namespace

std::span<const Attack> RingAttacks() {
  static const Attack kAttacks[] = {
      Stops("available-index-jumps-over-the-size", &Jump<129>),
      Stops("available-index-jumps-half-way", &Jump<32768>),
      Stops("available-index-jumps-by-65535", &Jump<65535>),
      Changing("available-index-claims-stale-heads", &StaleHeads, true, kEither),
      Changing("header-changes-while-read", &HeaderChanges, true),
      Changing("name-changes-while-read", &NameChanges, true),
      Changing("sizes-change-while-read", &SizesChange, true),
      Changing("descriptors-change-while-read", &DescriptorsChange, false, kEither),
      Changing("lengths-change-while-read", &LengthsChange, false, kEither),
      Changing("indirect-tables-change-while-read", &IndirectTablesChange, true, kEither),
      Changing("heads-change-while-read", &HeadsChange, true),
      Changing("available-index-changes-while-read", &AvailableIndexChanges, true),
      Changing("events-change-while-read", &UsedEventChanges, true),
      Changing("reply-changes-while-written", &ReplyChanges, true),
      Changing("used-ring-is-scribbled-over", &UsedRingIsScribbledOver, true),
  };
  return kAttacks;
}

}  // namespace postern::hostile
