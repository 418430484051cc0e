// Front ends that go, at the worst of times. The daemon ends as after any disconnect.
#include <fcntl.h>

#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using vmm::VringAddr;

// The set-up, message by message, as QEMU sends it; the memory and the ring are what they should
// be. Returns after `steps` of them; false if there are no more.
bool SetUp(AttackContext& context, vmm::GuestMemory& memory, vmm::DriverQueue& ring, int steps) {
  vmm::VhostUserClient& client = context.client();
  const auto step = [&steps](auto message) {
    if (steps-- > 0) message();
  };
  step([&] { (void)client.GetFeatures(); });
  step([&] { (void)client.GetProtocolFeatures(); });
  step([&] {
    (void)client.SetProtocolFeatures(vmm::kProtocolMq | vmm::kProtocolReplyAck |
                                     vmm::kProtocolConfigureMemSlots);
  });
  step([&] { (void)client.GetQueueNum(); });
  step([&] { (void)client.SetOwner(); });
  step([&] { (void)client.SetFeatures(vmm::kFeatureProtocolFeatures | vmm::kFeatureVersion1); });
  step([&] { (void)client.AddMemReg(memory.regions()[0]); });
  step([&] { (void)client.SetVringErr(1, ring.error_fd()); });
  step([&] { (void)client.SetVringNum(1, ring.size()); });
  step([&] { (void)client.SetVringBase(1, 0); });
  step([&] {
    (void)client.SetVringAddr(
        VringAddr{.index = 1,
                  .flags = 0,
                  .descriptor = memory.ToUserAddress(ring.descriptor_address()).value(),
                  .used = memory.ToUserAddress(ring.used_address()).value(),
                  .available = memory.ToUserAddress(ring.available_address()).value(),
                  .log = 0});
  });
  step([&] { (void)client.SetVringKick(1, ring.kick_fd()); });
  step([&] { (void)client.SetVringCall(1, ring.call_fd()); });
  step([&] { (void)client.SetVringEnable(1, true); });
  step([&] { (void)client.GetVringBase(1); });
  step([&] { (void)client.RemMemReg(memory.regions()[0]); });
  return steps <= 0;
}

// A daemon for each step.
template <int first, int last>
void AtEachStep(AttackContext& context) {
  for (int steps = first; steps <= last && context.failure().empty(); ++steps) {
    const vmm::GuestMemory::RegionLayout layout{.size = size_t{1} << 20};
    const auto memory = vmm::GuestMemory::Create(std::span(&layout, 1));
    if (!memory.ok()) return context.Fail("no memory");
    const auto ring = vmm::DriverQueue::Create(**memory, {.indirect = false, .event_index = false});
    if (!ring.ok()) return context.Fail("no ring");
    if (steps > first) {
      if (!context.Start().ok()) return context.Fail("doesn't start again");
    }
    SetUp(context, **memory, **ring, steps);
    context.DisconnectAndExpectExit(0);
  }
}

void Fill(AttackContext& context, const std::string& request, size_t reply_bytes) {
  const vmm::GuestBuffer memory = context.scratch();
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const vmm::Segment readable{memory.address, static_cast<uint32_t>(request.size())};
  const vmm::Segment writable{memory.Part(size_t{1} << 19, reply_bytes).address,
                              static_cast<uint32_t>(reply_bytes)};
  while (context.queue()
             .SubmitRaw(std::span(&readable, 1), std::span(&writable, 1), nullptr, nullptr)
             .ok()) {
  }
  context.queue().Flush();
}

void WithBrokerRequests(AttackContext& context) {
  Fill(context, Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, sizeof(kCanary))), 512);
  context.DisconnectAndExpectExit(0);
}
void WithWritesAndSyncs(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto made = fuse.Create(kRootNodeId, "file", O_RDWR);
  if (!made.ok()) return context.Fail("can't make");
  Fill(context,
       Request({.opcode = FUSE_FSYNC, .node = made->entry.nodeid},
               Bytes(fuse_fsync_in{.fh = made->opened.fh})),
       64);
  context.DisconnectAndExpectExit(0);
}
void WithAHalfMessage(AttackContext& context) {
  const vmm::VhostHeader header{12, 1, 8};
  (void)context.client().SendRaw(std::as_bytes(std::span(&header, 1)));
  context.DisconnectAndExpectExit(0);
}
void WithABrokenQueue(AttackContext& context) {
  context.ring().AddRawHead(0xffff);
  context.ring().Publish();
  context.ring().Kick();
  context.DisconnectAndExpectExit(0);
}
void WithoutWord(AttackContext& context) { context.DisconnectAndExpectExit(0); }

constexpr auto kEnds = static_cast<uint32_t>(Outcome::kSessionEnded);
Attack Fresh(std::string_view name, void (*run)(AttackContext&)) {
  return {.family = "disconnect",
          .name = name,
          .run = run,
          .survives = kEnds,
          .stage = Attack::Stage::kSocket};
}
Attack Served(std::string_view name, void (*run)(AttackContext&)) {
  return {.family = "disconnect", .name = name, .run = run, .survives = kEnds};
}

}  // namespace

std::span<const Attack> DisconnectAttacks() {
  static const Attack kAttacks[] = {
      Fresh("at-steps-0-to-5-of-the-set-up", &AtEachStep<0, 5>),
      Fresh("at-steps-6-to-10-of-the-set-up", &AtEachStep<6, 10>),
      Fresh("at-steps-11-to-16-of-the-set-up", &AtEachStep<11, 16>),
      Served("with-a-full-ring-of-lookups", &WithBrokerRequests),
      Served("with-a-full-ring-of-syncs", &WithWritesAndSyncs),
      Served("with-half-a-message", &WithAHalfMessage),
      Served("with-a-broken-queue", &WithABrokenQueue),
      Served("without-a-word", &WithoutWord),
  };
  return kAttacks;
}

}  // namespace postern::hostile
