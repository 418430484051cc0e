// What becomes of one reply of the broker's.
#ifndef POSTERN_WORKER_QUEUE_REPLY_HANDLER_H_
#define POSTERN_WORKER_QUEUE_REPLY_HANDLER_H_

#include "common/unique_fd.h"
#include "proto/rpc.pb.h"
#include "worker/queue/fuse_reply_writer.h"
#include "worker/queue/fuse_shared.h"
#include "worker/queue/pending_request.h"
#include "worker/queue/request_backlog.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// Answers the guest with it, or asks for the next part. What it has brought and doesn't reach the
// guest is given back. Belongs to the queue's thread.
class ReplyHandler {
 public:
  // All of them outlive it.
  struct Parts {
    FuseShared& shared;
    RequestBacklog& backlog;
    FuseReplyWriter& replies;
  };
  // The descriptor that belongs to a reply.
  struct Descriptor {
    UniqueFd fd;
    bool lost = false;  // There was one, but the kernel gave this process no more.
  };

  explicit ReplyHandler(const Parts& parts) : parts_(parts) {}

  // Whether the broker has `request`: it knows of no others, and must not answer one that the I/O
  // pool works on, nor end it.
  static bool AwaitsBroker(const PendingRequest& request);
  // Whether a descriptor belongs to `reply`.
  static bool CarriesDescriptor(const rpc::Reply& reply, const PendingRequest& request);

  // `reply` is to `request`. Precondition: AwaitsBroker(request).
  void Handle(Virtqueue& virtqueue, PendingRequest& request, const rpc::Reply& reply,
              Descriptor descriptor);
  // The same for one whose guest has its answer: takes back what the broker did.
  void Discard(const PendingRequest& request, const rpc::Reply& reply) {
    if (request.operation->route == FuseRoute::kBroker && reply.error() == 0) Undo(request, reply);
  }

 private:
  // Begins the session, or encodes the reply, into `payload`.
  ErrnoOrVoid Encode(PendingRequest& request, const rpc::Reply& reply, Descriptor& descriptor,
                     FusePayload& payload);
  // Gives back what the broker counts and holds for a reply that doesn't reach the guest.
  void Undo(const PendingRequest& request, const rpc::Reply& reply);

  const Parts parts_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_REPLY_HANDLER_H_
