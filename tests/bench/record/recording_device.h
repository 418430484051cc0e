// A virtio-fs device that hands every request on to a daemon and has it recorded.
#ifndef POSTERN_TESTS_BENCH_RECORD_RECORDING_DEVICE_H_
#define POSTERN_TESTS_BENCH_RECORD_RECORDING_DEVICE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <memory>
#include <thread>
#include <vector>

#include "tests/bench/record/upstream.h"
#include "worker/vhost_user/device_queue.h"

namespace postern::bench {

// Looks at its ring every millisecond: what is recorded is the order of requests, not their time.
class RecordingQueue : public DeviceQueue {
 public:
  explicit RecordingQueue(Upstream& upstream);
  ~RecordingQueue() override;

  void Start(Ring ring) override;
  Ring Stop() override;
  void SetEnabled(bool enabled) override;
  void SetMemory(std::shared_ptr<const MemoryTable> memory) override;
  void SetKick(UniqueFd kick) override;
  void SetCall(UniqueFd call) override;
  void SetError(UniqueFd) override {}

 private:
  void Run();
  void ServeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Upstream& upstream_;
  absl::Mutex mutex_;  // Held while requests are served, so that Stop() finds none under way.
  Ring ring_ ABSL_GUARDED_BY(mutex_);
  UniqueFd call_ ABSL_GUARDED_BY(mutex_);
  bool enabled_ ABSL_GUARDED_BY(mutex_) = false;
  bool quit_ ABSL_GUARDED_BY(mutex_) = false;
  DescriptorChain chain_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::byte> request_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::byte> answer_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses all of the above.
};

class RecordingDevice : public Device {
 public:
  RecordingDevice(Upstream& upstream, size_t queues);

  size_t queue_count() const override { return queues_.size(); }
  DeviceQueue& queue(size_t index) override { return *queues_[index]; }
  void Reset() override {}

 private:
  std::vector<std::unique_ptr<RecordingQueue>> queues_;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_RECORD_RECORDING_DEVICE_H_
