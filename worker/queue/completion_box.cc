#include "worker/queue/completion_box.h"

#include "common/mutex_lock.h"

namespace postern {

void CompletionBox::Post(PendingRequest& request) {
  MutexLock lock(mutex_);
  posted_.push_back(&request);
  has_posted_.store(true, std::memory_order_release);
  // Under the lock (it doesn't block): once the queue's thread has seen the completion, it may
  // stop, and what `wake_` refers to may go.
  if (posted_.size() == 1) wake_.Signal();
}

std::span<PendingRequest* const> CompletionBox::Take() {
  if (!has_posted_.load(std::memory_order_relaxed) ||
      !has_posted_.exchange(false, std::memory_order_acquire))
    return {};
  taken_.clear();
  {
    MutexLock lock(mutex_);
    taken_.swap(posted_);
  }
  expected_ -= taken_.size();
  return taken_;
}

}  // namespace postern
