// Vring settings that no ring can have, and orders of messages that make no sense.
#include <array>

#include "common/checked.h"
#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using vmm::VhostRequest;
using vmm::VringAddr;
using Ack = vmm::VhostUserClient::Ack;

constexpr auto kIndex = static_cast<uint32_t>(kAttacked);
constexpr uint32_t kWrongIndices[] = {3, 64, 255, 65536, ~0u};

// Stops the attacked ring, lets `set` spoil a setting, and tries to start it. It mustn't; with the
// right settings it must.
template <void (*set)(AttackContext&, VringAddr)>
void StartWith(AttackContext& context) {
  vmm::FrontEnd& front_end = context.front_end();
  if (!front_end.StopQueue(kAttacked).ok()) return context.Fail("doesn't stop");
  const vmm::GuestMemory& memory = context.memory();
  const VringAddr address{
      .index = kIndex,
      .flags = 0,
      .descriptor = memory.ToUserAddress(context.ring().descriptor_address()).value(),
      .used = memory.ToUserAddress(context.ring().used_address()).value(),
      .available = memory.ToUserAddress(context.ring().available_address()).value(),
      .log = 0};
  set(context, address);
  if (context.client().SetVringKick(kIndex, context.ring().kick_fd(), Ack::kYes).ok()) {
    context.Fail("a ring with impossible settings was started");
  }
  if (!front_end.StartQueue(kAttacked).ok()) context.Fail("doesn't start again");
}

void Put(AttackContext& context, const VringAddr& address) {
  (void)context.client().SetVringAddr(address, Ack::kYes);
}
template <uint32_t size>
void Size(AttackContext& context, VringAddr) {
  if (context.client().SetVringNum(kIndex, size, Ack::kYes).ok()) context.Fail("taken: size");
}
template <uint64_t VringAddr::*part, uint64_t value>
void At(AttackContext& context, VringAddr address) {
  address.*part = value;
  Put(context, address);
}
template <uint64_t VringAddr::*part, uint64_t distance>
void Shifted(AttackContext& context, VringAddr address) {
  address.*part += distance;
  Put(context, address);
}
template <uint64_t VringAddr::*part>
void AtTheEnd(AttackContext& context, VringAddr address) {
  const vmm::GuestMemory::Region& region = context.memory().regions()[0];
  address.*part = region.user_address + region.size - 16;
  Put(context, address);
}
constexpr uint64_t kTop = ~uint64_t{0} - 15;

