#include "tests/conformance/daemon_run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <utility>

#include "tests/conformance/local_tree.h"
#include "tests/conformance/shared_tree.h"
#include "tests/vmm/daemon_process.h"
#include "tests/vmm/front_end.h"
#include "tests/vmm/fuse_client.h"
#include "tests/vmm/fuse_queue.h"
#include "tests/vmm/temp_directory.h"

namespace postern::conformance {
namespace {

bool Failed(const char* step, const std::string& why) {
  std::cerr << step << ": " << why << "\n";
  return false;
}

// For everybody: with translated ids the guest's root is somebody else on the host.
bool MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 && chmod(path.c_str(), 0777) == 0) return true;
  return Failed(path.c_str(), Errno::Last().Message());
}

bool CompareOver(vmm::FrontEnd& front_end, const std::string& local_directory,
                 const RunOptions& options) {
  if (const absl::Status started = front_end.Start(); !started.ok()) {
    return Failed("the rings", std::string(started.message()));
  }
  vmm::FuseQueue::Options queue_options;
  queue_options.hangup_fd = front_end.client().fd();
  auto queue = vmm::FuseQueue::Create(front_end.memory(), front_end.queue(1), queue_options);
  if (!queue.ok()) return Failed("the queue", queue.error().Message());
  auto client = vmm::FuseClient::Create(**queue);
  if (!client.ok()) return Failed("the client", client.error().Message());
  if (const auto init = (*client)->Init(); !init.ok()) {
    return Failed("FUSE_INIT", init.error().Message());
  }
  auto local = LocalTree::Open(local_directory);
  if (!local.ok()) return Failed(local_directory.c_str(), local.error().Message());
  SharedTree shared(**client);
  const Summary summary = Compare(**local, shared, options);
  PrintSummary(summary);
  if (!(*queue)->violation().empty()) return Failed("the device", (*queue)->violation());
  return summary.passed();
}

}  // namespace

bool RunAgainstDaemon(const std::vector<std::string>& command, const std::string& directory,
                      const RunOptions& options) {
  const vmm::TempDirectory scratch(directory);
  const std::string local = scratch.Path("local");
  const std::string share = scratch.Path("share");
  if (!MakeDirectory(local) || !MakeDirectory(share)) return false;
  vmm::DaemonProcess::Options process;
  process.command = command;
  process.socket_path = scratch.Path("socket");
  process.stderr_path = scratch.Path("stderr");
  process.command.push_back("--socket-path=" + process.socket_path);
  process.command.push_back("--shared-dir=" + share);
  auto daemon = vmm::DaemonProcess::Start(process);
  if (!daemon.ok()) return Failed("the daemon", daemon.status().ToString());
  auto socket = (*daemon)->Connect();
  if (!socket.ok()) return Failed("the socket", socket.status().ToString());
  auto front_end = vmm::FrontEnd::Connect(std::move(*socket), {});
  if (!front_end.ok()) return Failed("the connection", front_end.status().ToString());

  RunOptions without_kernel = options;
  without_kernel.has &= ~uint32_t{kKernel};
  bool passed = CompareOver(**front_end, local, without_kernel);
  (*front_end)->Disconnect();
  const auto status = (*daemon)->WaitForExit();
  if (status != 0) {
    passed = Failed("the daemon's end", status.has_value() ? std::to_string(*status) : "running");
  }
  if (!passed) std::cerr << (*daemon)->Output();
  return passed;
}

}  // namespace postern::conformance
