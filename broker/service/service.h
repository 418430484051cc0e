// The broker's threads: they receive requests, run them, and send the replies.
#ifndef POSTERN_BROKER_SERVICE_SERVICE_H_
#define POSTERN_BROKER_SERVICE_SERVICE_H_

#include <absl/status/status.h>
#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "broker/operations/filesystem.h"
#include "broker/service/batch_runner.h"
#include "broker/service/channel_owners.h"
#include "broker/service/current_session.h"
#include "broker/service/slow_operations.h"
#include "broker/service/waiting_room.h"
#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/rpc/rpc_channel.h"
#include "common/unique_fd.h"

namespace postern {

struct BrokerServiceOptions {
  // That serve the channels. With as many as channels, each can have its own; more of them are
  // there for those that are stuck.
  size_t threads = 1;
  // So many requests may wait for one disk or server at a time, beside the others. There are
  // WaitingRoom::ThreadsFor() threads for these.
  size_t waiting = 0;
  // A worker that doesn't read its replies for so long has failed.
  absl::Duration send_timeout = absl::Seconds(10);
  // How long a thread looks for the next message before it sleeps, at the most.
  std::chrono::microseconds poll_budget{0};
  // A reply waits so long at the most for those of its message that are still being worked on:
  // about what it costs that a message goes out and a guest's processor is woken for it.
  std::chrono::microseconds reply_delay{20};
  // A message that takes so long, or up to twice that, holds up its channel no more, and its
  // answers don't wait for the rest of it.
  std::chrono::milliseconds stuck_time{5};
  // Called once, on a thread of the service, when the worker has broken the protocol; a line has
  // been logged. The service serves nothing from then on. The broker's process exits here.
  std::function<void()> on_failure;
};

// Serves the RPC on a set of channels. The worker at their other ends is taken for an attacker: the
// first malformed message ends the service. Any thread serves any channel, as ChannelOwners says.
// If a message takes long, the next one goes to another thread; and what has been slow of late is
// run by threads of its own, so that a slow request holds up no other.
class BrokerService {
 public:
  // `filesystem` is borrowed and must outlive the service.
  BrokerService(Filesystem& filesystem, std::vector<RpcChannel> channels,
                BrokerServiceOptions options);
  ~BrokerService();
  BrokerService(const BrokerService&) = delete;
  BrokerService& operator=(const BrokerService&) = delete;

  // Creates all threads; none is created later. They wait, so that the jail can be closed around
  // them before the first byte of the worker's is read.
  absl::Status Start();
  // Lets them serve. Call it once, after Start().
  void Serve();
  // Waits until the operations in progress are done. Not from on_failure.
  void Stop();

 private:
  struct Link;
  struct ThreadState;

  // Which of them an event is of, but for those of the links: the rest are their numbers.
  static constexpr uint64_t kStopEvent = UINT64_MAX;
  static constexpr uint64_t kTimerEvent = UINT64_MAX - 1;

  // Has threads told of what comes to `fd`.
  ErrnoOrVoid AddEvent(int fd, uint32_t events, uint64_t number);
  // Starts a thread that does what it needs before the jail closes, and then `run`.
  void StartThread(BatchRunner& runner, void (BrokerService::*run)(BatchRunner&));
  // A thread's life, and that of one for what waits.
  void Run(BatchRunner& runner);
  void RunWaiting(BatchRunner& runner);
  // Of a link that the calling thread owns; not any more afterwards.
  void ServeLink(size_t number, ThreadState& thread);
  enum class Received { kBatch, kNothing, kEnd };
  // Receives one message into thread.runner.
  Received ReceiveBatch(size_t number, ThreadState& thread);
  // Runs the batch that is there. False if the link isn't the calling thread's any more.
  bool RunBatch(size_t number, ThreadState& thread);
  // A link that nobody owns any more: any thread is told of its next message.
  void Watch(size_t number);
  void StartTimer();
  // Takes links away from threads that have been at one message for long.
  void ReleaseStuck();
  // Remembers which operation is under way there.
  static void NoteBegun(Link& link);
  // An error of BatchRunner's when it sent replies.
  void FailedToSend(Errno error);
  void Fail(const char* what);

  // Constant.
  Filesystem& filesystem_;
  const BrokerServiceOptions options_;
  std::vector<std::unique_ptr<Link>> links_;
  // Set by Start(), before there are threads.
  UniqueFd epoll_;
  std::optional<EventFd> stop_;
  UniqueFd timer_;
  // A thread's each. They outlive all threads: one may seize another's batch.
  std::vector<std::unique_ptr<BatchRunner>> runners_;
  std::vector<std::thread> threads_;

  ChannelOwners owners_;
  CurrentSession session_;
  SlowOperations slow_;
  WaitingRoom waiting_room_;
  // Of the threads that begin: how many, what one has failed with, and whether one has no umask of
  // its own.
  std::atomic<int> failure_{0};
  std::atomic<bool> shared_umask_{false};
  std::unique_ptr<absl::BlockingCounter> started_;
  absl::Notification released_;
  std::atomic<bool> serving_{false};  // Set before released_ is notified.
  std::atomic<bool> failed_{false};
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_SERVICE_H_
