// The FUSE side of one virtqueue: from requests in the ring to answers in it.
#ifndef POSTERN_WORKER_QUEUE_FUSE_QUEUE_H_
#define POSTERN_WORKER_QUEUE_FUSE_QUEUE_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/rpc/rpc_channel.h"
#include "worker/queue/broker_link.h"
#include "worker/queue/completion_box.h"
#include "worker/queue/fuse_reply_writer.h"
#include "worker/queue/fuse_shared.h"
#include "worker/queue/pending_request.h"
#include "worker/queue/reply_handler.h"
#include "worker/queue/request_backlog.h"
#include "worker/queue/request_handler.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// Belongs to the queue's thread. A request that was taken from the ring is answered exactly once,
// whatever happens to it, and only by that thread: the used ring has one writer.
class FuseQueue {
 public:
  // `wake` is signalled when the I/O pool has done something; it outlives the queue.
  FuseQueue(FuseShared& shared, RpcChannel channel, const EventFd& wake);
  FuseQueue(const FuseQueue&) = delete;
  FuseQueue& operator=(const FuseQueue&) = delete;

  // See FuseReplyWriter.
  void set_notify(std::function<void()> notify) { replies_.set_notify(std::move(notify)); }

  // Counts what has been taken so far, from the ring, the broker and the I/O pool.
  uint64_t progress() const { return progress_; }

  // Takes up to a batch of requests from `virtqueue`, and does or asks for what they want. Returns
  // whether there may be more.
  bool TakeRequests(Virtqueue& virtqueue);
  // Answers what the broker and the I/O pool have finished. Fails if the broker is gone or broke
  // the protocol: then nothing can go on.
  ErrnoOrVoid TakeReplies(Virtqueue* virtqueue);
  void TakeCompletions(Virtqueue* virtqueue);
  // Sends what was gathered for the broker.
  ErrnoOrVoid Flush();

  // The ring is to be given back, and waits for a disk or a server: answers EINTR to all requests
  // but those that move data in the guest's memory. They go on, unseen: what they open and count is
  // taken back, what they change is changed, as when a signal interrupts a call. A guest can't
  // gather them without end: beyond so many they are waited for.
  void AnswerAhead(Virtqueue& virtqueue);

  // Asks the broker to end the session; session_ended() tells when it has answered.
  void EndSession();
  bool session_ended() const { return !ending_session_; }

  const BrokerLink& link() const { return link_; }
  BrokerLink& link() { return link_; }

 private:
  // The replies of one message.
  ErrnoOrVoid HandleReplies(Virtqueue* virtqueue, BrokerLink::Replies received);

  FuseShared& shared_;
  BrokerLink link_;
  CompletionBox completions_;
  PendingRequests requests_{&completions_};
  FuseReplyWriter replies_{requests_};
  RequestBacklog backlog_{link_};
  RequestHandler request_handler_{{shared_, link_, backlog_, completions_, replies_}};
  ReplyHandler reply_handler_{{shared_, backlog_, replies_}};
  uint64_t progress_ = 0;
  bool ending_session_ = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_FUSE_QUEUE_H_
