// Descriptor chains that no driver makes.
#include <fcntl.h>

#include <cstring>

#include "common/checked.h"
#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

constexpr uint32_t kStops = static_cast<uint32_t>(Outcome::kQueueStopped);
constexpr uint64_t kOutside = uint64_t{1} << 40;  // Where no guest memory is.
constexpr uint64_t kMemoryEnd = uint64_t{32} << 20;
constexpr uint32_t kPage = 4096;

// A LOOKUP of the canary in four descriptors: header, name, reply's header, reply's arguments.
// Changed by an attack before the device sees it.
struct Chain {
  AttackContext& context;
  uint16_t head;
  vring_desc* reference;  // Of an indirect table, else null.
  vring_desc* piece[4];

  // Gives the chain another table, of `count` entries in the scratch memory, and returns it.
  vring_desc* NewTable(uint32_t count) const {
    const vmm::GuestBuffer table = context.scratch().Part(kPage, count * sizeof(vring_desc));
    std::memset(table.bytes.data(), 0, table.size());
    reference->addr = table.address.value();
    reference->len = Narrow<uint32_t>(table.size());
    // Safe because the scratch memory is page-aligned and descriptors are plain data.
    return reinterpret_cast<vring_desc*>(table.bytes.data());
  }
};

// Builds the chain, lets `change` spoil it, and sends it.
template <void (*change)(const Chain&)>
void Spoil(AttackContext& context) {
  const vmm::GuestBuffer memory = context.scratch();
  const std::string request =
      Request({.opcode = FUSE_LOOKUP}, std::string_view(kCanary, sizeof(kCanary)));
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const auto at = [&](size_t offset, size_t size) {
    return vmm::Segment{memory.Part(offset, size).address, Narrow<uint32_t>(size)};
  };
  const size_t header = sizeof(fuse_in_header);
  const vmm::Segment readable[] = {at(0, header), at(header, request.size() - header)};
  const vmm::Segment writable[] = {at(2048, sizeof(fuse_out_header)),
                                   at(2048 + sizeof(fuse_out_header), sizeof(fuse_entry_out))};
  const auto head = context.AddChain(readable, writable);
  if (!head.has_value()) return;
  Chain chain{context, *head, nullptr, {}};
  vring_desc* table = context.ring().raw_descriptors();
  size_t index = *head;
  if (context.ring().indirect()) {
    chain.reference = &table[*head];
    // Safe because tables are 16-aligned (DriverQueue::Create()) and of plain data.
    table = reinterpret_cast<vring_desc*>(context.ring().raw_indirect_table(*head).bytes.data());
    index = 0;
  }
  for (vring_desc*& piece : chain.piece) {
    piece = &table[index];
    index = piece->next;
  }
  change(chain);
  context.Await();
}

void Link(vring_desc* from, size_t to) {
  from->flags |= VRING_DESC_F_NEXT;
  from->next = static_cast<uint16_t>(to);
}

// ---- loops and indices ----
void OwnNext(const Chain& chain) { Link(chain.piece[0], chain.head); }
void LastToFirst(const Chain& chain) { Link(chain.piece[3], chain.head); }
void LastToSecond(const Chain& chain) { Link(chain.piece[3], chain.piece[0]->next); }
void NextIsSize(const Chain& chain) { Link(chain.piece[1], chain.context.ring().size()); }
void NextIsLargest(const Chain& chain) { Link(chain.piece[1], 0xffff); }
void HeadIsSize(const Chain& chain) {
  chain.context.ring().AddRawHead(chain.context.ring().size());
}
void HeadIsLargest(const Chain& chain) { chain.context.ring().AddRawHead(0xffff); }
void SameHeadTwice(const Chain& chain) { chain.context.ring().AddRawHead(chain.head); }
// Its tail is a chain as well, of less than a header. Nobody made it, so nobody can record that it
// comes back: the guest looks at the used index alone, and resets the device.
void HeadInsideAnotherChain(const Chain& chain) {
  vmm::DriverQueue& ring = chain.context.ring();
  ring.AddRawHead(chain.piece[0]->next);
  ring.Publish();
  ring.Kick();
  chain.context.AwaitUsedIndex(ring.available_index());
  if (!chain.context.over()) chain.context.ResetDevice();
}
void UnknownFlags(const Chain& chain) {
  for (vring_desc* piece : chain.piece) piece->flags |= 0xfff8;
}

