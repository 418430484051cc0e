// What becomes of one request that was taken from the ring.
#ifndef POSTERN_WORKER_QUEUE_REQUEST_HANDLER_H_
#define POSTERN_WORKER_QUEUE_REQUEST_HANDLER_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/errno_or.h"
#include "worker/fuse/fuse_arguments.h"
#include "worker/fuse/fuse_decode.h"
#include "worker/queue/broker_link.h"
#include "worker/queue/completion_box.h"
#include "worker/queue/fuse_reply_writer.h"
#include "worker/queue/fuse_shared.h"
#include "worker/queue/pending_request.h"
#include "worker/queue/request_backlog.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// Decodes a request, and does it, asks the broker for it or gives it to the I/O pool. Belongs to
// the queue's thread.
class RequestHandler {
 public:
  // All of them outlive it.
  struct Parts {
    FuseShared& shared;
    BrokerLink& link;
    RequestBacklog& backlog;
    CompletionBox& completions;
    FuseReplyWriter& replies;
  };
  explicit RequestHandler(const Parts& parts);

  // `request` has its chain. It is ended before this returns, or it is pending. Returns how much
  // file data was moved for it. Precondition: the link has room.
  uint64_t Handle(Virtqueue& virtqueue, PendingRequest& request);

 private:
  enum class Outcome { kPending, kComplete };

  // Finds out what it is, copies its arguments, and starts it. An errno: that is the answer.
  ErrnoOr<Outcome> Start(const Virtqueue& virtqueue, PendingRequest& request);
  ErrnoOr<Outcome> Dispatch(const Virtqueue& virtqueue, PendingRequest& request,
                            FuseArguments arguments, size_t data_bytes);
  ErrnoOr<Outcome> TakeForgets(const PendingRequest& request, const DecodeContext& context,
                               FuseArguments arguments);
  ErrnoOr<Outcome> AskBroker(PendingRequest& request, const DecodeContext& context,
                             FuseArguments arguments);
  ErrnoOr<Outcome> StartFileOperation(const Virtqueue& virtqueue, PendingRequest& request,
                                      const DecodeContext& context, FuseArguments arguments);
  ErrnoOr<Outcome> StartInitialize(PendingRequest& request, FuseArguments arguments);

  const Parts parts_;
  // Scratch.
  std::unique_ptr<std::byte[]> arguments_;
  std::vector<iovec> ranges_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_REQUEST_HANDLER_H_
