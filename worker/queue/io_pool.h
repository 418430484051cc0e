// Threads for file I/O that would block a queue.
#ifndef POSTERN_WORKER_QUEUE_IO_POOL_H_
#define POSTERN_WORKER_QUEUE_IO_POOL_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "worker/fuse/open_files.h"

namespace postern {

struct PendingRequest;

// Carries file operations to their end and gives the requests back to their queues. Shared by all
// queues; thread-safe. All threads are made by the constructor. What waits is bounded by what the
// guest has in its rings and by its open files.
class IoPool {
 public:
  // `processors`: how many this process may run on.
  explicit IoPool(size_t threads, size_t processors = std::thread::hardware_concurrency());
  // Finishes what was submitted.
  ~IoPool();
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // Whether a thread of it can run beside the caller's.
  bool can_share_work() const { return can_share_work_; }
  // The request's chain and file operation are the pool's until CompletionBox::Post().
  void Submit(PendingRequest& request);
  // Closes it on a thread of the pool.
  void Close(ClosingFile file);

 private:
  // One of the two. Small, because it waits for each request that would block; files whose closing
  // may stall are rare.
  struct Work {
    PendingRequest* request = nullptr;
    std::unique_ptr<ClosingFile> file;
  };

  void Run();
  bool HasWorkLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  }

  const bool can_share_work_;
  absl::Mutex mutex_;
  std::deque<Work> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_IO_POOL_H_