// ---- indirect tables ----
void Nested(const Chain& chain) {
  *chain.piece[1] = *chain.reference;
  chain.piece[1]->flags = VRING_DESC_F_INDIRECT;
}
void NestedInItself(const Chain& chain) {
  chain.piece[0]->flags |= VRING_DESC_F_INDIRECT;
  chain.piece[0]->addr = chain.reference->addr;
  chain.piece[0]->len = chain.reference->len;
}
void TableWithNext(const Chain& chain) { Link(chain.reference, chain.head); }
void TableWithWrite(const Chain& chain) { chain.reference->flags |= VRING_DESC_F_WRITE; }
void TableOfAFraction(const Chain& chain) { chain.reference->len = 4 * 16 + 1; }
void TableOfFifteenBytes(const Chain& chain) { chain.reference->len = 15; }
void TableOfNothing(const Chain& chain) { chain.reference->len = 0; }
void TableOf4GiB(const Chain& chain) { chain.reference->len = 0xfffffff0; }
void TableOutside(const Chain& chain) { chain.reference->addr = kOutside; }
void TableBeyondTheEnd(const Chain& chain) { chain.reference->addr = kMemoryEnd - 16; }
void TableWraps(const Chain& chain) { chain.reference->addr = ~uint64_t{0} - 15; }
void TableLoop(const Chain& chain) { Link(chain.piece[3], 0); }
void TableNextBeyond(const Chain& chain) { Link(chain.piece[3], 4); }
void TableNextIntoTheRing(const Chain& chain) { Link(chain.piece[0], 100); }
void TableUnaligned(const Chain& chain) {
  vring_desc* const table = chain.NewTable(5);
  auto* const bytes = reinterpret_cast<std::byte*>(table);
  for (size_t i = 0; i < 4; ++i) {
    std::memcpy(bytes + 1 + i * sizeof(vring_desc), chain.piece[i], sizeof(vring_desc));
  }
  chain.reference->addr += 1;
  chain.reference->len = 4 * sizeof(vring_desc);
}
void TableOf(const Chain& chain, uint32_t count) {
  vring_desc* const table = chain.NewTable(count);
  for (uint32_t i = 0; i + 2 < count; ++i) {
    table[i] = {chain.piece[0]->addr + i % 40, 1, VRING_DESC_F_NEXT, static_cast<uint16_t>(i + 1)};
  }
  table[count - 2] = *chain.piece[2];
  table[count - 2].next = static_cast<uint16_t>(count - 1);
  table[count - 1] = *chain.piece[3];
}
void TableOf1024(const Chain& chain) { TableOf(chain, 1024); }
void TableOf1025(const Chain& chain) { TableOf(chain, 1025); }
void TableOf32768(const Chain& chain) { TableOf(chain, 32768); }
void NotNegotiated(const Chain& chain) {
  Chain indirect = chain;
  indirect.reference = chain.piece[0];
  const vring_desc first = *chain.piece[0];
  indirect.NewTable(1)[0] = first;
  chain.piece[0]->flags = VRING_DESC_F_INDIRECT;
}

