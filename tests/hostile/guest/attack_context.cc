#include "tests/hostile/guest/attack_context.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "common/checked.h"

namespace postern::hostile {
namespace {

using Clock = std::chrono::steady_clock;

// An event that no descriptor tells of is looked for this often.
constexpr int kLookMilliseconds = 2;

constexpr size_t kScratchBytes = size_t{1} << 20;

absl::Status Failed(std::string_view step, std::string_view why) {
  return absl::InternalError(absl::StrCat(std::string(step), ": ", std::string(why)));
}

void WriteFile(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

AttackContext::AttackContext(const Attack& attack, const RunOptions& options)
    : attack_(attack),
      options_(options),
      scratch_(options.directory),
      share_(scratch_.Path("share")) {}

AttackContext::~AttackContext() { DropFrontEnd(); }

void AttackContext::DropFrontEnd() {
  clients_.clear();
  queues_.clear();
  front_end_.reset();
  raw_client_.reset();
}

absl::Status AttackContext::StartDaemon() {
  if (mkdir(share_.c_str(), 0777) == 0) {
    if (chmod(share_.c_str(), 0777) != 0) return Failed(share_, Errno::Last().Message());
    WriteFile(Host(kCanary), kCanaryContent);
    WriteFile(Beside(kSecret), kSecret);
  }
  vmm::DaemonProcess::Options process;
  process.command = options_.command;
  process.socket_path = scratch_.Path("socket");
  process.stderr_path = scratch_.Path("stderr");
  process.command.push_back("--socket-path=" + process.socket_path);
  process.command.push_back("--shared-dir=" + share_);
  process.command.insert(process.command.end(), attack_.daemon_options.begin(),
                         attack_.daemon_options.end());
  daemon_.reset();
  auto started = vmm::DaemonProcess::Start(process);
  if (!started.ok()) return started.status();
  daemon_ = std::move(*started);
  return absl::OkStatus();
}

absl::Status AttackContext::Start() {
  DropFrontEnd();
  if (const absl::Status started = StartDaemon(); !started.ok()) return started;
  auto socket = daemon_->Connect();
  if (!socket.ok()) return socket.status();
  raw_client_ = std::make_unique<vmm::VhostUserClient>(std::move(*socket));
  stopped_ = ended_ = unanswered_ = disconnected_ = false;
  if (attack_.stage == Attack::Stage::kSocket) return absl::OkStatus();
  return Serve(attack_.init);
}

absl::Status AttackContext::Serve(bool init) {
  UniqueFd socket(fcntl(raw_client_->fd(), F_DUPFD_CLOEXEC, 0));
  vmm::FrontEnd::Options options;
  options.queues = 3;
  options.queue.indirect = attack_.indirect;
  options.regions = {{.guest_base = 0, .size = size_t{32} << 20}};
  if (attack_.two_regions) {
    options.regions.push_back({.guest_base = size_t{32} << 20, .size = size_t{1} << 20});
  }
  auto connected = vmm::FrontEnd::Connect(std::move(socket), options);
  if (!connected.ok()) return connected.status();
  front_end_ = std::move(*connected);
  raw_client_.reset();
  if (front_end_->queue_count() < 2) return Failed("the queues", "too few");
  if (const absl::Status started = front_end_->Start(); !started.ok()) return started;
  for (size_t i = 0; i < front_end_->queue_count(); ++i) {
    vmm::FuseQueue::Options queue_options;
    queue_options.hangup_fd = front_end_->client().fd();
    queue_options.index = Narrow<uint16_t>(i);
    auto queue = vmm::FuseQueue::Create(memory(), front_end_->queue(i), queue_options);
    if (!queue.ok()) return Failed("the queue", queue.error().Message());
    queues_.push_back(std::move(*queue));
    auto client = vmm::FuseClient::Create(*queues_.back());
    if (!client.ok()) return Failed("the client", client.error().Message());
    clients_.push_back(std::move(*client));
    clients_.back()->set_timeout(options_.patience);
  }
  auto scratch = memory().Allocate(kScratchBytes, vmm::kGuestPageBytes, 0);
  if (!scratch.ok()) return Failed("guest memory", scratch.error().Message());
  scratch_buffer_ = *scratch;
  if (!init) return absl::OkStatus();
  if (const auto done = fuse().Init(); !done.ok()) return Failed("INIT", done.error().Message());
  return absl::OkStatus();
}

bool AttackContext::ResetDevice() {
  if (const absl::Status reset = front_end_->Reset(); !reset.ok()) {
    Fail(absl::StrCat("reset: ", std::string(reset.message())));
    return false;
  }
  for (const auto& queue : queues_) queue->Reset();
  for (size_t i = 0; i < front_end_->queue_count(); ++i) {
    if (ring(i).error_event().Drain()) said_broken_ = true;
  }
  stopped_ = false;
  if (const absl::Status started = front_end_->Start(); !started.ok()) {
    Fail(absl::StrCat("start after a reset: ", std::string(started.message())));
    return false;
  }
  if (!attack_.init) return true;
  if (const auto done = fuse().Init(); !done.ok()) {
    Fail("INIT after a reset: " + done.error().Message());
    return false;
  }
  return true;
}

int AttackContext::Send(std::string_view request, size_t reply_bytes, size_t index) {
  if (over()) return kLost;
  const size_t half = scratch_buffer_.size() / 2;
  const vmm::GuestBuffer in = scratch_buffer_.Part(0, std::min(request.size(), half));
  const vmm::GuestBuffer out = scratch_buffer_.Part(half, std::min(reply_bytes, half));
  std::memcpy(in.bytes.data(), request.data(), in.size());
  const vmm::Segment readable{in.address, Narrow<uint32_t>(in.size())};
  const vmm::Segment writable{out.address, Narrow<uint32_t>(out.size())};
  used_length_ = 0;
  const auto submitted = queue(index).SubmitRaw(
      std::span(&readable, in.size() == 0 ? 0 : 1), std::span(&writable, out.size() == 0 ? 0 : 1),
      [](void* context, const vmm::FuseReply& reply) {
        static_cast<AttackContext*>(context)->used_length_ = Narrow<uint32_t>(reply.data_bytes);
      },
      this);
  if (!submitted.ok()) {
    Fail("a chain: " + submitted.error().Message());
    return kLost;
  }
  if (Await(index) != ChainEnd::kUsed) return kLost;
  if (used_length_ > out.size()) {
    Fail("used length beyond the room for the reply");
    return kLost;
  }
  if (used_length_ == 0) return kNoReply;
  fuse_out_header header{};
  if (used_length_ < sizeof(header)) {
    Fail("a reply shorter than its header");
    return kLost;
  }
  std::memcpy(&header, out.bytes.data(), sizeof(header));
  fuse_in_header asked{};
  std::memcpy(&asked, request.data(), std::min(sizeof(asked), request.size()));
  if (header.len != used_length_ || header.error > 0 || header.error < -511 ||
      header.unique != asked.unique) {
    Fail(absl::StrCat("a reply that isn't one: len ", header.len, " of ", used_length_, ", error ",
                      header.error, ", unique ", header.unique));
    return kLost;
  }
  reply_.assign(reinterpret_cast<const char*>(out.bytes.data()) + sizeof(header),
                used_length_ - sizeof(header));
  return -header.error;
}

void AttackContext::ExpectRefusal(std::string_view what, std::string_view request,
                                  size_t reply_bytes) {
  if (Send(request, reply_bytes) == 0) Fail(absl::StrCat("succeeded: ", std::string(what)));
}

std::optional<uint16_t> AttackContext::AddChain(std::span<const vmm::Segment> readable,
                                                std::span<const vmm::Segment> writable) {
  if (over()) return std::nullopt;
  const size_t before = ring().in_flight();
  const auto submitted = queue().SubmitRaw(readable, writable, nullptr, nullptr);
  if (!submitted.ok() || ring().in_flight() != before + 1) {
    Fail("a chain: " + Errno(submitted.errno_value()).Message());
    return std::nullopt;
  }
  // The ring's next slot; what was added before in this batch hasn't been published either, so that
  // only one chain at a time can be found so.
  const size_t slot = ring().available_index() % ring().size();
  uint16_t head = 0;
  std::memcpy(&head, ring().raw_available().bytes.data() + 4 + 2 * slot, sizeof(head));
  return head;
}

ChainEnd AttackContext::Look(size_t index) {
  vmm::FuseQueue& fuse_queue = queue(index);
  const bool there = ring(index).EnableCalls();
  if (const auto reaped = fuse_queue.Reap(); !reaped.ok()) {
    Fail("the device: " + fuse_queue.violation());
    return ChainEnd::kUsed;
  }
  if (fuse_queue.in_flight() == 0) return ChainEnd::kUsed;
  return there ? ChainEnd::kUnanswered : LookAtEvents(index);
}

ChainEnd AttackContext::LookAtEvents(size_t index) {
  const uint16_t before = ring(index).LoadUsedIndex();
  pollfd watched[] = {{ring(index).call_fd(), POLLIN, 0},
                      {ring(index).error_fd(), POLLIN, 0},
                      {client().fd(), POLLRDHUP, 0}};
  poll(watched, 3, kLookMilliseconds);
  if (watched[0].revents != 0) ring(index).DrainCall();
  // The used ring may have moved just before the queue broke or the connection ended.
  if (ring(index).LoadUsedIndex() != before) return ChainEnd::kUnanswered;
  if (watched[1].revents != 0) {
    stopped_ = said_broken_ = true;
    return ChainEnd::kStopped;
  }
  if (watched[2].revents != 0) {
    ended_ = true;
    return ChainEnd::kEnded;
  }
  return ChainEnd::kUnanswered;
}

void AttackContext::AwaitUsedIndex(uint16_t index) {
  const auto deadline = Clock::now() + options_.patience;
  while (!over() && ring().LoadUsedIndex() != index) {
    if (LookAtEvents(kAttacked) == ChainEnd::kUnanswered && Clock::now() >= deadline) {
      unanswered_ = true;
    }
  }
}

ChainEnd AttackContext::Await(size_t index) {
  queue(index).Flush();
  const auto deadline = Clock::now() + options_.patience;
  do {
    const ChainEnd end = Look(index);
    if (end != ChainEnd::kUnanswered) return end;
  } while (Clock::now() < deadline);
  unanswered_ = true;
  return ChainEnd::kUnanswered;
}

void AttackContext::Fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

bool AttackContext::ConnectionClosed() {
  if (ended_) return true;
  if (daemon_->WaitForExit(std::chrono::milliseconds(0)).has_value()) return true;
  pollfd hangup{client().fd(), POLLRDHUP, 0};
  return poll(&hangup, 1, 0) > 0;
}

void AttackContext::DisconnectAndExpectExit(int status) {
  if (over()) return;
  client().Disconnect();
  ended_ = disconnected_ = true;
  const auto exited = daemon_->WaitForExit(options_.patience);
  if (!exited.has_value()) {
    Fail("still running after the disconnect");
  } else if (*exited != status) {
    Fail(absl::StrCat("exit status ", *exited));
  } else if (!daemon_->Leftovers().empty()) {
    Fail("processes left behind");
  }
}

std::string AttackContext::Output() const { return daemon_ ? daemon_->Output() : std::string(); }

std::string Request(const RequestHeader& header, std::string_view body) {
  fuse_in_header in{};
  in.len = header.length.value_or(Narrow<uint32_t>(sizeof(in) + body.size()));
  in.opcode = header.opcode;
  in.unique = header.unique;
  in.nodeid = header.node;
  in.total_extlen = header.extensions;
  return Bytes(in) + std::string(body);
}

void ChangeWhileServing(AttackContext& context, bool (*change)(AttackContext&)) {
  std::atomic<bool> stop = false;
  std::atomic<bool> refused = false;
  std::atomic<int> changes = 0;
  std::thread changer([&] {
    while (!stop && !refused) {
      refused = !change(context);
      ++changes;
    }
  });
  const std::string request = Request({.opcode = FUSE_STATFS});
  for (int i = 0; (i < 500 || changes < 20) && !refused && !context.over(); ++i) {
    context.Send(request);
  }
  stop = true;
  changer.join();
  if (refused) context.Fail("a change was refused");
}

}  // namespace postern::hostile
