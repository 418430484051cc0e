// A fresh daemon with a front end on it, ready for requests.
#ifndef POSTERN_TESTS_BENCH_SESSION_H_
#define POSTERN_TESTS_BENCH_SESSION_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/vmm/daemon_process.h"
#include "tests/vmm/front_end.h"
#include "tests/vmm/fuse_client.h"
#include "tests/vmm/fuse_queue.h"
#include "tests/vmm/temp_directory.h"

namespace postern::bench {

// Pins the calling thread, and what it starts, to one CPU; -1: to all that the program may use.
absl::Status RunOnCpu(int cpu);

// The daemon runs on `daemon_cpu`, this thread on `front_end_cpu`; the front end polls its used
// ring, so that what is measured is the daemon. One request queue.
class Session {
 public:
  static absl::StatusOr<std::unique_ptr<Session>> Start(const std::vector<std::string>& command,
                                                        const std::string& share, int daemon_cpu,
                                                        int front_end_cpu);
  // Disconnects. An error if the daemon doesn't end with status 0.
  absl::Status Stop();

  vmm::FuseQueue& queue() { return *queue_; }
  vmm::FuseClient& client() { return *client_; }
  // CPU time of all of the daemon's processes so far, in microseconds.
  double CpuMicroseconds() const;

 private:
  Session() = default;

  vmm::TempDirectory directory_;
  std::unique_ptr<vmm::DaemonProcess> daemon_;
  std::unique_ptr<vmm::FrontEnd> front_end_;
  std::unique_ptr<vmm::FuseQueue> queue_;
  std::unique_ptr<vmm::FuseClient> client_;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_SESSION_H_