// ---- buffers ----
void AllLengthsZero(const Chain& chain) {
  for (vring_desc* piece : chain.piece) piece->len = 0;
}
void NameOfLengthZero(const Chain& chain) { chain.piece[1]->len = 0; }
void ReplyOfLengthZero(const Chain& chain) { chain.piece[3]->len = 0; }
void RequestOutside(const Chain& chain) { chain.piece[0]->addr = kOutside; }
void ReplyOutside(const Chain& chain) { chain.piece[3]->addr = kOutside; }
void RequestBeyondTheEnd(const Chain& chain) { chain.piece[0]->addr = kMemoryEnd - 8; }
void ReplyBeyondTheEnd(const Chain& chain) { chain.piece[3]->addr = kMemoryEnd - 8; }
void RequestWraps(const Chain& chain) { chain.piece[0]->addr = ~uint64_t{0} - 7; }
void ReplyWraps(const Chain& chain) { chain.piece[3]->addr = ~uint64_t{0}; }
void LengthOf4GiB(const Chain& chain) { chain.piece[3]->len = 0xffffffff; }
void HeaderAcrossTwoRegions(const Chain& chain) {
  vmm::GuestMemory& memory = chain.context.memory();
  const uint64_t address = kMemoryEnd - 16;
  const vmm::GuestAddress from(chain.piece[0]->addr);
  // The two halves lie apart on our side.
  std::byte* const lower = memory.HostPointer(vmm::GuestAddress(address), 16);
  std::byte* const upper = memory.HostPointer(vmm::GuestAddress(kMemoryEnd), 24);
  const std::byte* const header = memory.HostPointer(from, 40);
  std::memcpy(lower, header, 16);
  std::memcpy(upper, header + 16, 24);
  chain.piece[0]->addr = address;
}
void TableAcrossTwoRegions(const Chain& chain) {
  vmm::GuestMemory& memory = chain.context.memory();
  const uint64_t address = kMemoryEnd - 32;
  std::byte* const lower = memory.HostPointer(vmm::GuestAddress(address), 32);
  std::byte* const upper = memory.HostPointer(vmm::GuestAddress(kMemoryEnd), 32);
  std::memcpy(lower, chain.piece[0], 32);
  std::memcpy(upper, chain.piece[2], 32);
  chain.reference->addr = address;
}
void ReadableAfterWritable(const Chain& chain) { chain.piece[3]->flags = 0; }
void OnlyWritable(const Chain& chain) {
  chain.piece[0]->flags |= VRING_DESC_F_WRITE;
  chain.piece[1]->flags |= VRING_DESC_F_WRITE;
}
void OnlyReadable(const Chain& chain) {
  chain.piece[2]->flags = VRING_DESC_F_NEXT;
  chain.piece[3]->flags = 0;
}
void Over4GiB(const Chain& chain) {
  constexpr uint32_t kCount = 200;
  vring_desc* const table = chain.NewTable(kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    table[i] = {0, static_cast<uint32_t>(kMemoryEnd), VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
                static_cast<uint16_t>(i + 1)};
  }
  table[kCount - 1].flags = VRING_DESC_F_WRITE;
}

// ---- the device's own structures as buffers ----
void ReplyInto(const Chain& chain, const vmm::GuestBuffer& target) {
  chain.piece[2]->addr = target.address.value();
  chain.piece[3]->addr = target.address.value();
}
void ReplyIntoUsedRing(const Chain& chain) { ReplyInto(chain, chain.context.ring().raw_used()); }
void ReplyIntoAvailableRing(const Chain& chain) {
  ReplyInto(chain, chain.context.ring().raw_available());
}
void ReplyIntoDescriptors(const Chain& chain) {
  chain.piece[2]->addr = chain.context.ring().descriptor_address().value();
  chain.piece[3]->addr = chain.context.ring().descriptor_address().value();
}
void ReplyIntoRequest(const Chain& chain) {
  chain.piece[2]->addr = chain.piece[0]->addr;
  chain.piece[3]->addr = chain.piece[0]->addr;
}

constexpr uint32_t kEither = Outcome::kAnswered | Outcome::kQueueStopped;

constexpr auto kAnswers = static_cast<uint32_t>(Outcome::kAnswered);

// Rounds with a reset in each are dearer.
Attack Breaks(std::string_view name, void (*run)(AttackContext&), bool indirect = false) {
  return {.family = "chain",
          .name = name,
          .run = run,
          .survives = kStops,
          .rounds = 40,
          .indirect = indirect};
}
Attack Passes(std::string_view name, void (*run)(AttackContext&), bool indirect = false,
              uint32_t survives = kAnswers) {
  return {.family = "chain",
          .name = name,
          .run = run,
          .survives = survives,
          .rounds = 300,
          .indirect = indirect};
}
Attack TwoRegions(std::string_view name, void (*run)(AttackContext&)) {
  Attack attack = Passes(name, run, true);
  attack.two_regions = true;
  return attack;
}
constexpr bool kIndirect = true;

}  // namespace

