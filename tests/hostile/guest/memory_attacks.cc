// Memory tables that lie about what is behind them, and memory that goes while it is used.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using vmm::MemoryRegion;
using vmm::VhostRequest;
using Ack = vmm::VhostUserClient::Ack;

constexpr uint64_t kMiB = uint64_t{1} << 20;
// Away from the front end's own region, on either side.
constexpr MemoryRegion kElsewhere = {.guest_address = uint64_t{1} << 41,
                                     .size = kMiB,
                                     .user_address = uint64_t{1} << 41,
                                     .mmap_offset = 0};

UniqueFd MemoryFile(uint64_t size, unsigned flags = 0) {
  UniqueFd fd(memfd_create("attack", MFD_CLOEXEC | flags));
  (void)!ftruncate(fd.get(), static_cast<off_t>(size));
  return fd;
}

bool Add(AttackContext& context, const MemoryRegion& region, int fd) {
  const vmm::SingleMemoryRegion payload{.padding = 0, .region = region};
  return context.client()
      .Command(VhostRequest::kAddMemReg, std::as_bytes(std::span(&payload, 1)), std::span(&fd, 1),
               Ack::kYes)
      .ok();
}
bool Remove(AttackContext& context, const MemoryRegion& region) {
  const vmm::SingleMemoryRegion payload{.padding = 0, .region = region};
  return context.client()
      .Command(VhostRequest::kRemMemReg, std::as_bytes(std::span(&payload, 1)), {}, Ack::kYes)
      .ok();
}
void ExpectRefused(AttackContext& context, const char* what, const MemoryRegion& region, int fd) {
  if (Add(context, region, fd)) context.Fail(std::string("taken: ") + what);
}

void FileTooSmall(AttackContext& context) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, kMiB - 1}) {
    const UniqueFd fd = MemoryFile(size);
    ExpectRefused(context, "a file smaller than claimed", kElsewhere, fd.get());
  }
  const UniqueFd fd = MemoryFile(kMiB);
  MemoryRegion shifted = kElsewhere;
  shifted.mmap_offset = 4096;
  ExpectRefused(context, "a region beyond its file's end", shifted, fd.get());
}

void WrongKinds(AttackContext& context) {
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd path(open(context.Host(kCanary).c_str(), O_PATH | O_CLOEXEC));
  const UniqueFd read_only(open(context.Host(kCanary).c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd event(eventfd(0, EFD_CLOEXEC));
  int pipe_ends[2];
  int socket_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) < 0 ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket_ends) < 0) {
    return context.Fail("can't prepare");
  }
  const UniqueFd fds[] = {UniqueFd(pipe_ends[0]), UniqueFd(pipe_ends[1]), UniqueFd(socket_ends[0]),
                          UniqueFd(socket_ends[1])};
  ExpectRefused(context, "a directory", kElsewhere, directory.get());
  ExpectRefused(context, "a path", kElsewhere, path.get());
  ExpectRefused(context, "a small file that is read-only", kElsewhere, read_only.get());
  ExpectRefused(context, "an eventfd", kElsewhere, event.get());
  ExpectRefused(context, "a pipe", kElsewhere, fds[0].get());
  ExpectRefused(context, "a socket", kElsewhere, fds[2].get());
  ExpectRefused(context, "the connection itself", kElsewhere, context.client().fd());
}

void ReadOnlyMemory(AttackContext& context) {
  const UniqueFd sealed = MemoryFile(kMiB, MFD_ALLOW_SEALING);
  if (fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE) < 0) return context.Fail("can't seal");
  ExpectRefused(context, "memory sealed against writing", kElsewhere, sealed.get());
  const UniqueFd writable = MemoryFile(kMiB);
  const std::string name = "/proc/self/fd/" + std::to_string(writable.get());
  const UniqueFd read_only(open(name.c_str(), O_RDONLY | O_CLOEXEC));
  ExpectRefused(context, "memory open for reading", kElsewhere, read_only.get());
}

void WildRegions(AttackContext& context) {
  const UniqueFd fd = MemoryFile(kMiB);
  const uint64_t top = ~uint64_t{0};
  for (const uint64_t size : {uint64_t{0}, uint64_t{1} << 62, uint64_t{1} << 63, top}) {
    MemoryRegion region = kElsewhere;
    region.size = size;
    ExpectRefused(context, "a wild size", region, fd.get());
  }
  for (const uint64_t address : {top, top - 4095, top - kMiB + 2}) {
    MemoryRegion region = kElsewhere;
    region.guest_address = address;
    ExpectRefused(context, "guest addresses that wrap", region, fd.get());
    region = kElsewhere;
    region.user_address = address;
    ExpectRefused(context, "front-end addresses that wrap", region, fd.get());
    region = kElsewhere;
    region.mmap_offset = address;
    ExpectRefused(context, "a file offset that wraps", region, fd.get());
  }
}

