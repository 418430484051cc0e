// vhost-user messages that aren't framed, numbered or equipped as the protocol says.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <random>

#include "common/checked.h"
#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using vmm::VhostHeader;
using vmm::VhostRequest;
using vmm::VhostUserClient;
using Ack = VhostUserClient::Ack;

std::span<const std::byte> View(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
VhostHeader Header(VhostRequest request, uint32_t flags, uint32_t size) {
  return {static_cast<uint32_t>(request), flags, size};
}

// For the attacks that end it: waits until it has.
void AwaitEnd(AttackContext& context) {
  while (context.client().Receive().ok()) {
  }
  if (context.daemon().WaitForExit(context.options().patience).has_value()) context.set_ended();
}

void SendBroken(AttackContext& context, const VhostHeader& header, const std::string& payload) {
  (void)context.client().SendMessage(header, View(payload));
  AwaitEnd(context);
}

void SizeOf4GiB(AttackContext& context) {
  SendBroken(context, Header(VhostRequest::kSetFeatures, 1, ~0u), std::string(8, '\0'));
}
void SizeOver4096(AttackContext& context) {
  SendBroken(context, Header(VhostRequest::kSetMemTable, 1, 4097), std::string(4097, '\0'));
}
void VersionZero(AttackContext& context) {
  SendBroken(context, Header(VhostRequest::kGetFeatures, 0, 0), "");
}
void VersionTwo(AttackContext& context) {
  SendBroken(context, Header(VhostRequest::kGetFeatures, 2, 0), "");
}
void ReplyFlag(AttackContext& context) {
  SendBroken(context, Header(VhostRequest::kGetFeatures, 5, 0), "");
}
void AllFlags(AttackContext& context) {
  SendBroken(context, Header(VhostRequest::kGetFeatures, ~0u, 0), "");
}

// Cut, then closed; each by a daemon of its own.
template <size_t bytes>
void Cut(AttackContext& context) {
  const std::string whole = Bytes(Header(VhostRequest::kSetFeatures, 1, 8)) + std::string(8, '\0');
  (void)context.client().SendRaw(View(whole).first(bytes));
  context.DisconnectAndExpectExit(0);
}

// One byte at a time is a message all the same.
void ByteByByte(AttackContext& context) {
  const std::string whole = Bytes(Header(VhostRequest::kGetFeatures, 1, 0));
  for (size_t i = 0; i < whole.size(); ++i)
    (void)context.client().SendRaw(View(whole).subspan(i, 1));
  if (!context.client().Receive().ok()) context.Fail("no answer");
}

void UnknownRequests(AttackContext& context) {
  for (const uint32_t request :
       {0u,  6u,  7u,  19u, 20u, 22u, 23u, 26u, 27u, 28u, 29u,  30u,    31u,
        32u, 33u, 35u, 39u, 40u, 41u, 42u, 43u, 44u, 45u, 255u, 65536u, ~0u}) {
    const auto answer = context.client().Command(static_cast<VhostRequest>(request),
                                                 View(std::string(24, '\0')), {}, Ack::kYes);
    if (answer.ok()) context.Fail("taken: request " + std::to_string(request));
  }
}

void UnknownWithDescriptors(AttackContext& context) {
  const UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  const std::vector<int> fds(8, fd.get());
  for (const uint32_t request : {0u, 31u, 32u, 42u, 1000u}) {
    (void)context.client().Command(static_cast<VhostRequest>(request), View(std::string(24, '\0')),
                                   fds, Ack::kYes);
  }
}

template <size_t count>
void TooManyDescriptors(AttackContext& context) {
  const UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  const std::vector<int> fds(count, fd.get());
  const std::string header = Bytes(Header(VhostRequest::kGetFeatures, 1, 0));
  (void)context.client().SendRaw(View(header), fds);
  if (count > 32) return AwaitEnd(context);
  if (!context.client().Receive().ok()) context.Fail("no answer");
}

void DescriptorsInsideAPayload(AttackContext& context) {
  const UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  const int one = fd.get();
  const std::string header = Bytes(Header(VhostRequest::kSetVringCall, 1, 8));
  (void)context.client().SendRaw(View(header));
  (void)context.client().SendRaw(View(std::string(8, '\0')), std::span(&one, 1));
  AwaitEnd(context);
}

void DescriptorsMissing(AttackContext& context) {
  const std::string region(sizeof(vmm::SingleMemoryRegion), '\0');
  const std::string number = Bytes(uint64_t{kAttacked});
  for (const auto& [request, payload] :
       {std::pair(VhostRequest::kSetBackendReqFd, std::string()),
        std::pair(VhostRequest::kAddMemReg, region), std::pair(VhostRequest::kSetVringKick, number),
        std::pair(VhostRequest::kSetVringCall, number),
        std::pair(VhostRequest::kSetVringErr, number)}) {
    const auto answer = context.client().Command(request, View(payload), {}, Ack::kYes);
    if (answer.ok()) context.Fail("taken without its descriptor");
  }
}

// Every request with every size of payload around the right ones.
void PayloadSizes(AttackContext& context) {
  for (const VhostRequest request :
       {VhostRequest::kSetFeatures, VhostRequest::kSetMemTable, VhostRequest::kSetVringNum,
        VhostRequest::kSetVringAddr, VhostRequest::kSetVringBase,
        VhostRequest::kSetProtocolFeatures, VhostRequest::kSetVringEnable, VhostRequest::kAddMemReg,
        VhostRequest::kRemMemReg}) {
    for (const size_t size : {0u, 1u, 4u, 7u, 9u, 39u, 41u, 100u, 4096u}) {
      if (request == VhostRequest::kSetMemTable && size >= 8) continue;
      const auto answer =
          context.client().Command(request, View(std::string(size, '\0')), {}, Ack::kYes);
      if (answer.ok()) context.Fail("taken with a payload of the wrong size");
    }
  }
}

void UnknownFeatures(AttackContext& context) {
  for (const uint64_t features :
       {uint64_t{1}, uint64_t{1} << 26, uint64_t{1} << 34, uint64_t{1} << 63, ~uint64_t{0}}) {
    if (context.client().SetFeatures(features, Ack::kYes).ok()) context.Fail("taken: features");
  }
  for (const uint64_t features :
       {uint64_t{1} << 1, uint64_t{1} << 12, uint64_t{1} << 14, uint64_t{1} << 63, ~uint64_t{0}}) {
    const std::string word = Bytes(features);
    if (context.client()
            .Command(VhostRequest::kSetProtocolFeatures, View(word), {}, Ack::kYes)
            .ok()) {
      context.Fail("taken: protocol features");
    }
  }
}

void ConfigurationOutOfRange(AttackContext& context) {
  for (const uint32_t offset : {0u, 39u, 40u, 41u, 4096u, ~0u - 3, ~0u}) {
    for (const uint32_t size : {0u, 1u, 40u, 255u, 4000u}) {
      (void)context.client().GetConfig(offset, size);
    }
  }
  if (context.ConnectionClosed()) context.Fail("ended by GET_CONFIG");
  const std::string write = Bytes(vmm::ConfigHeader{.offset = 0, .size = 4, .flags = 0}) + "tag!";
  if (context.client().Command(VhostRequest::kSetConfig, View(write), {}, Ack::kYes).ok()) {
    context.Fail("the configuration was written");
  }
}
void ConfigurationSizeLies(AttackContext& context) {
  for (const uint32_t size : {4085u, 65536u, 1u << 31, ~0u}) {
    const auto answer = context.client().Query(
        VhostRequest::kGetConfig, View(Bytes(vmm::ConfigHeader{.offset = 0, .size = size})));
    if (answer.ok() && answer->payload.size() > 4096) context.Fail("an endless answer");
  }
}

// Questions whose answers nobody fetches, until the socket is full both ways; then the end.
void AnswersUnread(AttackContext& context) {
  const std::string question = Bytes(Header(VhostRequest::kGetFeatures, 1, 0));
  const int fd = context.client().fd();
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  for (int i = 0; i < 1'000'000; ++i) {
    if (!context.client().SendRaw(View(question)).ok()) break;
  }
  context.DisconnectAndExpectExit(0);
}

void RandomMessages(AttackContext& context) {
  std::minstd_rand random(7);
  const UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  for (int i = 0; i < 2000 && !context.ConnectionClosed(); ++i) {
    const auto request = static_cast<VhostRequest>(random() % 45);
    // These end the connection by right when they are wrong: there is no other answer.
    if (request == VhostRequest::kGetVringBase || request == VhostRequest::kGetConfig) continue;
    std::string payload(random() % 3 == 0 ? random() % 80 : (random() % 2 == 0 ? 8 : 40), '\0');
    for (char& byte : payload) {
      byte = random() % 2 == 0 ? '\0' : static_cast<char>(random());
    }
    const std::vector<int> fds(random() % 3, fd.get());
    const bool natural =
        request == VhostRequest::kGetFeatures || request == VhostRequest::kGetProtocolFeatures ||
        request == VhostRequest::kGetQueueNum || request == VhostRequest::kGetMaxMemSlots;
    // The front end's own idea of what was negotiated must hold.
    if (request == VhostRequest::kSetProtocolFeatures) continue;
    if (natural) {
      (void)context.client().Query(request);
    } else {
      (void)context.client().Command(request, View(payload), fds, Ack::kYes);
    }
  }
  if (context.ConnectionClosed()) return;
  // Whatever it did to memory and rings, this mends it.
  if (!context.client().SetMemTable(context.memory().regions()).ok()) context.Fail("no memory");
  context.ResetDevice();
}

constexpr auto kEnds = static_cast<uint32_t>(Outcome::kSessionEnded);

Attack Fresh(std::string_view name, void (*run)(AttackContext&), uint32_t survives = kEnds) {
  return {.family = "message",
          .name = name,
          .run = run,
          .survives = survives,
          .stage = Attack::Stage::kSocket};
}
Attack Served(std::string_view name, void (*run)(AttackContext&), int rounds = 50,
              std::vector<std::string> options = {}) {
  return {.family = "message",
          .name = name,
          .run = run,
          .rounds = rounds,
          .daemon_options = std::move(options)};
}

}  // namespace

