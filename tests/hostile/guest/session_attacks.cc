// Sessions begun wrongly, twice or not at all, and lookups given back that were never taken.
#include <fcntl.h>

#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using namespace std::string_literals;

constexpr uint32_t kOpcodes = 56;

// ---- FUSE_INIT ----
std::string Init(uint32_t major, uint32_t minor, uint32_t flags = ~0u, size_t bytes = 64) {
  fuse_init_in in{};
  in.major = major;
  in.minor = minor;
  in.max_readahead = ~0u;
  in.flags = flags;
  in.flags2 = ~0u;
  return Request({.opcode = FUSE_INIT, .node = 0}, Bytes(in).substr(0, bytes));
}

void BeforeInit(AttackContext& context) {
  for (uint32_t opcode = 0; opcode < kOpcodes; ++opcode) {
    if (opcode == FUSE_INIT) continue;
    for (const size_t size : {0u, 16u, 64u}) {
      const int error = context.Send(Request({.opcode = opcode}, std::string(size, '\0')));
      if (error == 0 && opcode != FUSE_DESTROY) context.Fail("served before INIT");
    }
  }
}

void InitAgain(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto entry = fuse.Lookup(kRootNodeId, kCanary);
  if (!entry.ok()) return context.Fail("no canary");
  const NodeId node = vmm::NodeOf(*entry);
  const auto opened = fuse.Open(node, O_RDWR);
  if (!opened.ok()) return context.Fail("can't open");
  if (!fuse.Init().ok()) return context.Fail("refused");
  if (fuse.Getattr(node).ok()) context.Fail("an inode of the old session");
  if (fuse.ReadString(node, vmm::HandleOf(*opened), 0, 10).ok()) {
    context.Fail("a handle of the old session");
  }
}

void InitOnEachQueue(AttackContext& context) {
  for (size_t queue = 0; queue < context.front_end().queue_count(); ++queue) {
    context.Send(Init(7, 38), 4096, queue);
    context.Send(Request({.opcode = FUSE_STATFS}), 4096, queue);
  }
}

// Two in flight at a time, with work between.
void InitsRace(AttackContext& context) {
  const std::string init = Init(7, 38);
  const std::string work = Request({.opcode = FUSE_OPENDIR}, std::string(8, '\0'));
  const vmm::GuestBuffer memory = context.scratch();
  std::memcpy(memory.bytes.data(), init.data(), init.size());
  std::memcpy(memory.bytes.data() + 512, work.data(), work.size());
  for (size_t i = 0; i < 24; ++i) {
    const bool begins = i % 3 != 2;
    const vmm::Segment readable{memory.Part(begins ? 0 : 512, 1).address,
                                static_cast<uint32_t>(begins ? init.size() : work.size())};
    const vmm::Segment writable{memory.Part(4096 + i * 512, 1).address, 512};
    (void)context.queue().SubmitRaw(std::span(&readable, 1), std::span(&writable, 1), nullptr,
                                    nullptr);
  }
  context.Await();
}

void MajorIsWrong(AttackContext& context) {
  for (const uint32_t major : {0u, 1u, 6u}) {
    context.ExpectRefusal("an old major version", Init(major, 38));
  }
  // A newer one is told ours, and that is no session.
  for (const uint32_t major : {8u, 0xffffffffu}) {
    if (context.Send(Init(major, 0)) != 0) context.Fail("a newer major version isn't told ours");
  }
}

void MinorIsWrong(AttackContext& context) {
  for (uint32_t minor = 0; minor < 27; ++minor) {
    context.ExpectRefusal("an old minor version", Init(7, minor));
  }
  for (const uint32_t minor : {27u, 38u, 100u, 0xffffffffu}) {
    if (context.Send(Init(7, minor)) != 0) context.Fail("a newer minor version is refused");
  }
}

void InitIsCut(AttackContext& context) {
  for (size_t bytes = 0; bytes <= 64; ++bytes) context.Send(Init(7, 38, ~0u, bytes));
}

void InitHasNoRoom(AttackContext& context) {
  for (size_t room = 0; room < 80; ++room) context.Send(Init(7, 38), room);
}

void DestroyAndGoOn(AttackContext& context) {
  const auto entry = context.fuse().Lookup(kRootNodeId, kCanary);
  if (!entry.ok()) return context.Fail("no canary");
  context.Send(Request({.opcode = FUSE_DESTROY}));
  context.Send(Request({.opcode = FUSE_DESTROY}), 0);
  for (uint32_t opcode = 0; opcode < kOpcodes; ++opcode) {
    if (opcode == FUSE_INIT || opcode == FUSE_DESTROY) continue;
    const int error =
        context.Send(Request({.opcode = opcode, .node = entry->nodeid}, std::string(64, '\0')));
    if (error == 0) context.Fail("served after DESTROY");
  }
  if (!context.over() && !context.fuse().Init().ok()) context.Fail("INIT refused");
}

// ---- lookup counts ----
std::string Forget(uint64_t node, uint64_t count) {
  return Request({.opcode = FUSE_FORGET, .node = node}, Bytes(fuse_forget_in{.nlookup = count}));
}

