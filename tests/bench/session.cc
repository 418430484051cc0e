#include "tests/bench/session.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

namespace postern::bench {
namespace {

absl::Status Failed(const char* step, Errno error) {
  return absl::InternalError(std::string(step) + ": " + error.Message());
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

absl::StatusOr<std::unique_ptr<Session>> Session::Start(const std::vector<std::string>& command,
                                                        const std::string& share, int daemon_cpu,
                                                        int front_end_cpu) {
  std::unique_ptr<Session> session(new Session);
  vmm::DaemonProcess::Options process;
  process.command = command;
  process.socket_path = session->directory_.Path("socket");
  process.stderr_path = session->directory_.Path("stderr");
  for (const std::string& word : {std::string("--socket-path=") + process.socket_path,
                                  std::string("--shared-dir=") + share}) {
    process.command.push_back(word);
  }
  if (auto status = RunOnCpu(daemon_cpu); !status.ok()) return status;
  auto daemon = vmm::DaemonProcess::Start(process);
  if (auto status = RunOnCpu(front_end_cpu); !status.ok()) return status;
  if (!daemon.ok()) return daemon.status();
  session->daemon_ = std::move(*daemon);

  auto socket = session->daemon_->Connect();
  if (!socket.ok()) return socket.status();
  auto front_end = vmm::FrontEnd::Connect(std::move(*socket), {});
  if (!front_end.ok()) return front_end.status();
  session->front_end_ = std::move(*front_end);
  if (auto status = session->front_end_->Start(); !status.ok()) return status;

  vmm::FuseQueue::Options options;
  options.wait = vmm::FuseQueue::WaitMode::kPoll;
  options.hangup_fd = session->front_end_->client().fd();
  auto queue =
      vmm::FuseQueue::Create(session->front_end_->memory(), session->front_end_->queue(1), options);
  if (!queue.ok()) return Failed("creating the queue", queue.error());
  session->queue_ = std::move(*queue);
  auto client = vmm::FuseClient::Create(*session->queue_);
  if (!client.ok()) return Failed("creating the client", client.error());
  session->client_ = std::move(*client);
  if (auto init = session->client_->Init(); !init.ok()) return Failed("INIT", init.error());
  return session;
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
  double ticks = 0;
  for (const vmm::ProcessInfo& process : daemon_->Processes()) {
    std::ifstream stat("/proc/" + std::to_string(process.pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    // Fields are counted from behind the name, which may contain anything: utime and stime are 14
    // and 15 (proc(5)).
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    ticks += user + system;
  }
  return ticks * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace postern::bench
