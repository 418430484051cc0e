#include "worker/queue/request_handler.h"

#include <algorithm>
#include <cerrno>

#include "common/logging.h"
#include "worker/queue/brokered_file.h"
#include "worker/queue/file_io.h"
#include "worker/queue/io_pool.h"

namespace postern {
namespace {

// The largest argument part, without a WRITE's data: twice an extended attribute's largest value.
constexpr size_t kMaxArgumentBytes = 128 * 1024;
// Of a BATCH_FORGET: as large as a request of that driver's can be.
constexpr size_t kMaxForgetBytes = kMaxTransferBytes;

// Reading so much takes longer than it takes to wake another thread for it. So many of a queue's
// requests keep one thread of the pool busy without a pause.
constexpr uint64_t kSharedReadBytes = 64 * 1024;
constexpr size_t kSharedReads = 2;

// Whether it is worth another thread. Not a WRITE: those to one file wait for each other in the
// kernel, and two threads that wait for one lock burn what they should save.
bool IsWorthSharing(const FileOperation& operation) {
  return operation.kind == FileOperation::Kind::kRead && operation.size >= kSharedReadBytes;
}

}  // namespace

RequestHandler::RequestHandler(const Parts& parts)
    : parts_(parts),
      // The kernel gives no memory for what isn't used of it.
      arguments_(std::make_unique_for_overwrite<std::byte[]>(kMaxForgetBytes)) {}

uint64_t RequestHandler::Handle(Virtqueue& virtqueue, PendingRequest& request) {
  FuseReplyWriter& replies = parts_.replies;
  request.operation = nullptr;
  request.notes = {};
  // Before the session is looked at: should it end meanwhile, what is opened for it isn't kept.
  request.notes.ticket = parts_.shared.open_files.BeginOpen();
  if (!request.chain.CopyFromGuest(0, std::as_writable_bytes(std::span(&request.header, 1)))) {
    // Not even a `unique` to answer to.
    replies.EndWithoutReply(virtqueue, request);
    return 0;
  }
  const ErrnoOr<Outcome> outcome = Start(virtqueue, request);
  if (!outcome.ok()) {
    // EIO: its session has ended, and so has what it forgets.
    if (request.operation != nullptr && request.operation->route == FuseRoute::kForget &&
        outcome.error() != Errno(EIO)) {
      POSTERN_LOG_ONCE(WARNING) << "the guest sent a " << request.operation->name
                                << " that can't be served (" << outcome.error().Message()
                                << "): what it forgets stays known (said once)";
    }
    replies.EndWithError(virtqueue, request, outcome.error());
    return 0;
  }
  if (*outcome == Outcome::kPending) return 0;
  switch (request.operation->route) {
    case FuseRoute::kFile: {
      const uint64_t moved = request.file.size;
      replies.EndWithFileResult(virtqueue, request);
      return moved;
    }
    case FuseRoute::kInitialize:
      replies.StartPayload().Append(request.negotiation.reply);
      if (!replies.EndWithPayload(virtqueue, request)) {
        replies.EndWithError(virtqueue, request, Errno(EIO));
      }
      return 0;
    case FuseRoute::kBroker:
    case FuseRoute::kForget:
    case FuseRoute::kIgnore:
      break;
  }
  replies.EndWithoutReply(virtqueue, request);
  return 0;
}

ErrnoOr<RequestHandler::Outcome> RequestHandler::Start(const Virtqueue& virtqueue,
                                                       PendingRequest& request) {
  const fuse_in_header& header = request.header;
  if (header.len < sizeof(header) || header.len > request.chain.readable_bytes()) {
    return Errno(EINVAL);
  }
  request.operation = FindFuseOperation(header.opcode);
  if (request.operation == nullptr) return Errno(ENOSYS);
  if (request.operation->route != FuseRoute::kInitialize && !parts_.shared.session.active()) {
    return Errno(EIO);
  }
  size_t argument_bytes = header.len - sizeof(header);
  size_t data_bytes = 0;
  if (header.opcode == FUSE_WRITE && argument_bytes > sizeof(fuse_write_in)) {
    data_bytes = argument_bytes - sizeof(fuse_write_in);
    argument_bytes = sizeof(fuse_write_in);
  }
  const size_t most = header.opcode == FUSE_BATCH_FORGET ? kMaxForgetBytes : kMaxArgumentBytes;
  if (argument_bytes > most) return Errno(EINVAL);
  const std::span<std::byte> arguments(arguments_.get(), argument_bytes);
  if (!request.chain.CopyFromGuest(sizeof(header), arguments)) return Errno(EINVAL);
  VLOG(2) << request.operation->name << " node " << header.nodeid << " unique " << header.unique;
  return Dispatch(virtqueue, request, FuseArguments(arguments), data_bytes);
}

ErrnoOr<RequestHandler::Outcome> RequestHandler::Dispatch(const Virtqueue& virtqueue,
                                                          PendingRequest& request,
                                                          FuseArguments arguments,
                                                          size_t data_bytes) {
  FuseShared& shared = parts_.shared;
  const size_t writable = request.chain.writable_bytes();
  const DecodeContext context{
      request.header, shared.options,
      shared.session, shared.open_files,
      data_bytes,     writable < sizeof(fuse_out_header) ? 0 : writable - sizeof(fuse_out_header),
      request.notes};
  switch (request.operation->route) {
    case FuseRoute::kBroker:
      return AskBroker(request, context, arguments);
    case FuseRoute::kForget:
      return TakeForgets(request, context, arguments);
    case FuseRoute::kFile:
      return StartFileOperation(virtqueue, request, context, arguments);
    case FuseRoute::kInitialize:
      return StartInitialize(request, arguments);
    case FuseRoute::kIgnore:
      return Outcome::kComplete;
  }
  return Errno(ENOSYS);
}

ErrnoOr<RequestHandler::Outcome> RequestHandler::TakeForgets(const PendingRequest& request,
                                                             const DecodeContext& context,
                                                             FuseArguments arguments) {
  // Its end is shown to the guest before the broker knows of it: the broker has to tell it from one
  // of the next session.
  const uint64_t session = request.notes.ticket.generation;
  // One that forgets many nodes may not fit a message.
  rpc::Request& forgets = request.header.opcode == FUSE_BATCH_FORGET
                              ? parts_.backlog.Forgets(session)
                              : parts_.link.Forget(session);
  POSTERN_RETURN_IF_ERROR(request.operation->decode(context, arguments, forgets));
  return Outcome::kComplete;
}

ErrnoOr<RequestHandler::Outcome> RequestHandler::AskBroker(PendingRequest& request,
                                                           const DecodeContext& context,
                                                           FuseArguments arguments) {
  BrokerLink::Addition asked = parts_.link.Add(request.rpc_id());
  asked->set_session(request.notes.ticket.generation);
  POSTERN_RETURN_IF_ERROR(request.operation->decode(context, arguments, *asked));
  asked.Commit();
  // A failure shows again, and is handled, where replies are taken.
  if (request.notes.may_stall) (void)parts_.link.Flush();
  if (request.header.opcode == FUSE_DESTROY) parts_.shared.EndSession();
  return Outcome::kPending;
}

ErrnoOr<RequestHandler::Outcome> RequestHandler::StartFileOperation(const Virtqueue& virtqueue,
                                                                    PendingRequest& request,
                                                                    const DecodeContext& context,
                                                                    FuseArguments arguments) {
  request.file = FileOperation();
  POSTERN_RETURN_IF_ERROR(request.operation->decode_file(context, arguments, request.file));
  if (NeedsBroker(request.file)) {
    POSTERN_RETURN_IF_ERROR(CheckBrokered(request.file));
    parts_.backlog.AskForNextPart(request);
    return Outcome::kPending;
  }
  // While a large one is moved on another processor this thread goes on with what waits behind it.
  IoPool& pool = *parts_.shared.io_pool;
  const bool share = pool.can_share_work() && parts_.completions.expected() < kSharedReads &&
                     IsWorthSharing(request.file) && virtqueue.HasAvailable();
  if (!share &&
      Advance(request.file, request.chain, Blocking::kAvoid, ranges_) == FileProgress::kDone) {
    if (!MayUseReservedRoom(request.file, request.header.uid)) return Outcome::kComplete;
    parts_.backlog.AskForNextPart(request);
    return Outcome::kPending;
  }
  parts_.completions.Expect();
  pool.Submit(request);
  return Outcome::kPending;
}

ErrnoOr<RequestHandler::Outcome> RequestHandler::StartInitialize(PendingRequest& request,
                                                                 FuseArguments arguments) {
  // Before FUSE_INIT_EXT (7.36) the structure ended after `flags`.
  const auto init = arguments.TakeAtLeast<fuse_init_in>(offsetof(fuse_init_in, flags2));
  if (!init) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(request.negotiation, NegotiateFuse(*init, parts_.shared.options));
  if (init->major > kFuseMajor) return Outcome::kComplete;
  // The new session begins when the broker has ended the old one.
  parts_.shared.EndSession();
  BrokerLink::Addition asked = parts_.link.Add(request.rpc_id());
  asked->set_session(parts_.shared.open_files.BeginOpen().generation);
  auto& initialize = *asked->mutable_initialize();
  initialize.set_supplementary_groups(request.negotiation.enabled(kFuseCreateSuppGroup));
  initialize.set_posix_acl(request.negotiation.enabled(FUSE_POSIX_ACL));
  asked.Commit();
  return Outcome::kPending;
}

}  // namespace postern
