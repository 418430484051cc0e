// A daemon behind the recorder: takes requests as bytes, gives the answers as bytes.
#ifndef POSTERN_TESTS_BENCH_RECORD_UPSTREAM_H_
#define POSTERN_TESTS_BENCH_RECORD_UPSTREAM_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/record/trace_recorder.h"
#include "tests/vmm/daemon_process.h"
#include "tests/vmm/front_end.h"
#include "tests/vmm/fuse_queue.h"
#include "tests/vmm/temp_directory.h"

namespace postern::bench {

// One request at a time, from any queue: their order is that of the trace. Thread-safe.
class Upstream {
 public:
  // `command` is a daemon's, without its socket.
  static absl::StatusOr<std::unique_ptr<Upstream>> Start(std::vector<std::string> command);

  // The answer, of at most `room` bytes. The program ends if there is none.
  std::span<const std::byte> Call(std::span<const std::byte> request, size_t room,
                                  std::vector<std::byte>& answer) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the daemon. An error if it doesn't end with status 0.
  absl::Status Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing may be under way.
  const TraceRecorder& recorder() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return recorder_; }

 private:
  Upstream() = default;

  vmm::TempDirectory directory_;
  std::unique_ptr<vmm::DaemonProcess> daemon_;
  std::unique_ptr<vmm::FrontEnd> front_end_;
  vmm::GuestBuffer request_;
  vmm::GuestBuffer answer_;
  absl::Mutex mutex_;
  std::unique_ptr<vmm::FuseQueue> queue_ ABSL_GUARDED_BY(mutex_);
  TraceRecorder recorder_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_RECORD_UPSTREAM_H_
