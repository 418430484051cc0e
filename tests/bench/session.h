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

// The daemon runs on one CPU, the threads of the front end on another. They sleep until they are
// notified, as a guest's processor does, or poll their used rings, as no guest does.
class Session {
 public:
  struct Options {
    std::vector<std::string> command;  // With {socket} and {share}, or both are added.
    std::string share;
    size_t queues = 1;  // Request queues.
    int daemon_cpu = -1;
    int front_end_cpu = -1;
    bool front_end_polls = false;
    // Of so many sessions that work in one directory at a time, the how manieth.
    size_t crew = 1;
    size_t position = 0;
  };

  // kUnimplemented: the daemon doesn't offer as many queues.
  static absl::StatusOr<std::unique_ptr<Session>> Start(const Options& options);
  // Disconnects. An error if the daemon doesn't end with status 0.
  absl::Status Stop();

  const std::string& share() const { return share_; }
  size_t crew() const { return crew_; }
  size_t position() const { return position_; }
  size_t queue_count() const { return queues_.size(); }
  vmm::FuseQueue& queue(size_t index) { return *queues_[index]; }
  vmm::FuseClient& client(size_t index) { return *clients_[index]; }
  // `size` bytes (at most 1 MiB) of guest memory, the same for each call with that `lane`.
  absl::StatusOr<vmm::GuestBuffer> Buffer(size_t lane, size_t size);

  // CPU time of all of the daemon's processes so far.
  double CpuMicroseconds() const;
  // What they hold of the host's memory, each shared page counted once (proportional set size).
  uint64_t MemoryBytes() const;

 private:
  Session() = default;
  absl::Status StartFrontEnd(const Options& options);

  std::string share_;
  size_t crew_ = 1;
  size_t position_ = 0;
  vmm::TempDirectory directory_;
  std::unique_ptr<vmm::DaemonProcess> daemon_;
  std::unique_ptr<vmm::FrontEnd> front_end_;
  std::vector<std::unique_ptr<vmm::FuseQueue>> queues_;
  std::vector<std::unique_ptr<vmm::FuseClient>> clients_;
  std::vector<vmm::GuestBuffer> buffers_;  // By lane.
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_SESSION_H_
