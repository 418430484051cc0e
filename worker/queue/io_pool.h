// Threads for file I/O that would block a queue.
#ifndef POSTERN_WORKER_QUEUE_IO_POOL_H_
#define POSTERN_WORKER_QUEUE_IO_POOL_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "worker/fuse/file_operation.h"
#include "worker/fuse/open_files.h"

namespace postern {

struct PendingRequest;

// Carries file operations to their end and gives the requests back to their queues. Shared by all
// queues; thread-safe. All threads are made by the constructor. What waits is bounded by what the
// guest has in its rings and by its open files. Reads and writes always find a thread: as many as
// asked for may wait for filesystems with a server behind them, which may never answer, as many
// beside them write a whole file back, and half as many are left for neither.
class IoPool {
 public:
  // So many operations may wait at a time, of each of the two kinds; 0: no thread. `processors`:
  // how many this process may run on.
  explicit IoPool(size_t waiting, size_t processors = std::thread::hardware_concurrency());
  // Finishes what was submitted.
  ~IoPool();
  static size_t ThreadsFor(size_t waiting) { return waiting * 2 + (waiting + 1) / 2; }
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // Whether a thread of it can run beside the caller's.
  bool can_share_work() const { return can_share_work_; }
  // The request's chain and file operation are the pool's until CompletionBox::Post().
  void Submit(PendingRequest& request);
  // Closes it on a thread of the pool.
  void Close(ClosingFile file);

 private:
  // What may not have all threads.
  enum Kind : uint32_t { kLong = 1, kStalling = 2 };
  // One of the two. Small, because it waits for each request that would block; files whose closing
  // may stall are rare.
  struct Work {
    PendingRequest* request = nullptr;
    std::unique_ptr<ClosingFile> file;
    uint32_t kind = 0;  // Of Kind.
  };
  // The oldest first. Short, and allocates nothing once it has grown.
  using Waiting = std::vector<Work>;

  static uint32_t KindOf(const FileOperation& operation);
  void Run();
  // The first that may be begun; the end if none may.
  Waiting::const_iterator NextLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayGoOnLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return (stopping_ && waiting_.empty()) || NextLocked() != waiting_.end();
  }

  const bool can_share_work_;
  const size_t most_of_a_kind_;
  absl::Mutex mutex_;
  Waiting waiting_ ABSL_GUARDED_BY(mutex_);
  size_t running_long_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t running_stalling_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_IO_POOL_H_
