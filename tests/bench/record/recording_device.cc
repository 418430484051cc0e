#include "tests/bench/record/recording_device.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "common/checked.h"
#include "common/mutex_lock.h"

namespace postern::bench {

RecordingQueue::RecordingQueue(Upstream& upstream)
    : upstream_(upstream), thread_([this] { Run(); }) {}

RecordingQueue::~RecordingQueue() {
  {
    MutexLock lock(mutex_);
    quit_ = true;
  }
  thread_.join();
}

void RecordingQueue::Start(Ring ring) {
  MutexLock lock(mutex_);
  ring_ = std::move(ring);
}

DeviceQueue::Ring RecordingQueue::Stop() {
  MutexLock lock(mutex_);
  return std::exchange(ring_, {});
}

void RecordingQueue::SetEnabled(bool enabled) {
  MutexLock lock(mutex_);
  enabled_ = enabled;
}

void RecordingQueue::SetMemory(std::shared_ptr<const MemoryTable> memory) {
  MutexLock lock(mutex_);
  if (ring_.virtqueue != nullptr) ring_.virtqueue->UseMemory(std::move(memory));
}

void RecordingQueue::SetKick(UniqueFd kick) {
  MutexLock lock(mutex_);
  ring_.kick = std::move(kick);
}

void RecordingQueue::SetCall(UniqueFd call) {
  MutexLock lock(mutex_);
  call_ = std::move(call);
}

void RecordingQueue::Run() {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (quit_) return;
      if (enabled_ && ring_.virtqueue != nullptr) ServeLocked();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void RecordingQueue::ServeLocked() {
  while (ring_.virtqueue->Pop(chain_) == Virtqueue::PopResult::kChain) {
    request_.resize(chain_.readable_bytes());
    uint32_t written = 0;
    if (chain_.CopyFromGuest(0, request_)) {
      const auto answer = upstream_.Call(request_, chain_.writable_bytes(), answer_);
      if (chain_.CopyToGuest(0, answer)) written = Narrow<uint32_t>(answer.size());
    }
    ring_.virtqueue->Push(chain_.head(), written);
    if (ring_.virtqueue->Publish() && call_) {
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t notified = write(call_.get(), &one, sizeof(one));
    }
  }
}

RecordingDevice::RecordingDevice(Upstream& upstream, size_t queues) {
  for (size_t i = 0; i < queues; ++i) queues_.push_back(std::make_unique<RecordingQueue>(upstream));
}

}  // namespace postern::bench
