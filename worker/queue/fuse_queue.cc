#include "worker/queue/fuse_queue.h"

#include <cerrno>
#include <span>

#include "worker/queue/brokered_file.h"

namespace postern {
namespace {

// Requests taken in one pass, and data moved, before replies are looked at again.
constexpr int kRequestsPerPass = 64;
constexpr uint64_t kBytesPerPass = 256 * 1024;

// The most requests of a queue that may be under way for nobody.
constexpr size_t kMostAnsweredAhead = 1024;

// Whether the kernel, or the broker's next part, may read or write the guest's memory for it.
bool MovesData(const PendingRequest& request) {
  if (request.operation->route != FuseRoute::kFile || request.file.at_broker) return false;
  return request.file.kind == FileOperation::Kind::kRead ||
         request.file.kind == FileOperation::Kind::kWrite;
}

}  // namespace

FuseQueue::FuseQueue(FuseShared& shared, RpcChannel channel, const EventFd& wake)
    : shared_(shared), link_(std::move(channel)), completions_(wake) {}

bool FuseQueue::TakeRequests(Virtqueue& virtqueue) {
  uint64_t moved_bytes = 0;
  for (int i = 0; i < kRequestsPerPass && moved_bytes < kBytesPerPass; ++i) {
    if (!link_.HasRoom() || backlog_.has_forgets()) {
      // A failure shows again, and is handled, where replies are taken.
      if (!Flush().ok() || link_.blocked()) return false;
    }
    PendingRequest& request = requests_.Take();
    switch (virtqueue.Pop(request.chain)) {
      case Virtqueue::PopResult::kChain:
        ++progress_;
        moved_bytes += request_handler_.Handle(virtqueue, request);
        break;
      case Virtqueue::PopResult::kFailed:
        ++progress_;
        requests_.Return(request);
        break;
      case Virtqueue::PopResult::kEmpty:
      case Virtqueue::PopResult::kBroken:
        requests_.Return(request);
        return false;
    }
  }
  return true;
}

ErrnoOrVoid FuseQueue::TakeReplies(Virtqueue* virtqueue) {
  const NotificationPolicy::Replies together(replies_.notifications());
  while (true) {
    auto received = link_.Receive();
    if (received.errno_value() == EAGAIN) return {};
    if (!received.ok()) return received.error();
    ++progress_;
    POSTERN_RETURN_IF_ERROR(HandleReplies(virtqueue, *std::move(received)));
    if (!link_.awaits_replies()) return {};
  }
}

ErrnoOrVoid FuseQueue::HandleReplies(Virtqueue* virtqueue, BrokerLink::Replies received) {
  size_t next_descriptor = 0;
  for (const rpc::Reply& reply : received.batch->replies()) {
    if (reply.id() == kEndSessionId && ending_session_) {
      ending_session_ = false;
      continue;
    }
    if (backlog_.TakeReply(reply)) continue;
    PendingRequest* const request = requests_.Find(reply.id());
    if (request == nullptr || (virtqueue == nullptr && !request->answered)) return Errno(EBADMSG);
    if (!ReplyHandler::AwaitsBroker(*request)) return Errno(EBADMSG);
    ReplyHandler::Descriptor descriptor;
    if (ReplyHandler::CarriesDescriptor(reply, *request)) {
      if (next_descriptor < received.descriptors.size()) {
        descriptor.fd = std::move(received.descriptors[next_descriptor++]);
      } else if (received.descriptors_lost) {
        descriptor.lost = true;
      } else {
        return Errno(EBADMSG);
      }
    }
    if (request->answered) {
      reply_handler_.Discard(*request, reply);
      requests_.Return(*request);
    } else {
      reply_handler_.Handle(*virtqueue, *request, reply, std::move(descriptor));
    }
  }
  if (next_descriptor != received.descriptors.size()) return Errno(EBADMSG);
  return {};
}

void FuseQueue::TakeCompletions(Virtqueue* virtqueue) {
  const std::span<PendingRequest* const> completed = completions_.Take();
  progress_ += completed.size();
  // Unless it is answered, a request in the pool keeps its ring from being given back, so there is
  // a virtqueue.
  for (PendingRequest* request : completed) {
    if (request->answered) {
      requests_.Return(*request);
    } else if (MayUseReservedRoom(request->file, request->header.uid)) {
      backlog_.AskForNextPart(*request);
    } else {
      replies_.EndWithFileResult(*virtqueue, *request);
    }
  }
}

ErrnoOrVoid FuseQueue::Flush() {
  while (true) {
    backlog_.FillBatch();
    POSTERN_RETURN_IF_ERROR(link_.Flush());
    if (link_.blocked() || backlog_.empty()) return {};
  }
}

void FuseQueue::AnswerAhead(Virtqueue& virtqueue) {
  requests_.ForEachUnanswered([&](PendingRequest& request) {
    if (MovesData(request) || requests_.answered() >= kMostAnsweredAhead) return;
    // One whose next part waits for room in the batch is at nobody's.
    const bool begun = !backlog_.DropPart(request);
    replies_.AnswerAhead(virtqueue, request, Errno(EINTR));
    if (!begun) requests_.Return(request);
  });
}

void FuseQueue::EndSession() {
  shared_.EndSession();
  backlog_.DropUndone();
  ending_session_ = true;
  // Nothing is in flight when this is called, so the batch is empty, or waits for the socket and is
  // small: there is a place for this even if HasRoom() says otherwise.
  BrokerLink::Addition asked = link_.Add(kEndSessionId);
  asked->mutable_reset();
  asked.Commit();
}

}  // namespace postern
