// FUSE requests whose bytes don't add up.
#include <array>
#include <initializer_list>
#include <random>

#include "common/checked.h"
#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

// Beyond the last opcode that anybody knows.
constexpr uint32_t kOpcodes = 64;

// Those that end the session or answer nothing by right.
bool IsSpecial(uint32_t opcode) {
  return opcode == FUSE_INIT || opcode == FUSE_DESTROY || opcode == FUSE_FORGET ||
         opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

void ShortHeaders(AttackContext& context) {
  const std::string whole = Request({.opcode = FUSE_LOOKUP});
  for (size_t size = 0; size < whole.size(); ++size) {
    context.ExpectRefusal("a cut header", whole.substr(0, size));
  }
}

void HeadersOnly(AttackContext& context) {
  for (uint32_t opcode = 0; opcode < kOpcodes; ++opcode) {
    if (opcode != FUSE_DESTROY) context.Send(Request({.opcode = opcode}));
  }
}

void LengthsBelow(AttackContext& context) {
  for (uint32_t length = 0; length < 40; ++length) {
    context.ExpectRefusal(
        "a length below the header's",
        Request({.opcode = FUSE_GETATTR, .length = length}, std::string(16, '\0')));
  }
  for (uint32_t length = 40; length < 56; ++length) {
    context.ExpectRefusal(
        "a length below the arguments'",
        Request({.opcode = FUSE_GETATTR, .length = length}, std::string(16, '\0')));
  }
}

void LengthsAbove(AttackContext& context) {
  for (const uint32_t length : {57u, 4096u, 1u << 20, (1u << 20) + 4097u, 1u << 31, ~0u}) {
    context.ExpectRefusal(
        "a length above the chain's",
        Request({.opcode = FUSE_GETATTR, .length = length}, std::string(16, '\0')));
  }
}

// Every opcode with every length of body up to 136 bytes of `fill`.
void Bodies(AttackContext& context, char fill) {
  for (uint32_t opcode = 0; opcode < kOpcodes && !context.over(); ++opcode) {
    if (opcode == FUSE_DESTROY || opcode == FUSE_INIT) continue;
    for (size_t size = 0; size <= 136; ++size) {
      context.Send(Request({.opcode = opcode}, std::string(size, fill)));
    }
  }
}
void BodiesOfZeros(AttackContext& context) { Bodies(context, '\0'); }
void BodiesOfOnes(AttackContext& context) { Bodies(context, '\xff'); }
void BodiesOfLetters(AttackContext& context) { Bodies(context, 'x'); }

void BodiesWithTail(AttackContext& context) {
  // All bits set, and a name at the end of it.
  for (uint32_t opcode = 0; opcode < kOpcodes; ++opcode) {
    if (opcode == FUSE_DESTROY || opcode == FUSE_INIT) continue;
    for (const size_t size : {8u, 16u, 24u, 40u, 56u, 88u}) {
      context.Send(Request({.opcode = opcode}, std::string(size, '\xff') + std::string("n\0", 2)));
    }
  }
}

void RandomRequests(AttackContext& context) {
  std::minstd_rand random(20261123);
  for (int i = 0; i < 4000 && !context.over(); ++i) {
    std::string body(random() % 200, '\0');
    for (char& byte : body) {
      // Small numbers and zeros are more often near what is right.
      byte = random() % 2 == 0 ? static_cast<char>(random() % 4) : static_cast<char>(random());
    }
    uint32_t opcode = static_cast<uint32_t>(random()) % 56;
    if (opcode == FUSE_DESTROY) opcode = FUSE_LOOKUP;
    context.Send(Request({.opcode = opcode,
                          .node = random() % 5,
                          .length = random() % 8 == 0
                                        ? std::optional<uint32_t>(static_cast<uint32_t>(random()))
                                        : std::nullopt,
                          .extensions = static_cast<uint16_t>(random() % 8 == 0 ? random() : 0)},
                         body),
                 random() % 300);
    // Made inodes may be many; a session ends them.
    if (i % 1000 == 999 && !context.over()) (void)context.fuse().Init();
  }
}

void UnknownOpcodes(AttackContext& context) {
  for (const uint32_t opcode : {0u, 7u, 19u, 54u, 63u, 64u, 255u, 256u, 4000u, 4096u, 0x1a000000u,
                                0x1a00u, 1u << 31, ~0u}) {
    const int error = context.Send(Request({.opcode = opcode}, std::string(64, '\0')));
    if (error != ENOSYS && !context.over()) context.Fail("not ENOSYS for an unknown opcode");
  }
}

void UnservedOpcodes(AttackContext& context) {
  for (const uint32_t opcode :
       {uint32_t{FUSE_IOCTL}, uint32_t{FUSE_POLL}, uint32_t{FUSE_GETLK}, uint32_t{FUSE_SETLK},
        uint32_t{FUSE_SETLKW}, uint32_t{FUSE_BMAP}, uint32_t{FUSE_NOTIFY_REPLY},
        uint32_t{FUSE_SETUPMAPPING}, uint32_t{FUSE_REMOVEMAPPING}}) {
    for (const char fill : {'\0', '\xff'}) {
      context.ExpectRefusal("what isn't served",
                            Request({.opcode = opcode}, std::string(64, fill)));
    }
  }
}

void Interrupts(AttackContext& context) {
  for (uint64_t unique = 0; unique < 200; ++unique) {
    context.Send(Request({.opcode = FUSE_INTERRUPT}, Bytes(unique)));
    context.Send(Request({.opcode = FUSE_INTERRUPT}, Bytes(unique)), 0);
  }
}

void OddUniques(AttackContext& context) {
  for (const uint64_t unique : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 63}) {
    for (int i = 0; i < 3; ++i) {
      const int error = context.Send(Request({.opcode = FUSE_STATFS, .node = 1, .unique = unique}));
      if (error > 0) context.Fail("refused for its unique");
    }
  }
}