void Overlaps(AttackContext& context) {
  const UniqueFd fd = MemoryFile(kMiB);
  MemoryRegion region = kElsewhere;
  region.guest_address = context.memory().regions()[0].guest_base + 4096;
  ExpectRefused(context, "guest addresses twice", region, fd.get());
  region = kElsewhere;
  region.user_address = context.memory().regions()[0].user_address + 4096;
  ExpectRefused(context, "front-end addresses twice", region, fd.get());
  if (!Add(context, kElsewhere, fd.get())) return context.Fail("a good region was refused");
  ExpectRefused(context, "the same region twice", kElsewhere, fd.get());
  if (!Remove(context, kElsewhere)) context.Fail("can't be removed");
}

void RemovesTheUnknown(AttackContext& context) {
  MemoryRegion region = kElsewhere;
  if (Remove(context, region)) context.Fail("removed what isn't there");
  const vmm::GuestMemory::Region& own = context.memory().regions()[0];
  region = {own.guest_base, own.size - 4096, own.user_address, 0};
  if (Remove(context, region)) context.Fail("removed a part");
}

void MoreThanSlots(AttackContext& context) {
  const auto slots = context.client().GetMaxMemSlots();
  if (!slots.ok()) return context.Fail("no slots");
  const UniqueFd fd = MemoryFile(4096);
  uint64_t added = 0;
  MemoryRegion region = kElsewhere;
  region.size = 4096;
  for (; added < *slots + 4; ++added) {
    region.guest_address = kElsewhere.guest_address + added * 8192;
    region.user_address = kElsewhere.user_address + added * 8192;
    if (!Add(context, region, fd.get())) break;
  }
  if (added != *slots - context.memory().regions().size()) context.Fail("not as many as there are");
  while (added > 0) {
    --added;
    region.guest_address = kElsewhere.guest_address + added * 8192;
    region.user_address = kElsewhere.user_address + added * 8192;
    if (!Remove(context, region)) return context.Fail("can't be removed");
  }
}

void TableCounts(AttackContext& context) {
  const vmm::GuestMemory::Region& own = context.memory().regions()[0];
  const MemoryRegion region{own.guest_base, own.size, own.user_address, own.file_offset};
  const int fd = own.fd.get();
  const std::vector<int> fds(9, fd);
  for (const uint32_t count : {2u, 8u, 9u, 33u, 128u, 65536u, 0x10000000u, ~0u}) {
    const std::string payload = Bytes(std::array<uint32_t, 2>{count, 0}) + Bytes(region);
    for (const size_t brought : {0u, 1u, 9u}) {
      if (context.client()
              .Command(VhostRequest::kSetMemTable,
                       std::as_bytes(std::span(payload.data(), payload.size())),
                       std::span(fds).first(brought), Ack::kYes)
              .ok()) {
        context.Fail("a table of more regions than it describes");
      }
    }
  }
}

// No memory at all: the rings have nowhere to be, until they are set up anew.
void TableOfNothing(AttackContext& context) {
  const std::string payload(8, '\0');
  const auto answer = context.client().Command(
      VhostRequest::kSetMemTable, std::as_bytes(std::span(payload.data(), payload.size())), {},
      Ack::kYes);
  if (!answer.ok()) return context.Fail("refused");
  context.ring().Kick();
  if (!context.client().SetMemTable(context.memory().regions()).ok()) {
    return context.Fail("the old table is refused");
  }
  context.ResetDevice();
}

// Changes of the table, while requests are on their way.
bool ReplaceTable(AttackContext& context) {
  return context.client().SetMemTable(context.memory().regions()).ok();
}
bool AddAndRemove(AttackContext& context) {
  const UniqueFd fd = MemoryFile(kMiB);
  return Add(context, kElsewhere, fd.get()) && Remove(context, kElsewhere);
}

// The region that holds the rings goes, under them.
void RemoveTheRings(AttackContext& context) {
  if (!context.client().RemMemReg(context.memory().regions()[0]).ok()) {
    return context.Fail("refused");
  }
  context.ring().Kick();
  if (!context.client().AddMemReg(context.memory().regions()[0]).ok()) {
    return context.Fail("refused to come back");
  }
  context.ResetDevice();
}

