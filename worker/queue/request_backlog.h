// What a queue has to ask of the broker besides the guest's requests, and may have to wait for room
// in the batch.
#ifndef POSTERN_WORKER_QUEUE_REQUEST_BACKLOG_H_
#define POSTERN_WORKER_QUEUE_REQUEST_BACKLOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "proto/rpc.pb.h"
#include "worker/queue/broker_link.h"
#include "worker/queue/pending_request.h"

namespace postern {

// Parts of file operations that only the broker can do; more forgets than fit a message; and
// lookups and open files whose reply never reached the guest, which therefore won't forget and
// release them. Belongs to the queue's thread.
class RequestBacklog {
 public:
  // `link` outlives it.
  explicit RequestBacklog(BrokerLink& link) : link_(link) {}

  // Asks for the next part of `request`'s file operation: now, if there is room.
  void AskForNextPart(PendingRequest& request);
  // If that has found no room yet: it isn't asked any more. Whether it was so.
  bool DropPart(PendingRequest& request) { return std::erase(parts_, &request) != 0; }
  // The forgets of that session that wait: a decoder adds to them, however many they are.
  rpc::Request& Forgets(uint64_t session);
  // Gives back an open file or directory; `release` has no id yet.
  void Release(rpc::Request release);

  // Whether `reply` is to a Release(): it is over, however it went.
  bool TakeReply(const rpc::Reply& reply);

  // Puts what waits into the batch, as far as there is room.
  void FillBatch();
  // Whether nothing waits.
  bool empty() const { return parts_.empty() && releases_.empty() && !has_forgets(); }
  // Whether forgets wait. A guest must not pile them up.
  bool has_forgets() const { return !forgets_.forget().items().empty(); }

  // The session that they are of ends, and with it all lookups and open files.
  void DropUndone();

 private:
  BrokerLink& link_;
  std::deque<PendingRequest*> parts_;
  std::deque<rpc::Request> releases_;
  size_t releases_asked_ = 0;  // Of which the broker hasn't answered.
  rpc::Request forgets_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_REQUEST_BACKLOG_H_