void RepliesTooSmall(AttackContext& context) {
  const std::string name(kCanary, sizeof(kCanary));
  const std::string requests[] = {
      Request({.opcode = FUSE_LOOKUP}, name),
      Request({.opcode = FUSE_GETATTR}, std::string(16, '\0')),
      Request({.opcode = FUSE_STATFS}),
      Request({.opcode = FUSE_OPENDIR}, std::string(8, '\0')),
      Request({.opcode = FUSE_MKDIR}, std::string(8, '\0') + std::string("made\0", 5)),
      Request({.opcode = FUSE_CREATE},
              Bytes(fuse_create_in{.flags = 2, .mode = 0100644, .umask = 0, .open_flags = 0}) +
                  std::string("created\0", 8)),
  };
  for (const std::string& request : requests) {
    for (size_t room = 0; room < 160; room += room < 20 ? 1 : 7) {
      const int error = context.Send(request, room);
      if (room < 16 && error >= 0) context.Fail("a reply where there was no room");
    }
  }
}

void ExtensionsThatLie(AttackContext& context) {
  const std::string base = std::string(8, '\0') + std::string("x\0", 2);
  for (const uint32_t size : {0u, 1u, 7u, 8u, 15u, 16u, 17u, 4096u, ~0u}) {
    for (const uint32_t type : {0u, 1u, 31u, 32u, 33u, ~0u}) {
      for (const uint32_t count : {0u, 1u, 2u, 31u, 32u, 0x40000001u, ~0u}) {
        const uint32_t extension[] = {size, type, count, 1, 0, 0};
        for (const uint16_t length : std::initializer_list<uint16_t>{0, 1, 3, 0xffff}) {
          context.Send(
              Request({.opcode = FUSE_MKDIR, .extensions = length}, base + Bytes(extension)));
        }
      }
    }
  }
}

void ContextsThatLie(AttackContext& context) {
  const std::string base = std::string(8, '\0') + std::string("y\0", 2);
  for (const uint32_t value_size : {0u, 1u, 4u, 5u, 100u, 65536u, ~0u}) {
    for (const char* const name : {"", "security.selinux", "user.\xff", "trusted.overlay.opaque"}) {
      std::string body = Bytes(std::array<uint32_t, 2>{value_size, 0}) + name;
      body.push_back('\0');
      body += "abcd";
      const auto record = static_cast<uint32_t>(8 + body.size());
      for (const uint32_t claimed : {record, record - 1, record + 8, 8u}) {
        std::string whole = Bytes(std::array<uint32_t, 2>{claimed, 1}) + body;
        whole.resize((whole.size() + 7) / 8 * 8);
        context.Send(
            Request({.opcode = FUSE_MKDIR, .extensions = static_cast<uint16_t>(whole.size() / 8)},
                    base + whole));
        // A second record of the same kind.
        context.Send(
            Request({.opcode = FUSE_MKDIR, .extensions = static_cast<uint16_t>(whole.size() / 4)},
                    base + whole + whole));
      }
    }
  }
}

void NoMemoryForArguments(AttackContext& context) {
  // Half a MiB of arguments for each opcode.
  const std::string body(500'000, 'a');
  for (uint32_t opcode = 1; opcode < kOpcodes; ++opcode) {
    if (!IsSpecial(opcode))
      context.ExpectRefusal("endless arguments", Request({.opcode = opcode}, body));
  }
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds,
           std::vector<std::string> options = {}) {
  return {.family = "request",
          .name = name,
          .run = run,
          .rounds = rounds,
          .daemon_options = std::move(options)};
}

}  // namespace

std::span<const Attack> RequestAttacks() {
  static const Attack kAttacks[] = {
      Row("header-is-cut", &ShortHeaders, 100),
      Row("header-is-all", &HeadersOnly, 100),
      Row("length-is-below-the-body", &LengthsBelow, 100),
      Row("length-is-above-the-chain", &LengthsAbove, 300),
      Row("body-of-zeros-cut-everywhere", &BodiesOfZeros, 1, {"--xattr"}),
      Row("body-of-ones-cut-everywhere", &BodiesOfOnes, 1, {"--xattr"}),
      Row("body-of-letters-cut-everywhere", &BodiesOfLetters, 1, {"--xattr"}),
      Row("body-of-ones-and-a-name", &BodiesWithTail, 10, {"--xattr"}),
      Row("random-bytes", &RandomRequests, 1, {"--xattr"}),
      Row("opcode-is-unknown", &UnknownOpcodes, 300),
      Row("opcode-is-not-served", &UnservedOpcodes, 300),
      Row("interrupts", &Interrupts, 20),
      Row("unique-is-odd", &OddUniques, 300),
      Row("reply-has-no-room", &RepliesTooSmall, 10),
      Row("extensions-lie", &ExtensionsThatLie, 3),
      Row("security-contexts-lie", &ContextsThatLie, 5, {"--security-label"}),
      Row("arguments-of-half-a-mib", &NoMemoryForArguments, 10, {"--xattr"}),
  };
  return kAttacks;
}

}  // namespace postern::hostile
