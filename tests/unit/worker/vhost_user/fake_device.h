// A Device that serves nothing and remembers what was done to it.
#ifndef POSTERN_TESTS_UNIT_WORKER_VHOST_USER_FAKE_DEVICE_H_
#define POSTERN_TESTS_UNIT_WORKER_VHOST_USER_FAKE_DEVICE_H_

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "worker/vhost_user/device_queue.h"

namespace postern {

// What the session's thread does and what the test looks at alternate: the test looks only while
// the session waits for a message. The mutex makes that order visible to ThreadSanitizer, which
// doesn't take it from the socket (nor, uninstrumented as the distribution builds it, from
// absl::Mutex).
class FakeQueue : public DeviceQueue {
 public:
  FakeQueue(std::mutex& mutex, std::vector<std::string>& log, std::string name)
      : mutex_(mutex), log_(log), name_(std::move(name)) {}

  void Start(Ring ring) override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(ring_.virtqueue, nullptr) << "started twice";
    EXPECT_NE(ring.virtqueue, nullptr);
    ring_ = std::move(ring);
    Log("start");
  }
  Ring Stop() override {
    const std::lock_guard lock(mutex_);
    Log("stop");
    return std::exchange(ring_, {});
  }
  void SetEnabled(bool enabled) override {
    const std::lock_guard lock(mutex_);
    if (enabled_ != enabled) Log(enabled ? "enable" : "disable");
    enabled_ = enabled;
  }
  void SetMemory(std::shared_ptr<const MemoryTable> memory) override {
    const std::lock_guard lock(mutex_);
    ASSERT_NE(ring_.virtqueue, nullptr);
    ring_.virtqueue->UseMemory(std::move(memory));
    Log("memory");
  }
  void SetKick(UniqueFd kick) override {
    const std::lock_guard lock(mutex_);
    ASSERT_NE(ring_.virtqueue, nullptr);
    ring_.kick = std::move(kick);
    Log("kick");
  }
  void SetCall(UniqueFd call) override {
    const std::lock_guard lock(mutex_);
    call_ = std::move(call);
  }
  void SetError(UniqueFd error) override {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }

  bool started() const { return ring_.virtqueue != nullptr; }
  bool enabled() const { return enabled_; }
  // Precondition: started().
  Virtqueue& virtqueue() { return *ring_.virtqueue; }
  const UniqueFd& kick() const { return ring_.kick; }
  const UniqueFd& call() const { return call_; }
  const UniqueFd& error() const { return error_; }

 private:
  void Log(const char* what) { log_.push_back(name_ + what); }

  std::mutex& mutex_;
  std::vector<std::string>& log_;
  const std::string name_;
  Ring ring_;
  bool enabled_ = false;
  UniqueFd call_;
  UniqueFd error_;
};

class FakeDevice : public Device {
 public:
  explicit FakeDevice(size_t queues) {
    for (size_t i = 0; i < queues; ++i) {
      queues_.push_back(std::make_unique<FakeQueue>(mutex_, log_, std::to_string(i) + " "));
    }
  }
  size_t queue_count() const override { return queues_.size(); }
  FakeQueue& queue(size_t index) override { return *queues_.at(index); }
  void Reset() override {
    const std::lock_guard lock(mutex_);
    for (const auto& queue : queues_) EXPECT_FALSE(queue->started()) << "reset while started";
    log_.push_back("reset");
  }

  // For the test: before it sends, and after it has received.
  void HandOver() { const std::lock_guard lock(mutex_); }
  // What was done since the last call: "1 start", "0 disable", "reset".
  std::vector<std::string> TakeLog() { return std::exchange(log_, {}); }

 private:
  std::mutex mutex_;
  std::vector<std::string> log_;
  std::vector<std::unique_ptr<FakeQueue>> queues_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_VHOST_USER_FAKE_DEVICE_H_