// A region whose buffers are in use by requests on their way goes.
void RemoveBuffersInUse(AttackContext& context) {
  const UniqueFd fd = MemoryFile(kMiB);
  if (!Add(context, kElsewhere, fd.get())) return context.Fail("refused");
  const std::string request = Request({.opcode = FUSE_STATFS});
  const vmm::GuestBuffer memory = context.scratch();
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const vmm::Segment readable{memory.address, static_cast<uint32_t>(request.size())};
  for (uint64_t i = 0; i < 100; ++i) {
    const vmm::Segment writable{vmm::GuestAddress(kElsewhere.guest_address + i * 4096), 4096};
    (void)context.queue().SubmitRaw(std::span(&readable, 1), std::span(&writable, 1), nullptr,
                                    nullptr);
  }
  context.queue().Flush();
  if (!Remove(context, kElsewhere)) return context.Fail("can't be removed");
  context.Await();
}

// A region's file is cut after it was mapped. A front end that does this has broken its word
// (QEMU seals its memory against it), and there is no memory left to serve: a clear end is right.
void FileShrinksLater(AttackContext& context) {
  const UniqueFd fd = MemoryFile(kMiB);
  if (!Add(context, kElsewhere, fd.get())) return context.Fail("refused");
  if (ftruncate(fd.get(), 0) < 0) return context.Fail("can't cut");
  const std::string request = Request({.opcode = FUSE_STATFS});
  const vmm::GuestBuffer memory = context.scratch();
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const vmm::Segment readable{memory.address, static_cast<uint32_t>(request.size())};
  const vmm::Segment writable{vmm::GuestAddress(kElsewhere.guest_address), 4096};
  (void)context.queue().SubmitRaw(std::span(&readable, 1), std::span(&writable, 1), nullptr,
                                  nullptr);
  context.Await();
}

// The same for the data of a READ, which the kernel moves: that one sees it in time.
void FileShrinksUnderData(AttackContext& context) {
  const UniqueFd fd = MemoryFile(kMiB);
  if (!Add(context, kElsewhere, fd.get())) return context.Fail("refused");
  vmm::FuseClient& fuse = context.fuse();
  const auto entry = fuse.Lookup(kRootNodeId, kCanary);
  if (!entry.ok()) return context.Fail("no canary");
  const auto opened = fuse.Open(vmm::NodeOf(*entry), O_RDONLY);
  if (!opened.ok()) return context.Fail("can't open");
  if (ftruncate(fd.get(), 0) < 0) return context.Fail("can't cut");
  const std::string request =
      Request({.opcode = FUSE_READ, .node = entry->nodeid},
              Bytes(fuse_read_in{.fh = opened->fh, .offset = 0, .size = 4096}));
  const vmm::GuestBuffer memory = context.scratch();
  std::memcpy(memory.bytes.data(), request.data(), request.size());
  const vmm::Segment readable{memory.address, static_cast<uint32_t>(request.size())};
  const vmm::Segment writable[] = {{memory.Part(4096, 16).address, 16},
                                   {vmm::GuestAddress(kElsewhere.guest_address), 4096}};
  (void)context.queue().SubmitRaw(std::span(&readable, 1), writable, nullptr, nullptr);
  context.Await();
  (void)fuse.Release(vmm::NodeOf(*entry), vmm::HandleOf(*opened));
  if (!Remove(context, kElsewhere)) context.Fail("can't be removed");
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 50) {
  return {.family = "memory", .name = name, .run = run, .rounds = rounds};
}

}  // namespace

std::span<const Attack> MemoryAttacks() {
  static const Attack kAttacks[] = {
      Row("file-is-too-small", &FileTooSmall),
      Row("descriptor-of-the-wrong-kind", &WrongKinds),
      Row("file-is-read-only", &ReadOnlyMemory),
      Row("region-is-wild", &WildRegions),
      Row("regions-overlap", &Overlaps),
      Row("removal-of-the-unknown", &RemovesTheUnknown),
      Row("more-regions-than-slots", &MoreThanSlots, 3),
      Row("table-counts-lie", &TableCounts),
      Row("table-of-nothing", &TableOfNothing, 20),
      Row(
          "table-replaced-while-serving",
          [](AttackContext& context) { ChangeWhileServing(context, &ReplaceTable); }, 3),
      Row(
          "regions-come-and-go-while-serving",
          [](AttackContext& context) { ChangeWhileServing(context, &AddAndRemove); }, 3),
      Row("removal-of-the-rings", &RemoveTheRings, 20),
      Row("removal-of-buffers-in-use", &RemoveBuffersInUse, 20),
      {.family = "memory",
       .name = "file-shrinks-later",
       .run = &FileShrinksLater,
       .survives = static_cast<uint32_t>(Outcome::kGaveUp)},
      Row("file-shrinks-under-data", &FileShrinksUnderData, 20),
  };
  return kAttacks;
}

}  // namespace postern::hostile
