// Stands in for postern-worker in the launcher's tests. The tag tells it to misbehave.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "common/logging.h"
#include "proto/exit_status.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/jail.h"
#include "tests/integration/launcher/look_around.h"

namespace postern {
namespace {

constexpr uint64_t kMemoryLimit = 1 << 30;

// Reads the connection to its end. Returns the exit status.
int Serve(Channel& control, int connection, const std::string& tag) {
  if (tag == "forbidden-call") syscall(SYS_chroot, "/");
  if (tag == "fail-serving") return 4;
  if (tag == "serve-without-broker") return kExitWithoutBroker;
  if (tag == "last-words") {
    constexpr std::string_view kWords = "no record, and no end of a line";
    if (write(STDERR_FILENO, kWords.data(), kWords.size()) > 0) std::abort();
  }
  if (tag == "speak-nonsense") {
    return ReportState(control, config::ChildStatus::STATE_READY).ok() ? 0 : 1;
  }
  char byte;
  for (;;) {
    pollfd events[] = {{control.fd(), POLLIN, 0}, {connection, POLLIN, 0}};
    if (poll(events, 2, -1) < 0) return 1;
    if (events[0].revents != 0) return 0;
    if (events[1].revents != 0 && read(connection, &byte, 1) <= 0) break;
  }
  if (tag == "exit-silently") return 0;
  return ReportState(control, config::ChildStatus::STATE_FRONT_END_GONE).ok() ? 0 : 1;
}

int Run() {
  absl::StatusOr<WorkerStart> start = ReceiveWorkerStart("stand-in-worker");
  if (!start.ok()) {
    LOG(ERROR) << Text(start.status());
    return 1;
  }
  const config::WorkerConfig& config = start->config;
  const bool privileged = HasSetpcap();
  if (const absl::Status status = EnterWorkerJail(config); !status.ok()) {
    LOG(ERROR) << Text(status);
    return 1;
  }
  if (const std::string wrong = LookAroundTheWorkersJail(privileged); !wrong.empty()) {
    LOG(ERROR) << "worker's look around: " << wrong;
    return 1;
  }
  LOG(INFO) << "worker's look around: as it should be";
  if (const absl::Status status = SealWorker(config, kMemoryLimit); !status.ok()) {
    LOG(ERROR) << Text(status);
    return 1;
  }
  if (config.tag() == "without-broker") return kExitWithoutBroker;
  if (config.tag() == "early-nonsense") {
    return ReportState(start->control, config::ChildStatus::STATE_FRONT_END_GONE).ok() ? 0 : 1;
  }
  LOG(INFO) << "channels: " << start->channels.size();
  if (!ReportState(start->control, config::ChildStatus::STATE_READY).ok()) return 1;
  config::ServeRequest request;
  const auto connection = start->control.ReceiveMessage(request, 1);
  if (!connection.ok()) return 0;  // posternd ends before anybody has connected.
  if (!request.serve() || connection->size() != 1) return 1;
  return Serve(start->control, connection->front().get(), config.tag());
}

}  // namespace
}  // namespace postern

int main() { return postern::Run(); }
