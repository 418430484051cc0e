// Requests that wait for a thread which may wait.
#ifndef POSTERN_BROKER_SERVICE_WAITING_ROOM_H_
#define POSTERN_BROKER_SERVICE_WAITING_ROOM_H_

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "broker/operations/filesystem.h"
#include "common/rpc/rpc_channel.h"
#include "proto/rpc.pb.h"

namespace postern {

// Between the threads that serve the channels and those that do what is slow. As many requests as
// asked for may wait on one device at a time; the threads are a third more, so that a mount whose
// server is gone doesn't have them all. Thread-safe.
class WaitingRoom {
 public:
  struct Work {
    rpc::Request request;
    std::shared_ptr<Session> session;  // In which it began.
    uint64_t device = 0;
    // Where the reply goes, and what guards that. Borrowed.
    RpcChannel* channel = nullptr;
    absl::Mutex* send_mutex = nullptr;
  };

  // A guest has no more in its rings, but a worker that was taken over might.
  static constexpr size_t kMaxWaiting = 1024;

  // ThreadsFor(`waiting`) threads call Take().
  explicit WaitingRoom(size_t waiting) : most_of_a_device_(waiting) {}
  static size_t ThreadsFor(size_t waiting) { return waiting + (waiting + 2) / 3; }

  // False, and `work` as it was, if there is no room, or no thread at all.
  bool Put(Work& work);
  // The next whose device hasn't all that it may have; waits for one. None: Close() was called.
  // Call Done() after it.
  std::optional<Work> Take();
  void Done(uint64_t device);
  // No more is taken; what waits is dropped.
  void Close();

 private:
  bool MayTakeLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of waiting_, the first that may be taken; its end if there is none.
  std::deque<Work>::const_iterator NextLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t most_of_a_device_;
  absl::Mutex mutex_;  // A leaf.
  std::deque<Work> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, size_t> running_ ABSL_GUARDED_BY(mutex_);  // By device.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_WAITING_ROOM_H_
