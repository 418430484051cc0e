// The broker's threads: they receive requests, run them, and send the replies.
#ifndef POSTERN_BROKER_SERVICE_H_
#define POSTERN_BROKER_SERVICE_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "broker/filesystem.h"
#include "broker/reply_writer.h"
#include "common/channel.h"
#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/unique_fd.h"
#include "proto/rpc.pb.h"

namespace postern {

struct BrokerServiceOptions {
  size_t threads = 1;
  // A worker that doesn't read its replies for so long has failed.
  absl::Duration send_timeout = absl::Seconds(10);
  // Called once, on a thread of the service, when the worker has broken the protocol; a line has
  // been logged. The service serves nothing from then on. The broker's process exits here.
  std::function<void()> on_failure;
};

// Serves the RPC on a set of channels. The worker at their other ends is taken for an attacker: the
// first malformed message ends the service. Any thread serves any channel; a channel is received
// from by one thread at a time, but its requests run on as many as there are, so that a slow one
// holds up no other message.
class BrokerService {
 public:
  // `filesystem` is borrowed and must outlive the service.
  BrokerService(Filesystem& filesystem, std::vector<Channel> channels,
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
  struct ThreadState;

  struct Link {
    explicit Link(Channel end) : channel(std::move(end)) {}
    // Its two directions are guarded by a mutex each (see Channel). They aren't taken together, and
    // nothing else is locked under them.
    Channel channel;
    // Held over a receive that doesn't block, and the parsing of its bytes.
    absl::Mutex receive_mutex;
    // Held over a send, which blocks for the send timeout at the most.
    absl::Mutex send_mutex;
  };

  void Run();
  void ServeMessage(Link& link, ThreadState& thread);
  // Receives one message into thread.batch. False if there is none to process.
  bool ReceiveBatch(Link& link, ThreadState& thread);
  void RunUnanswered(ThreadState& thread);
  ErrnoOrVoid Process(Link& link, ThreadState& thread);
  // Closes the file that a reply should have brought, whose descriptor couldn't be sent.
  void TakeBack(const rpc::Reply& reply, const OpenFileRef& file);
  ErrnoOrVoid ChangeSession(const rpc::Request& request);
  std::shared_ptr<Session> CurrentSession();
  ErrnoOrVoid Watch(Link& link, int operation);
  void Fail(const char* what);

  // Constant.
  Filesystem& filesystem_;
  const BrokerServiceOptions options_;
  // Set by Start(), before there are threads.
  std::vector<std::unique_ptr<Link>> links_;
  UniqueFd epoll_;
  std::optional<EventFd> stop_;
  std::vector<std::thread> threads_;

  absl::Notification released_;
  std::atomic<bool> serving_{false};  // Set before released_ is notified.
  std::atomic<bool> failed_{false};
  absl::Mutex session_mutex_;  // A leaf, held for the exchange of a pointer.
  std::shared_ptr<Session> session_ ABSL_GUARDED_BY(session_mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_H_
