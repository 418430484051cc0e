// The broker's threads: they receive requests, run them, and send the replies.
#ifndef POSTERN_BROKER_SERVICE_SERVICE_H_
#define POSTERN_BROKER_SERVICE_SERVICE_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "broker/operations/filesystem.h"
#include "broker/service/reply_writer.h"
#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/rpc/rpc_channel.h"
#include "common/unique_fd.h"
#include "proto/rpc.pb.h"

namespace postern {

struct BrokerServiceOptions {
  size_t threads = 1;
  // A worker that doesn't read its replies for so long has failed.
  absl::Duration send_timeout = absl::Seconds(10);
  // How long a thread looks for the next message before it sleeps, at the most.
  std::chrono::microseconds poll_budget{0};
  // A reply waits so long at the most for those of its message that are still being worked on:
  // about what it costs that a message goes out and a guest's processor is woken for it.
  std::chrono::microseconds reply_delay{20};
  // Called once, on a thread of the service, when the worker has broken the protocol; a line has
  // been logged. The service serves nothing from then on. The broker's process exits here.
  std::function<void()> on_failure;
};

// Serves the RPC on a set of channels. The worker at their other ends is taken for an attacker: the
// first malformed message ends the service. Any thread serves any channel, and stays with it while
// there are messages: its owner. If one takes long, or if there are more threads than channels, the
// next message goes to another thread, so that a slow request holds up no other message. While no
// thread is idle, the channels take turns: one that always has messages doesn't starve the others.
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
  struct ThreadState;

  static constexpr uint64_t kNobody = 0;
  static constexpr uint64_t kReceiving = 1;

  struct Link {
    explicit Link(RpcChannel end) : channel(std::move(end)) {}
    RpcChannel channel;
    // What the thread that owns the channel does: it receives from it, and nobody can take it away,
    // or it is at work on a message, a new claim for each. kNobody: the channel is watched.
    std::atomic<uint64_t> claim{kNobody};
    // The claim that was there when it was last looked for stuck ones.
    std::atomic<uint64_t> seen_claim{kNobody};
    // Held over a send, which blocks for the send timeout at the most. Nothing is locked under it.
    absl::Mutex send_mutex;
  };

  void Run();
  // Of a link that the calling thread owns; not any more afterwards.
  void ServeLink(Link& link, ThreadState& thread);
  enum class Received { kBatch, kNothing, kEnd };
  // Receives one message into thread.batch.
  Received ReceiveBatch(Link& link, ThreadState& thread, Channel::Wait wait);
  // Takes a link that nobody owns, to receive from it. False if somebody does.
  static bool Own(Link& link);
  // For the owner: from here on it is at work on a message.
  void BeginWork(Link& link, ThreadState& thread);
  // It is done, and receives again. False if Release() has taken the link away.
  static bool EndWork(Link& link, const ThreadState& thread);
  // Ends `claim` if it still holds: the link's next message goes to any thread.
  void Release(Link& link, uint64_t claim);
  // Runs thread.batch. False if the link is to be served no more.
  bool ServeBatch(Link& link, ThreadState& thread);
  // Has ReleaseStuck() called in a while, if it isn't to be already.
  void StartTimer();
  // Takes links away from threads that have been at one message for long.
  void ReleaseStuck();
  void RunUnanswered(ThreadState& thread);
  ErrnoOrVoid Process(Link& link, ThreadState& thread);
  // Closes the file that a reply should have brought, whose descriptor couldn't be sent.
  void TakeBack(const rpc::Reply& reply, const OpenFileRef& file);
  ErrnoOrVoid ChangeSession(const rpc::Request& request);
  std::shared_ptr<Session> CurrentSession();
  bool has_spare_threads() const { return options_.threads > links_.size(); }
  void Fail(const char* what);

  // Constant.
  Filesystem& filesystem_;
  const BrokerServiceOptions options_;
  // Set by Start(), before there are threads.
  std::vector<std::unique_ptr<Link>> links_;
  UniqueFd epoll_;
  std::optional<EventFd> stop_;
  UniqueFd timer_;
  std::vector<std::thread> threads_;

  std::atomic<uint64_t> last_claim_{kReceiving};
  // Those that wait for an event of any link's.
  std::atomic<size_t> idle_threads_{0};
  std::atomic<bool> timer_started_{false};
  absl::Notification released_;
  std::atomic<bool> serving_{false};  // Set before released_ is notified.
  std::atomic<bool> failed_{false};
  absl::Mutex session_mutex_;  // A leaf, held for the exchange of a pointer.
  std::shared_ptr<Session> session_ ABSL_GUARDED_BY(session_mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_SERVICE_H_
