#include "tests/bench/session.h"

#include <absl/strings/str_replace.h>
#include <sched.h>

#include <fstream>
#include <utility>

#include "tests/bench/prepare.h"

namespace postern::bench {
namespace {

constexpr size_t kLaneBytes = size_t{1} << 20;
constexpr size_t kMaxLanesPerQueue = 64;
constexpr size_t kRingBytes = size_t{64} << 20;  // Of rings, requests and replies.

// Says where the daemon is to listen and what to share: in the places that the command has for it,
// or as virtiofsd takes it.
void AddPlaces(const std::string& socket, const std::string& share,
               std::vector<std::string>& command) {
  bool found = false;
  for (std::string& word : command) {
    found = absl::StrReplaceAll({{"{socket}", socket}, {"{share}", share}}, &word) > 0 || found;
  }
  if (found) return;
  command.push_back("--socket-path=" + socket);
  command.push_back("--shared-dir=" + share);
}

}  // namespace

absl::Status RunOnCpu(int cpu) {
  static const cpu_set_t all = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    return set;
  }();
  cpu_set_t wanted = all;
  if (cpu >= 0) {
    CPU_ZERO(&wanted);
    CPU_SET(static_cast<size_t>(cpu), &wanted);
  }
  if (sched_setaffinity(0, sizeof(wanted), &wanted) < 0) {
    return Failed("sched_setaffinity", Errno::Last());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Session>> Session::Start(const Options& options) {
  std::unique_ptr<Session> session(new Session);
  session->share_ = options.share;
  session->crew_ = options.crew;
  session->position_ = options.position;
  vmm::DaemonProcess::Options process;
  process.command = options.command;
  process.socket_path = session->directory_.Path("socket");
  process.stderr_path = session->directory_.Path("stderr");
  AddPlaces(process.socket_path, options.share, process.command);
  if (auto status = RunOnCpu(options.daemon_cpu); !status.ok()) return status;
  auto daemon = vmm::DaemonProcess::Start(process);
  if (auto status = RunOnCpu(options.front_end_cpu); !status.ok()) return status;
  if (!daemon.ok()) return daemon.status();
  session->daemon_ = std::move(*daemon);
  if (auto status = session->StartFrontEnd(options); !status.ok()) {
    return absl::Status(status.code(),
                        std::string(status.message()) + "\n" + session->daemon_->Output());
  }
  return session;
}

absl::Status Session::StartFrontEnd(const Options& options) {
  auto socket = daemon_->Connect();
  if (!socket.ok()) return socket.status();
  vmm::FrontEnd::Options front_end;
  front_end.regions[0].size = kRingBytes + options.queues * kMaxLanesPerQueue * kLaneBytes;
  front_end.queues = 1 + options.queues;
  auto connected = vmm::FrontEnd::Connect(std::move(*socket), front_end);
  if (!connected.ok()) return connected.status();
  front_end_ = std::move(*connected);
  if (front_end_->queue_count() != front_end.queues) {
    return absl::UnimplementedError("the daemon doesn't offer as many queues");
  }
  if (auto status = front_end_->Start(); !status.ok()) return status;
  for (size_t i = 0; i < options.queues; ++i) {
    vmm::FuseQueue::Options queue;
    queue.wait = options.front_end_polls ? vmm::FuseQueue::WaitMode::kPoll
                                         : vmm::FuseQueue::WaitMode::kBlock;
    queue.yields = options.queues > 1;
    queue.hangup_fd = front_end_->client().fd();
    queue.index = static_cast<uint16_t>(i);
    auto created = vmm::FuseQueue::Create(front_end_->memory(), front_end_->queue(1 + i), queue);
    if (!created.ok()) return Failed("creating a queue", created.error());
    queues_.push_back(std::move(*created));
    auto client = vmm::FuseClient::Create(*queues_.back());
    if (!client.ok()) return Failed("creating a client", client.error());
    clients_.push_back(std::move(*client));
  }
  const auto init = clients_[0]->Init();
  return init.ok() ? absl::OkStatus() : Failed("INIT", init.error());
}

absl::StatusOr<vmm::GuestBuffer> Session::Buffer(size_t lane, size_t size) {
  while (buffers_.size() <= lane) {
    auto buffer = front_end_->memory().Allocate(kLaneBytes, vmm::kGuestPageBytes);
    if (!buffer.ok()) return Failed("guest memory", buffer.error());
    buffers_.push_back(*buffer);
  }
  return buffers_[lane].Part(0, size);
}

absl::Status Session::Stop() {
  front_end_->Disconnect();
  const auto status = daemon_->WaitForExit();
  if (status != 0) {
    return absl::InternalError("the daemon didn't end with status 0:\n" + daemon_->Output());
  }
  return absl::OkStatus();
}

double Session::CpuMicroseconds() const {
  return std::chrono::duration<double, std::micro>(vmm::ProcessorTime(daemon_->Processes()))
      .count();
}

uint64_t Session::MemoryBytes() const {
  uint64_t kibibytes = 0;
  for (const vmm::ProcessInfo& process : daemon_->Processes()) {
    std::ifstream file("/proc/" + std::to_string(process.pid) + "/smaps_rollup");
    std::string word;
    while (file >> word) {
      if (word != "Pss:") continue;
      uint64_t size = 0;
      file >> size;
      kibibytes += size;
      break;
    }
  }
  return kibibytes * 1024;
}

}  // namespace postern::bench
