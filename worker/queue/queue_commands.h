// What the connection's thread has a queue's thread do.
#ifndef POSTERN_WORKER_QUEUE_QUEUE_COMMANDS_H_
#define POSTERN_WORKER_QUEUE_QUEUE_COMMANDS_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <memory>
#include <optional>

#include "common/event_fd.h"
#include "common/unique_fd.h"
#include "worker/vhost_user/device_queue.h"

namespace postern {

struct QueueCommand {
  enum class Action {
    kStart,
    kStop,
    kEnable,
    kDisable,
    kSetMemory,
    kSetKick,
    kSetCall,
    kSetError,
    kEndSession,
    kQuit,
  };

  Action action = Action::kQuit;
  DeviceQueue::Ring ring;  // kStart: to serve. kStop: given back.
  UniqueFd fd;  // kSetKick, …Call, …Error: the new one. Given back: the one that it replaces.
  std::shared_ptr<const MemoryTable> memory = nullptr;  // kSetMemory.
};

// One command at a time.
class QueueCommands {
 public:
  // `wake` is signalled when there is a command; it outlives this.
  explicit QueueCommands(const EventFd& wake) : wake_(wake) {}

  // From the connection's thread: has the queue's thread do it, and returns when it is done, with
  // what is given back.
  QueueCommand Execute(QueueCommand command) ABSL_LOCKS_EXCLUDED(mutex_);

  // From the queue's thread: the command that waits, if one does. Finish() is owed for it.
  std::optional<QueueCommand> Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    if (!waits_.load(std::memory_order_relaxed)) return std::nullopt;
    return TakeWaiting();
  }
  // It is done. `command` is what was taken, with what is to be given back.
  void Finish(QueueCommand command) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::optional<QueueCommand> TakeWaiting() ABSL_LOCKS_EXCLUDED(mutex_);
  bool FinishedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return finished_.has_value();
  }

  const EventFd& wake_;
  // Whether Take() has anything to look at: spares it the lock.
  std::atomic<bool> waits_ = false;
  absl::Mutex mutex_;
  std::optional<QueueCommand> waiting_ ABSL_GUARDED_BY(mutex_);
  std::optional<QueueCommand> finished_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_QUEUE_COMMANDS_H_
