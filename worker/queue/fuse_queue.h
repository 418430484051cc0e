// The FUSE side of one virtqueue: from requests in the ring to answers in it.
#ifndef POSTERN_WORKER_QUEUE_FUSE_QUEUE_H_
#define POSTERN_WORKER_QUEUE_FUSE_QUEUE_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/rpc/rpc_channel.h"
#include "worker/fuse/fuse_encode.h"
#include "worker/fuse/fuse_session.h"
#include "worker/fuse/open_files.h"
#include "worker/queue/broker_link.h"
#include "worker/queue/io_pool.h"
#include "worker/queue/pending_request.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// What all queues of a device share. Outlives them.
struct FuseShared {
  FuseOptions options;  // Constant.
  FuseSession session;
  OpenFiles open_files;
  IoPool* io_pool = nullptr;  // Constant.
};

// Everything but PostCompletion() belongs to the queue's thread. A request that was taken from the
// ring is answered exactly once, whatever happens to it, and only by that thread: the used ring has
// one writer.
class FuseQueue {
 public:
  // `wake` is signalled by PostCompletion(); it outlives the queue.
  FuseQueue(FuseShared& shared, RpcChannel channel, const EventFd& wake);

  // To be called when the driver wants to be notified of a completion, at once: waking a guest's
  // processor takes as long as many requests. Without it nobody is notified before Publish().
  void set_notify(std::function<void()> notify) { notify_ = std::move(notify); }

  // Counts what has been taken so far, from the ring, the broker and the I/O pool.
  uint64_t progress() const { return progress_; }

  // Takes up to a batch of requests from `virtqueue`, and does or asks for what they want. Returns
  // whether there may be more.
  bool TakeRequests(Virtqueue& virtqueue);
  // Answers what the broker and the I/O pool have finished. Fails if the broker is gone or broke
  // the protocol: then nothing can go on.
  ErrnoOrVoid TakeReplies(Virtqueue* virtqueue, Channel::Wait wait = Channel::Wait::kDontBlock);
  void TakeCompletions(Virtqueue* virtqueue);
  // Sends what was gathered for the broker.
  ErrnoOrVoid Flush();

  // Asks the broker to end the session; session_ended() tells when it has answered.
  void EndSession();
  bool session_ended() const { return !ending_session_; }

  const BrokerLink& link() const { return link_; }
  BrokerLink& link() { return link_; }

  // From an I/O pool thread: `request`'s file operation is done.
  void PostCompletion(PendingRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // The answer to a request that isn't pending: none, or an errno value.
  enum class Outcome { kPending, kComplete };

  void Handle(Virtqueue& virtqueue, PendingRequest& request);
  ErrnoOr<Outcome> Dispatch(const Virtqueue& virtqueue, PendingRequest& request,
                            std::span<const std::byte> arguments, size_t data_bytes);
  ErrnoOr<Outcome> StartFileOperation(const Virtqueue& virtqueue, PendingRequest& request,
                                      const DecodeContext& context, FuseArguments arguments);
  ErrnoOr<Outcome> StartInitialize(PendingRequest& request, FuseArguments arguments);

  void OnReply(Virtqueue& virtqueue, PendingRequest& request, const rpc::Reply& reply,
               UniqueFd descriptor);
  // Gives back what the broker counts and holds for a reply that doesn't reach the guest.
  void UndoReply(const PendingRequest& request, const rpc::Reply& reply);
  // Asks the broker for the next part of `request`'s file operation, or has it wait for room.
  void AskForNextPart(PendingRequest& request);
  // Puts what waits for room into the batch, as far as there is some.
  void AddWaiting();
  // The end of a file operation.
  void Finish(Virtqueue& virtqueue, PendingRequest& request);

  // Each ends the request. A reply that doesn't fit the guest's buffer becomes EIO.
  void Complete(Virtqueue& virtqueue, PendingRequest& request, uint32_t written);
  void ReplyError(Virtqueue& virtqueue, PendingRequest& request, Errno error);
  // False, and not ended, if payload_ doesn't fit.
  [[nodiscard]] bool ReplyPayload(Virtqueue& virtqueue, PendingRequest& request);
  bool WriteHeader(PendingRequest& request, int error, size_t payload_bytes);

  FuseShared& shared_;
  const EventFd& wake_;
  BrokerLink link_;
  PendingRequests requests_{this};
  std::function<void()> notify_;
  uint64_t progress_ = 0;
  // While replies are taken: how many requests they have completed.
  std::optional<uint32_t> completed_by_replies_;
  uint64_t moved_bytes_ = 0;  // By file operations of this pass.
  size_t in_pool_ = 0;        // Requests that the I/O pool has.
  bool ending_session_ = false;
  // What waits for room in the batch: parts of file operations, and lookups and open files whose
  // reply never reached the guest, which therefore won't forget and release them.
  std::deque<PendingRequest*> parts_;
  rpc::ForgetRequest undone_;
  std::deque<rpc::Request> releases_;
  size_t releases_asked_ = 0;  // Of which the broker hasn't answered.

  // Scratch of the queue's thread.
  std::unique_ptr<std::byte[]> arguments_;
  FusePayload payload_;
  std::vector<iovec> ranges_;
  std::vector<PendingRequest*> completed_;

  // Whether TakeCompletions() has anything to take: spares it the lock.
  std::atomic<bool> has_posted_ = false;
  absl::Mutex mutex_;
  std::vector<PendingRequest*> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_FUSE_QUEUE_H_
