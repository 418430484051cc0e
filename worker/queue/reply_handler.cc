#include "worker/queue/reply_handler.h"

#include <cerrno>
#include <utility>

#include "worker/fuse/fuse_encode.h"
#include "worker/queue/brokered_file.h"

namespace postern {

bool ReplyHandler::AwaitsBroker(const PendingRequest& request) {
  return request.operation->route == FuseRoute::kBroker ||
         request.operation->route == FuseRoute::kInitialize ||
         (request.operation->route == FuseRoute::kFile && request.file.at_broker);
}

bool ReplyHandler::CarriesDescriptor(const rpc::Reply& reply, const PendingRequest& request) {
  return reply.has_created() || (reply.has_opened() && request.operation->opcode == FUSE_OPEN);
}

void ReplyHandler::Handle(Virtqueue& virtqueue, PendingRequest& request, const rpc::Reply& reply,
                          Descriptor descriptor) {
  FuseReplyWriter& replies = parts_.replies;
  if (request.operation->route == FuseRoute::kFile) {
    request.file.at_broker = false;  // Until it is asked again.
    if (TakePart(request.file, reply) == FileProgress::kDone) {
      replies.EndWithFileResult(virtqueue, request);
    } else {
      parts_.backlog.AskForNextPart(request);
    }
    return;
  }
  if (reply.error() != 0) {
    replies.EndWithError(virtqueue, request, GuestError(reply));
    return;
  }
  const ErrnoOrVoid encoded = Encode(request, reply, descriptor, replies.StartPayload());
  if (encoded.ok() && replies.EndWithPayload(virtqueue, request)) return;
  Undo(request, reply);
  replies.EndWithError(virtqueue, request, encoded.ok() ? Errno(EIO) : encoded.error());
}

ErrnoOrVoid ReplyHandler::Encode(PendingRequest& request, const rpc::Reply& reply,
                                 Descriptor& descriptor, FusePayload& payload) {
  FuseShared& shared = parts_.shared;
  if (request.operation->route == FuseRoute::kInitialize) {
    shared.session.Begin(request.negotiation.flags);
    payload.Append(request.negotiation.reply);
    return {};
  }
  // The kernel takes no more descriptors for this process: the error is this request's, and
  // everything else goes on.
  if (descriptor.lost) return Errno(EMFILE);
  const EncodeContext context{request.header,    shared.options, shared.session,
                              shared.open_files, request.notes,  descriptor.fd};
  return request.operation->encode(context, reply, payload);
}

// The guest will never know of these entries and files, so it will never forget and release them.
void ReplyHandler::Undo(const PendingRequest& request, const rpc::Reply& reply) {
  OpenFiles& open_files = parts_.shared.open_files;
  const uint64_t session = request.notes.ticket.generation;
  // In a session that began meanwhile the same ids may mean others.
  if (session != open_files.BeginOpen().generation) return;
  UndoLookups(reply, *parts_.backlog.Forgets(session).mutable_forget());
  auto release = ReleaseOf(request.header.opcode, request.header.nodeid, reply);
  if (!release) return;
  if (release->has_release()) {
    const rpc::ReleaseRequest& file = release->release();
    (void)open_files.Remove(OpenFileId(file.open_file_id()), NodeId(file.node_id()));
  }
  release->set_session(session);
  parts_.backlog.Release(*std::move(release));
}

}  // namespace postern
