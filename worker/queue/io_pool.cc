#include "worker/queue/io_pool.h"

#include <absl/synchronization/blocking_counter.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "common/mutex_lock.h"
#include "common/warm_up.h"
#include "worker/queue/completion_box.h"
#include "worker/queue/file_io.h"
#include "worker/queue/pending_request.h"

namespace postern {

IoPool::IoPool(size_t waiting, size_t processors)
    : can_share_work_(processors > 1), most_of_a_kind_(waiting) {
  const size_t threads = ThreadsFor(waiting);
  absl::BlockingCounter started(static_cast<int>(threads));
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, &started] {
      pthread_setname_np(pthread_self(), "file-io");
      WarmUpThread();
      started.DecrementCount();
      Run();
    });
  }
  // What a thread needs to start must not meet the seccomp filter.
  started.Wait();
}

IoPool::~IoPool() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void IoPool::Submit(PendingRequest& request) {
  MutexLock lock(mutex_);
  waiting_.push_back({&request, nullptr, KindOf(request.file)});
}

void IoPool::Close(ClosingFile file) {
  auto closing = std::make_unique<ClosingFile>(std::move(file));
  MutexLock lock(mutex_);
  waiting_.push_back({nullptr, std::move(closing), kStalling});
}

uint32_t IoPool::KindOf(const FileOperation& operation) {
  // What waits for a server that has gone must not keep a disk's from their threads.
  if (operation.file->may_stall) return kStalling;
  switch (operation.kind) {
    case FileOperation::Kind::kSync:
    case FileOperation::Kind::kAllocate:
    case FileOperation::Kind::kCopy:
      return kLong;
    case FileOperation::Kind::kRead:
    case FileOperation::Kind::kWrite:
    case FileOperation::Kind::kFlush:
    case FileOperation::Kind::kSeek:
      return 0;
  }
  return 0;
}

IoPool::Waiting::const_iterator IoPool::NextLocked() const {
  const bool long_full = running_long_ >= most_of_a_kind_;
  const bool stalling_full = running_stalling_ >= most_of_a_kind_;
  return std::find_if(waiting_.begin(), waiting_.end(), [=](const Work& work) {
    return !(long_full && (work.kind & kLong) != 0) &&
           !(stalling_full && (work.kind & kStalling) != 0);
  });
}

void IoPool::Run() {
  std::vector<iovec> ranges;
  Work work;  // Ends, and closes, outside of the lock.
  while (true) {
    {
      MutexLock lock(mutex_);
      if ((work.kind & kLong) != 0) --running_long_;
      if ((work.kind & kStalling) != 0) --running_stalling_;
      work.kind = 0;
      mutex_.Await(absl::Condition(this, &IoPool::MayGoOnLocked));
      const auto next = waiting_.begin() + (NextLocked() - waiting_.cbegin());
      if (next == waiting_.end()) return;
      work = std::move(*next);
      waiting_.erase(next);
      if ((work.kind & kLong) != 0) ++running_long_;
      if ((work.kind & kStalling) != 0) ++running_stalling_;
    }
    work.file.reset();
    if (work.request == nullptr) continue;
    PendingRequest& request = *std::exchange(work.request, nullptr);
    Advance(request.file, request.chain, Blocking::kAllowed, ranges);
    request.completions->Post(request);
  }
}

}  // namespace postern