std::span<const Attack> ChainAttacks() {
  static const Attack kAttacks[] = {
      Breaks("own-next", &Spoil<OwnNext>),
      Breaks("last-to-first", &Spoil<LastToFirst>),
      Breaks("last-to-second", &Spoil<LastToSecond>),
      Breaks("next-is-ring-size", &Spoil<NextIsSize>),
      Breaks("next-is-65535", &Spoil<NextIsLargest>),
      Breaks("head-is-ring-size", &Spoil<HeadIsSize>),
      Breaks("head-is-65535", &Spoil<HeadIsLargest>),
      Breaks("same-head-twice", &Spoil<SameHeadTwice>),
      Passes("head-inside-another-chain", &Spoil<HeadInsideAnotherChain>),
      Passes("unknown-flags", &Spoil<UnknownFlags>),
      Breaks("indirect-in-indirect", &Spoil<Nested>, kIndirect),
      Breaks("indirect-in-itself", &Spoil<NestedInItself>, kIndirect),
      Breaks("indirect-with-next", &Spoil<TableWithNext>, kIndirect),
      Passes("indirect-with-write", &Spoil<TableWithWrite>, kIndirect),
      Breaks("indirect-of-65-bytes", &Spoil<TableOfAFraction>, kIndirect),
      Breaks("indirect-of-15-bytes", &Spoil<TableOfFifteenBytes>, kIndirect),
      Breaks("indirect-of-0-bytes", &Spoil<TableOfNothing>, kIndirect),
      Breaks("indirect-of-4-gib", &Spoil<TableOf4GiB>, kIndirect),
      Passes("indirect-outside-memory", &Spoil<TableOutside>, kIndirect),
      Passes("indirect-beyond-memory-end", &Spoil<TableBeyondTheEnd>, kIndirect),
      Passes("indirect-address-wraps", &Spoil<TableWraps>, kIndirect),
      Breaks("indirect-loop", &Spoil<TableLoop>, kIndirect),
      Breaks("indirect-next-beyond-table", &Spoil<TableNextBeyond>, kIndirect),
      Breaks("indirect-next-far-beyond-table", &Spoil<TableNextIntoTheRing>, kIndirect),
      Passes("indirect-unaligned", &Spoil<TableUnaligned>, kIndirect),
      Passes("indirect-of-1024-entries", &Spoil<TableOf1024>, kIndirect),
      Breaks("indirect-of-1025-entries", &Spoil<TableOf1025>, kIndirect),
      Breaks("indirect-of-32768-entries", &Spoil<TableOf32768>, kIndirect),
      Breaks("indirect-not-negotiated", &Spoil<NotNegotiated>),
      Passes("all-lengths-zero", &Spoil<AllLengthsZero>),
      Passes("name-of-length-zero", &Spoil<NameOfLengthZero>),
      Passes("reply-of-length-zero", &Spoil<ReplyOfLengthZero>),
      Passes("request-outside-memory", &Spoil<RequestOutside>),
      Passes("reply-outside-memory", &Spoil<ReplyOutside>),
      Passes("request-beyond-memory-end", &Spoil<RequestBeyondTheEnd>),
      Passes("reply-beyond-memory-end", &Spoil<ReplyBeyondTheEnd>),
      Passes("request-address-wraps", &Spoil<RequestWraps>),
      Passes("reply-address-wraps", &Spoil<ReplyWraps>),
      // With the others it is over 4 GiB.
      Breaks("length-of-4-gib", &Spoil<LengthOf4GiB>),
      TwoRegions("header-across-two-regions", &Spoil<HeaderAcrossTwoRegions>),
      TwoRegions("indirect-across-two-regions", &Spoil<TableAcrossTwoRegions>),
      Breaks("readable-after-writable", &Spoil<ReadableAfterWritable>),
      Passes("only-writable", &Spoil<OnlyWritable>),
      Passes("only-readable", &Spoil<OnlyReadable>),
      Breaks("over-4-gib", &Spoil<Over4GiB>, kIndirect),
      Passes("reply-into-used-ring", &Spoil<ReplyIntoUsedRing>, kIndirect, kEither),
      Passes("reply-into-available-ring", &Spoil<ReplyIntoAvailableRing>, kIndirect, kEither),
      Passes("reply-into-descriptor-table", &Spoil<ReplyIntoDescriptors>, kIndirect),
      Passes("reply-into-request", &Spoil<ReplyIntoRequest>, kIndirect),
  };
  return kAttacks;
}

}  // namespace postern::hostile