std::span<const Attack> MessageAttacks() {
  static const Attack kAttacks[] = {
      Fresh("size-of-4-gib", &SizeOf4GiB),
      Fresh("size-over-4096", &SizeOver4096),
      Fresh("version-0", &VersionZero),
      Fresh("version-2", &VersionTwo),
      Fresh("reply-flag", &ReplyFlag),
      Fresh("all-flags", &AllFlags),
      Fresh("header-cut-after-1-byte", &Cut<1>),
      Fresh("header-cut-after-11-bytes", &Cut<11>),
      Fresh("payload-missing", &Cut<12>),
      Fresh("payload-cut", &Cut<15>),
      Fresh("byte-by-byte", &ByteByByte, static_cast<uint32_t>(Outcome::kAnswered)),
      Served("requests-unknown", &UnknownRequests),
      Served("requests-unknown-with-descriptors", &UnknownWithDescriptors),
      Served("descriptors-8-too-many", &TooManyDescriptors<8>),
      Served("descriptors-32-too-many", &TooManyDescriptors<32>),
      Fresh("descriptors-33", &TooManyDescriptors<33>),
      Fresh("descriptors-64", &TooManyDescriptors<64>),
      Fresh("descriptors-inside-a-payload", &DescriptorsInsideAPayload),
      Served("descriptors-missing", &DescriptorsMissing),
      Served("payload-sizes-wrong", &PayloadSizes),
      Served("features-unknown", &UnknownFeatures),
      Served("configuration-out-of-range", &ConfigurationOutOfRange, 30, {"--tag=share"}),
      Served("configuration-size-lies", &ConfigurationSizeLies, 30, {"--tag=share"}),
      {.family = "message", .name = "answers-unread", .run = &AnswersUnread, .survives = kEnds},
      Served("random-bytes", &RandomMessages, 1),
  };
  return kAttacks;
}

}  // namespace postern::hostile
