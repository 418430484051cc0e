// The end of a request: a reply in the guest's memory, the chain in the used ring.
#ifndef POSTERN_WORKER_QUEUE_FUSE_REPLY_WRITER_H_
#define POSTERN_WORKER_QUEUE_FUSE_REPLY_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "common/errno_or.h"
#include "worker/fuse/fuse_encode.h"
#include "worker/queue/notification_policy.h"
#include "worker/queue/pending_request.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// Each of its End…() ends the request, once and for all: it is its queue's again. Belongs to the
// queue's thread.
class FuseReplyWriter {
 public:
  // `requests` outlives it.
  explicit FuseReplyWriter(PendingRequests& requests) : requests_(requests) {}

  // Called when the driver wants to be notified, as often as notifications() has it. Without it
  // nobody is before Virtqueue::Publish().
  void set_notify(std::function<void()> notify) { notify_ = std::move(notify); }
  NotificationPolicy& notifications() { return notifications_; }

  // An empty payload, to be filled for EndWithPayload().
  FusePayload& StartPayload() {
    payload_.Clear();
    return payload_;
  }
  // False, and not ended, if the payload doesn't fit the guest's buffer.
  [[nodiscard]] bool EndWithPayload(Virtqueue& virtqueue, PendingRequest& request);
  // A file operation that is done. A reply that doesn't fit the guest's buffer becomes EIO.
  void EndWithFileResult(Virtqueue& virtqueue, PendingRequest& request);
  // FORGET and its like have no answer: then without a reply.
  void EndWithError(Virtqueue& virtqueue, PendingRequest& request, Errno error);
  void EndWithoutReply(Virtqueue& virtqueue, PendingRequest& request) {
    End(virtqueue, request, 0);
  }
  // The guest has its answer, and the request goes on being pending for whoever works on it.
  void AnswerAhead(Virtqueue& virtqueue, PendingRequest& request, Errno error);

 private:
  void End(Virtqueue& virtqueue, PendingRequest& request, uint32_t written);
  // What the guest sees of that.
  void Complete(Virtqueue& virtqueue, const PendingRequest& request, uint32_t written);
  // Returns how many bytes were written.
  static uint32_t WriteError(PendingRequest& request, Errno error);

  PendingRequests& requests_;
  std::function<void()> notify_;
  NotificationPolicy notifications_;
  FusePayload payload_;  // Scratch.
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_FUSE_REPLY_WRITER_H_