void WrongIndices(AttackContext& context) {
  vmm::VhostUserClient& client = context.client();
  for (const uint32_t index : kWrongIndices) {
    VringAddr address{};
    address.index = index;
    const bool any =
        client.SetVringNum(index, 128, Ack::kYes).ok() ||
        client.SetVringBase(index, 0, Ack::kYes).ok() ||
        client.SetVringAddr(address, Ack::kYes).ok() ||
        client.SetVringEnable(index, true, Ack::kYes).ok() ||
        client.SetVringKick(index & 0xffff'feff, context.ring().kick_fd(), Ack::kYes).ok() ||
        client.SetVringCall(index & 0xffff'feff, context.ring().call_fd(), Ack::kYes).ok() ||
        client.SetVringErr(index & 0xffff'feff, context.ring().error_fd(), Ack::kYes).ok();
    if (any) context.Fail("taken: a ring that there isn't");
  }
}

void BaseOfAWrongIndex(AttackContext& context) {
  (void)context.client().GetVringBase(77);
  if (context.daemon().WaitForExit(context.options().patience).has_value()) context.set_ended();
}

void WrongBases(AttackContext& context) {
  if (!context.front_end().StopQueue(kAttacked).ok()) return context.Fail("doesn't stop");
  for (const uint32_t base : {65536u, 1u << 31, ~0u}) {
    if (context.client().SetVringBase(kIndex, base, Ack::kYes).ok()) context.Fail("taken: base");
  }
  if (!context.front_end().StartQueue(kAttacked).ok()) context.Fail("doesn't start");
}

void WrongEnables(AttackContext& context) {
  for (const uint32_t value : {2u, 255u, ~0u}) {
    const std::array<uint32_t, 2> state{kIndex, value};
    if (context.client()
            .Command(VhostRequest::kSetVringEnable, std::as_bytes(std::span(state)), {}, Ack::kYes)
            .ok()) {
      context.Fail("taken: neither on nor off");
    }
  }
}

void ChangesWhileRunning(AttackContext& context) {
  if (context.client().SetVringNum(kIndex, 64, Ack::kYes).ok()) context.Fail("taken: size");
  if (context.client().SetVringBase(kIndex, 9, Ack::kYes).ok()) context.Fail("taken: base");
  VringAddr address{};
  address.index = kIndex;
  if (context.client().SetVringAddr(address, Ack::kYes).ok()) context.Fail("taken: addresses");
}

void StartsTwice(AttackContext& context) {
  for (int i = 0; i < 5; ++i) {
    if (!context.client().SetVringKick(kIndex, context.ring().kick_fd(), Ack::kYes).ok()) {
      context.Fail("refused");
    }
  }
}

void StopsTwice(AttackContext& context) {
  vmm::VhostUserClient& client = context.client();
  const auto base = client.GetVringBase(kIndex);
  const auto again = client.GetVringBase(kIndex);
  if (!base.ok() || !again.ok() || *base != *again) return context.Fail("not the same base");
  context.ResetDevice();
}

// From the very first message on: a ring before there is memory for it.
void StartsWithoutMemory(AttackContext& context) {
  vmm::VhostUserClient& client = context.client();
  const auto features = client.GetFeatures();
  if (!features.ok()) return context.Fail("no features");
  (void)client.SetProtocolFeatures(vmm::kProtocolReplyAck | vmm::kProtocolMq, Ack::kYes);
  const auto kick = EventFd::Create();
  (void)client.SetVringNum(1, 128, Ack::kYes);
  if (client.SetVringKick(1, kick->fd(), Ack::kYes).ok()) context.Fail("started");
  (void)client.SetVringEnable(1, true, Ack::kYes);
  (void)client.GetVringBase(1);
}

// Changes of the rings, while requests are on their way.
bool OffAndOn(AttackContext& context) {
  return context.client().SetVringEnable(kIndex, false, Ack::kYes).ok() &&
         context.client().SetVringEnable(kIndex, true, Ack::kYes).ok();
}
bool StopAndStart(AttackContext& context) {
  return context.front_end().StopQueue(kAttacked).ok() &&
         context.front_end().StartQueue(kAttacked).ok();
}
bool Calls(AttackContext& context) {
  return context.client().SetVringCall(kIndex, context.ring().call_fd(), Ack::kYes).ok();
}

void ResetStorm(AttackContext& context) {
  for (int i = 0; i < 50; ++i) {
    if (!context.client().ResetDevice(Ack::kYes).ok()) return context.Fail("refused");
  }
  context.ResetDevice();
}
void ResetWithFullRing(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const std::string request = Request({.opcode = FUSE_STATFS});
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const vmm::Segment readable{memory.address, static_cast<uint32_t>(request.size())};
  const vmm::Segment writable{memory.Part(4096, 512).address, 512};
  while (context.queue()
             .SubmitRaw(std::span(&readable, 1), std::span(&writable, 1), nullptr, nullptr)
             .ok()) {
  }
  context.queue().Flush();
  if (!context.client().ResetDevice(Ack::kYes).ok()) return context.Fail("refused");
  context.ResetDevice();
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 50) {
  return {.family = "vring", .name = name, .run = run, .rounds = rounds};
}

}  // namespace

std::span<const Attack> VringAttacks() {
  static const Attack kAttacks[] = {
      Row("size-0", &StartWith<Size<0>>),
      Row("size-3", &StartWith<Size<3>>),
      Row("size-65536", &StartWith<Size<65536>>),
      Row("size-4-gib", &StartWith<Size<~0u>>),
      Row("descriptors-at-0", &StartWith<At<&VringAddr::descriptor, 0>>),
      Row("descriptors-at-the-top", &StartWith<At<&VringAddr::descriptor, kTop>>),
      Row("descriptors-beyond-the-end", &StartWith<AtTheEnd<&VringAddr::descriptor>>),
      Row("descriptors-misaligned", &StartWith<Shifted<&VringAddr::descriptor, 8>>),
      Row("available-at-the-top", &StartWith<At<&VringAddr::available, kTop>>),
      Row("available-beyond-the-end", &StartWith<AtTheEnd<&VringAddr::available>>),
      Row("available-misaligned", &StartWith<Shifted<&VringAddr::available, 1>>),
      Row("used-at-the-top", &StartWith<At<&VringAddr::used, kTop>>),
      Row("used-beyond-the-end", &StartWith<AtTheEnd<&VringAddr::used>>),
      Row("used-misaligned", &StartWith<Shifted<&VringAddr::used, 2>>),
      Row("index-out-of-range", &WrongIndices),
      {.family = "vring",
       .name = "base-of-an-index-out-of-range",
       .run = &BaseOfAWrongIndex,
       .survives = static_cast<uint32_t>(Outcome::kSessionEnded)},
      Row("base-out-of-range", &WrongBases),
      Row("enable-out-of-range", &WrongEnables),
      Row("settings-change-while-running", &ChangesWhileRunning),
      Row("starts-twice", &StartsTwice),
      Row("stops-twice", &StopsTwice),
      {.family = "vring",
       .name = "starts-without-memory",
       .run = &StartsWithoutMemory,
       .stage = Attack::Stage::kSocket},
      Row(
          "off-and-on-while-serving",
          [](AttackContext& context) { ChangeWhileServing(context, &OffAndOn); }, 3),
      Row(
          "stop-and-start-while-serving",
          [](AttackContext& context) { ChangeWhileServing(context, &StopAndStart); }, 3),
      Row(
          "calls-change-while-serving",
          [](AttackContext& context) { ChangeWhileServing(context, &Calls); }, 3),
      Row("resets-without-end", &ResetStorm, 10),
      Row("reset-with-a-full-ring", &ResetWithFullRing, 20),
  };
  return kAttacks;
}

}  // namespace postern::hostile
