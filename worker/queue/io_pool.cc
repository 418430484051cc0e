#include "worker/queue/io_pool.h"

#include <absl/synchronization/blocking_counter.h>
#include <pthread.h>

#include <optional>
#include <utility>

#include "common/mutex_lock.h"
#include "common/warm_up.h"
#include "worker/queue/completion_box.h"
#include "worker/queue/file_io.h"
#include "worker/queue/pending_request.h"

namespace postern {

IoPool::IoPool(size_t threads, size_t processors) : can_share_work_(processors > 1) {
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
  waiting_.push_back({&request, nullptr});
}

void IoPool::Close(ClosingFile file) {
  auto closing = std::make_unique<ClosingFile>(std::move(file));
  MutexLock lock(mutex_);
  waiting_.push_back({nullptr, std::move(closing)});
}

void IoPool::Run() {
  std::vector<iovec> ranges;
  while (true) {
    std::optional<Work> work;  // Ends, and closes, outside of the lock.
    {
      MutexLock lock(mutex_);
      mutex_.Await(absl::Condition(this, &IoPool::HasWorkLocked));
      if (waiting_.empty()) return;
      work.emplace(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    if (work->request == nullptr) continue;
    PendingRequest& request = *work->request;
    Advance(request.file, request.chain, Blocking::kAllowed, ranges);
    request.completions->Post(request);
  }
}

}  // namespace postern