void ForgetUnknown(AttackContext& context) {
  for (const uint64_t node :
       {uint64_t{0}, uint64_t{2}, uint64_t{99}, uint64_t{1} << 32, ~uint64_t{0}}) {
    for (const uint64_t count : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
      context.Send(Forget(node, count), 0);
      context.Send(Forget(node, count), 64);
    }
  }
}

void ForgetTwice(AttackContext& context) {
  const auto entry = context.fuse().Lookup(kRootNodeId, kCanary);
  if (!entry.ok()) return context.Fail("no canary");
  for (int i = 0; i < 3; ++i) context.Send(Forget(entry->nodeid, 1), 0);
  if (context.fuse().Getattr(vmm::NodeOf(*entry)).ok()) context.Fail("a forgotten inode");
}

void ForgetTooMany(AttackContext& context) {
  for (const uint64_t count : {uint64_t{2}, uint64_t{1} << 63, ~uint64_t{0}}) {
    const auto entry = context.fuse().Lookup(kRootNodeId, kCanary);
    if (!entry.ok()) return context.Fail("no canary");
    context.Send(Forget(entry->nodeid, count), 0);
    if (context.fuse().Getattr(vmm::NodeOf(*entry)).ok()) context.Fail("a forgotten inode");
  }
}

void ForgetRoot(AttackContext& context) {
  for (int i = 0; i < 3; ++i) context.Send(Forget(1, ~uint64_t{0}), 0);
}

void ForgetWhileOpen(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto entry = fuse.Lookup(kRootNodeId, kCanary);
  if (!entry.ok()) return context.Fail("no canary");
  const NodeId node = vmm::NodeOf(*entry);
  const auto opened = fuse.Open(node, O_RDONLY);
  if (!opened.ok()) return context.Fail("can't open");
  context.Send(Forget(node.value(), 1), 0);
  // Served or refused; but nothing else's data.
  const auto text = fuse.ReadString(node, vmm::HandleOf(*opened), 0, 100);
  if (text.ok() && *text != kCanaryContent) context.Fail("another file's data");
  (void)fuse.Release(node, vmm::HandleOf(*opened));
}

std::string Batch(uint32_t count, size_t items) {
  std::string body = Bytes(fuse_batch_forget_in{.count = count, .dummy = 0});
  for (size_t i = 0; i < items; ++i) {
    body += Bytes(fuse_forget_one{.nodeid = i, .nlookup = ~uint64_t{0}});
  }
  return Request({.opcode = FUSE_BATCH_FORGET, .node = 0}, body);
}

void BatchOfNothing(AttackContext& context) {
  context.Send(Batch(0, 0), 0);
  context.Send(Batch(0, 3), 0);
}
void BatchLargerThanItsBody(AttackContext& context) {
  for (const uint32_t count : {2u, 4097u, 65536u, 0x10000001u, ~0u}) {
    context.Send(Batch(count, 1), 0);
    context.Send(Batch(count, 1), 64);
  }
}
void BatchesOfThousands(AttackContext& context) {
  for (int i = 0; i < 20; ++i) context.Send(Batch(4000, 4000), 0, static_cast<size_t>(i % 2));
}
void BatchForgetsAFractionOfAnItem(AttackContext& context) {
  const std::string whole = Batch(2, 2);
  for (size_t cut = 1; cut < 16; ++cut) {
    std::string request = whole.substr(0, whole.size() - cut);
    const uint32_t length = static_cast<uint32_t>(request.size());
    std::memcpy(request.data(), &length, sizeof(length));
    context.Send(request, 0);
  }
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 100, bool init = true) {
  return {.family = "session", .name = name, .run = run, .rounds = rounds, .init = init};
}

}  // namespace

std::span<const Attack> SessionAttacks() {
  static const Attack kAttacks[] = {
      Row("requests-before-init", &BeforeInit, 20, false),
      Row("init-again", &InitAgain),
      Row("init-on-each-queue", &InitOnEachQueue),
      Row("inits-race-with-work", &InitsRace),
      Row("init-major-is-wrong", &MajorIsWrong),
      Row("init-minor-is-wrong", &MinorIsWrong),
      Row("init-is-cut", &InitIsCut, 30),
      Row("init-has-no-room", &InitHasNoRoom, 30),
      Row("destroy-and-go-on", &DestroyAndGoOn, 30),
      Row("forget-of-the-unknown", &ForgetUnknown),
      Row("forget-twice", &ForgetTwice),
      Row("forget-too-many", &ForgetTooMany),
      Row("forget-root", &ForgetRoot),
      Row("forget-while-open", &ForgetWhileOpen),
      Row("batch-forget-of-nothing", &BatchOfNothing),
      Row("batch-forget-larger-than-its-body", &BatchLargerThanItsBody),
      Row("batch-forget-of-thousands", &BatchesOfThousands, 30),
      Row("batch-forget-of-a-fraction", &BatchForgetsAFractionOfAnItem),
  };
  return kAttacks;
}

}  // namespace postern::hostile
