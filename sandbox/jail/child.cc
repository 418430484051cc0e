#include "sandbox/jail/child.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "common/logging.h"

#ifdef POSTERN_SANITIZED
// The leak checker attaches to its own process from outside and reads /proc: no jail allows either.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

namespace postern {
namespace {

// 1 hiprio queue and 64 request queues.
constexpr size_t kMaxChannels = 65;

absl::StatusOr<Channel> OpenControl() {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(kControlDescriptor, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
      type != SOCK_SEQPACKET) {
    return ErrorStatus("this program is started by posternd, not by hand");
  }
  UniqueFd socket(kControlDescriptor);
  if (fcntl(socket.get(), F_SETFD, FD_CLOEXEC) < 0) return ErrnoStatus("control channel");
  return Channel(std::move(socket));
}

// Takes `descriptors` as they lie in a start message.
absl::Status OpenChannels(std::vector<UniqueFd> descriptors, RpcChannel::End end,
                          std::vector<RpcChannel>& channels) {
  for (size_t i = 0; i + RpcChannel::kDescriptors <= descriptors.size();
       i += RpcChannel::kDescriptors) {
    auto channel = RpcChannel::Open(RpcChannel::TakeParts(std::span(descriptors).subspan(i)), end);
    if (!channel.ok()) return ErrnoStatus("opening a channel", channel.errno_value());
    channels.push_back(*std::move(channel));
  }
  return absl::OkStatus();
}

template <typename Start>
absl::StatusOr<Start> Receive(const char* program, RpcChannel::End end) {
  InitializeLogging(program);
  POSTERN_TRY_ASSIGN(Channel control, OpenControl());
  LogToLauncher();
  Start start{{}, std::move(control), {}};
  std::vector<UniqueFd> all;
  do {
    auto descriptors = start.control.ReceiveMessage(start.config, kMaxMessageDescriptors);
    if (!descriptors.ok()) {
      return ErrnoStatus("receiving the configuration", descriptors.errno_value());
    }
    for (UniqueFd& descriptor : *descriptors) all.push_back(std::move(descriptor));
    if (descriptors->empty()) break;
  } while (all.size() / RpcChannel::kDescriptors <
           std::min<size_t>(start.config.channels(), kMaxChannels));

  const uint32_t level = start.config.common().log_level();
  if (level < static_cast<uint32_t>(LogLevel::kOff) ||
      level > static_cast<uint32_t>(LogLevel::kTrace) ||
      all.size() != start.config.channels() * RpcChannel::kDescriptors || all.empty()) {
    return ErrorStatus("the configuration doesn't hold together");
  }
  SetLogLevel(static_cast<LogLevel>(level));
  POSTERN_TRY(OpenChannels(std::move(all), end, start.channels));
  return start;
}

}  // namespace

absl::StatusOr<BrokerStart> ReceiveBrokerStart(const char* program) {
  POSTERN_TRY_ASSIGN(BrokerStart start, Receive<BrokerStart>(program, RpcChannel::End::kBroker));
  if (start.config.threads() == 0) return ErrorStatus("the configuration has no broker threads");
  return start;
}

absl::StatusOr<WorkerStart> ReceiveWorkerStart(const char* program) {
  return Receive<WorkerStart>(program, RpcChannel::End::kWorker);
}

absl::Status SendStart(Channel& control, const google::protobuf::MessageLite& config,
                       std::span<const int> descriptors) {
  do {
    const size_t count = std::min(descriptors.size(), kMaxMessageDescriptors);
    const ErrnoOrVoid sent = control.SendMessage(config, descriptors.first(count));
    if (!sent.ok()) return ErrnoStatus("sending the configuration", sent.errno_value());
    descriptors = descriptors.subspan(count);
  } while (!descriptors.empty());
  return absl::OkStatus();
}

absl::Status ReportState(Channel& control, config::ChildStatus::State state) {
  config::ChildStatus status;
  status.set_state(state);
  const ErrnoOrVoid sent = control.SendMessage(status);
  if (!sent.ok()) return ErrnoStatus("reporting to posternd", sent.errno_value());
  return absl::OkStatus();
}

}  // namespace postern
