#include "worker/queue/queue_commands.h"

#include <utility>

#include "common/mutex_lock.h"

namespace postern {

QueueCommand QueueCommands::Execute(QueueCommand command) {
  MutexLock lock(mutex_);
  waiting_ = std::move(command);
  waits_.store(true, std::memory_order_release);
  wake_.Signal();
  mutex_.Await(absl::Condition(this, &QueueCommands::FinishedLocked));
  return *std::exchange(finished_, std::nullopt);
}

std::optional<QueueCommand> QueueCommands::TakeWaiting() {
  MutexLock lock(mutex_);
  waits_.store(false, std::memory_order_relaxed);
  return std::exchange(waiting_, std::nullopt);
}

void QueueCommands::Finish(QueueCommand command) {
  MutexLock lock(mutex_);
  finished_ = std::move(command);
}

}  // namespace postern
