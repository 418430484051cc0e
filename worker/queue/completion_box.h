// Where the I/O pool puts a queue's requests when their file operations are done.
#ifndef POSTERN_WORKER_QUEUE_COMPLETION_BOX_H_
#define POSTERN_WORKER_QUEUE_COMPLETION_BOX_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstddef>
#include <span>
#include <vector>

#include "common/event_fd.h"

namespace postern {

struct PendingRequest;

// Everything but Post() belongs to the queue's thread.
class CompletionBox {
 public:
  // `wake` is signalled by Post(); it outlives the box.
  explicit CompletionBox(const EventFd& wake) : wake_(wake) {}

  // A request is about to be given to the pool.
  void Expect() { ++expected_; }
  // Of which the pool has so many that Take() hasn't given back.
  size_t expected() const { return expected_; }

  // From a thread of the pool: `request`'s file operation is done.
  void Post(PendingRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);

  // What has been posted since the last call; holds until the next.
  std::span<PendingRequest* const> Take() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const EventFd& wake_;
  size_t expected_ = 0;
  std::vector<PendingRequest*> taken_;

  // Whether Take() has anything to take: spares it the lock.
  std::atomic<bool> has_posted_ = false;
  absl::Mutex mutex_;
  std::vector<PendingRequest*> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_COMPLETION_BOX_H_
