#include "worker/queue/fuse_queue.h"

#include <absl/cleanup/cleanup.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/checked.h"
#include "common/logging.h"
#include "common/mutex_lock.h"
#include "worker/queue/brokered_file.h"
#include "worker/queue/file_io.h"

namespace postern {
namespace {

// The largest argument part, without a WRITE's data: twice an extended attribute's largest value.
constexpr size_t kMaxArgumentBytes = 128 * 1024;

// Requests taken in one pass, and data moved, before replies are looked at again.
constexpr int kRequestsPerPass = 64;
constexpr uint64_t kBytesPerPass = 256 * 1024;

// Reading so much takes longer than it takes to wake another thread for it. So many of a queue's
// requests keep one thread of the pool busy without a pause.
constexpr uint64_t kSharedReadBytes = 64 * 1024;
constexpr size_t kSharedReads = 2;

// Of the replies that are taken together the first wakes a driver that sleeps, and each so-manieth:
// they take less than its waking, and if it runs on this processor each time costs two switches.
constexpr uint32_t kRepliesPerNotification = 16;

// The ids of the requests that the queue makes on its own account. PendingRequest's have a slot in
// their low half.
constexpr uint64_t kEndSessionId = uint64_t{1} << 63;
constexpr uint64_t kReleaseId = uint64_t{1} << 62;

// The largest error that Linux takes from a FUSE server; what lies beyond are codes of the kernel's
// own (ERESTARTSYS), which would be misunderstood.
constexpr uint32_t kMaxReplyError = 511;

// Whether it is worth another thread. Not a WRITE: those to one file wait for each other in the
// kernel, and two threads that wait for one lock burn what they should save.
bool IsWorthSharing(const FileOperation& operation) {
  return operation.kind == FileOperation::Kind::kRead && operation.size >= kSharedReadBytes;
}

// The broker knows of no others: it must not answer one that the I/O pool works on, nor end it.
bool AwaitsBroker(const PendingRequest& request) {
  return request.operation->route == FuseRoute::kBroker ||
         request.operation->route == FuseRoute::kInitialize ||
         (request.operation->route == FuseRoute::kFile && request.file.at_broker);
}

fuse_out_header MakeHeader(const PendingRequest& request, int error, size_t payload_bytes) {
  fuse_out_header header{};
  header.len = Narrow<uint32_t>(sizeof(header) + payload_bytes);
  header.error = -error;
  header.unique = request.header.unique;
  return header;
}

bool CarriesDescriptor(const rpc::Reply& reply, const PendingRequest& request) {
  return reply.has_created() || (reply.has_opened() && request.operation->opcode == FUSE_OPEN);
}

}  // namespace

FuseQueue::FuseQueue(FuseShared& shared, RpcChannel channel, const EventFd& wake)
    : shared_(shared),
      wake_(wake),
      link_(std::move(channel)),
      arguments_(std::make_unique<std::byte[]>(kMaxArgumentBytes)) {}

bool FuseQueue::TakeRequests(Virtqueue& virtqueue) {
  moved_bytes_ = 0;
  for (int i = 0; i < kRequestsPerPass && moved_bytes_ < kBytesPerPass; ++i) {
    if (!link_.CanAdd()) {
      // A failure shows again, and is handled, where replies are taken.
      if (!link_.Flush().ok() || link_.blocked()) return false;
    }
    PendingRequest& request = requests_.Take();
    switch (virtqueue.Pop(request.chain)) {
      case Virtqueue::PopResult::kChain:
        ++progress_;
        Handle(virtqueue, request);
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

void FuseQueue::Handle(Virtqueue& virtqueue, PendingRequest& request) {
  const DescriptorChain& chain = request.chain;
  request.operation = nullptr;
  request.notes = {};
  // Before the session is looked at: should it end meanwhile, what is opened for it isn't kept.
  request.notes.ticket = shared_.open_files.BeginOpen();
  if (!chain.CopyFromGuest(0, std::as_writable_bytes(std::span(&request.header, 1)))) {
    // Not even a `unique` to answer to.
    Complete(virtqueue, request, 0);
    return;
  }
  const fuse_in_header& header = request.header;
  if (header.len < sizeof(header) || header.len > chain.readable_bytes()) {
    ReplyError(virtqueue, request, Errno(EINVAL));
    return;
  }
  request.operation = FindFuseOperation(header.opcode);
  if (request.operation == nullptr) {
    ReplyError(virtqueue, request, Errno(ENOSYS));
    return;
  }
  if (request.operation->route != FuseRoute::kInitialize && !shared_.session.active()) {
    ReplyError(virtqueue, request, Errno(EIO));
    return;
  }
  size_t argument_bytes = header.len - sizeof(header);
  size_t data_bytes = 0;
  if (header.opcode == FUSE_WRITE && argument_bytes > sizeof(fuse_write_in)) {
    data_bytes = argument_bytes - sizeof(fuse_write_in);
    argument_bytes = sizeof(fuse_write_in);
  }
  const std::span<std::byte> arguments(arguments_.get(),
                                       std::min(argument_bytes, kMaxArgumentBytes));
  if (argument_bytes > kMaxArgumentBytes || !chain.CopyFromGuest(sizeof(header), arguments)) {
    ReplyError(virtqueue, request, Errno(EINVAL));
    return;
  }
  VLOG(2) << request.operation->name << " node " << header.nodeid << " unique " << header.unique;

  const ErrnoOr<Outcome> outcome = Dispatch(virtqueue, request, arguments, data_bytes);
  if (!outcome.ok()) {
    ReplyError(virtqueue, request, outcome.error());
  } else if (*outcome == Outcome::kPending) {
    return;
  } else if (request.operation->route == FuseRoute::kFile) {
    Finish(virtqueue, request);
  } else if (request.operation->route == FuseRoute::kInitialize) {
    payload_.Clear();
    payload_.Append(request.negotiation.reply);
    if (!ReplyPayload(virtqueue, request)) {
      ReplyError(virtqueue, request, Errno(EIO));
    }
  } else {
    Complete(virtqueue, request, 0);
  }
}

ErrnoOr<FuseQueue::Outcome> FuseQueue::Dispatch(const Virtqueue& virtqueue, PendingRequest& request,
                                                std::span<const std::byte> arguments,
                                                size_t data_bytes) {
  const size_t writable = request.chain.writable_bytes();
  const DecodeContext context{
      request.header,  shared_.options,
      shared_.session, shared_.open_files,
      data_bytes,      writable < sizeof(fuse_out_header) ? 0 : writable - sizeof(fuse_out_header),
      request.notes};
  FuseArguments parser(arguments);
  switch (request.operation->route) {
    case FuseRoute::kBroker: {
      rpc::Request& asked = link_.Add(request.rpc_id());
      const ErrnoOrVoid decoded = request.operation->decode(context, parser, asked);
      if (!decoded.ok()) {
        link_.RemoveLast();
        return decoded.error();
      }
      // A failure shows again, and is handled, where replies are taken.
      if (request.notes.may_stall) (void)link_.Flush();
      if (request.header.opcode == FUSE_DESTROY) {
        shared_.session.End();
        shared_.open_files.Clear();
      }
      return Outcome::kPending;
    }
    case FuseRoute::kForget:
      POSTERN_RETURN_IF_ERROR(request.operation->decode(context, parser, link_.Forget()));
      return Outcome::kComplete;
    case FuseRoute::kFile:
      return StartFileOperation(virtqueue, request, context, parser);
    case FuseRoute::kInitialize:
      return StartInitialize(request, parser);
    case FuseRoute::kIgnore:
      return Outcome::kComplete;
  }
  return Errno(ENOSYS);
}

ErrnoOr<FuseQueue::Outcome> FuseQueue::StartFileOperation(const Virtqueue& virtqueue,
                                                          PendingRequest& request,
                                                          const DecodeContext& context,
                                                          FuseArguments arguments) {
  request.file = FileOperation();
  POSTERN_RETURN_IF_ERROR(request.operation->decode_file(context, arguments, request.file));
  if (NeedsBroker(request.file)) {
    POSTERN_RETURN_IF_ERROR(CheckBrokered(request.file));
    AskForNextPart(request);
    return Outcome::kPending;
  }
  // While a large one is moved on another processor this thread goes on with what waits behind it.
  const bool share = shared_.io_pool->can_share_work() && in_pool_ < kSharedReads &&
                     IsWorthSharing(request.file) && virtqueue.HasAvailable();
  if (!share &&
      Advance(request.file, request.chain, Blocking::kAvoid, ranges_) == FileProgress::kDone) {
    moved_bytes_ += request.file.size;
    return Outcome::kComplete;
  }
  ++in_pool_;
  shared_.io_pool->Submit(request);
  return Outcome::kPending;
}

ErrnoOr<FuseQueue::Outcome> FuseQueue::StartInitialize(PendingRequest& request,
                                                       FuseArguments arguments) {
  // Before FUSE_INIT_EXT (7.36) the structure ended after `flags`.
  const auto init = arguments.TakeAtLeast<fuse_init_in>(offsetof(fuse_init_in, flags2));
  if (!init) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(request.negotiation, NegotiateFuse(*init, shared_.options));
  if (init->major > kFuseMajor) return Outcome::kComplete;
  // The new session begins when the broker has ended the old one.
  shared_.session.End();
  shared_.open_files.Clear();
  auto& initialize = *link_.Add(request.rpc_id()).mutable_initialize();
  initialize.set_supplementary_groups(request.negotiation.enabled(kFuseCreateSuppGroup));
  initialize.set_posix_acl(request.negotiation.enabled(FUSE_POSIX_ACL));
  return Outcome::kPending;
}

ErrnoOrVoid FuseQueue::TakeReplies(Virtqueue* virtqueue, Channel::Wait wait) {
  completed_by_replies_ = 0;
  const absl::Cleanup taken = [this] { completed_by_replies_.reset(); };
  while (true) {
    auto received = link_.Receive(wait);
    wait = Channel::Wait::kDontBlock;
    if (received.errno_value() == EAGAIN) return {};
    if (!received.ok()) return received.error();
    ++progress_;
    size_t next_descriptor = 0;
    for (const rpc::Reply& reply : received->batch->replies()) {
      if (reply.id() == kEndSessionId && ending_session_) {
        ending_session_ = false;
        continue;
      }
      if (reply.id() == kReleaseId && releases_asked_ > 0) {
        --releases_asked_;  // However it went.
        continue;
      }
      PendingRequest* request = requests_.Find(reply.id());
      if (request == nullptr || virtqueue == nullptr) return Errno(EBADMSG);
      if (!AwaitsBroker(*request)) return Errno(EBADMSG);
      UniqueFd descriptor;
      if (CarriesDescriptor(reply, *request)) {
        if (next_descriptor < received->descriptors.size()) {
          descriptor = std::move(received->descriptors[next_descriptor++]);
        } else if (!received->descriptors_lost) {
          return Errno(EBADMSG);
        }
      }
      OnReply(*virtqueue, *request, reply, std::move(descriptor));
    }
    if (next_descriptor != received->descriptors.size()) return Errno(EBADMSG);
    if (!link_.awaits_replies()) return {};
  }
}

void FuseQueue::OnReply(Virtqueue& virtqueue, PendingRequest& request, const rpc::Reply& reply,
                        UniqueFd descriptor) {
  if (request.operation->route == FuseRoute::kFile) {
    request.file.at_broker = false;  // Until it is asked again.
    if (TakePart(request.file, reply) == FileProgress::kDone) {
      Finish(virtqueue, request);
    } else {
      AskForNextPart(request);
    }
    return;
  }
  if (reply.error() != 0) {
    const int error = reply.error() <= kMaxReplyError ? static_cast<int>(reply.error()) : EIO;
    ReplyError(virtqueue, request, Errno(error));
    return;
  }
  payload_.Clear();
  if (request.operation->route == FuseRoute::kInitialize) {
    shared_.session.Begin(request.negotiation.flags);
    payload_.Append(request.negotiation.reply);
  } else {
    const EncodeContext context{request.header,     shared_.options, shared_.session,
                                shared_.open_files, request.notes,   descriptor};
    // The kernel takes no more descriptors for this process: the error is this request's, and
    // everything else goes on.
    const bool lost = CarriesDescriptor(reply, request) && !descriptor;
    const ErrnoOrVoid encoded =
        lost ? Errno(EMFILE) : request.operation->encode(context, reply, payload_);
    if (!encoded.ok()) {
      UndoReply(request, reply);
      ReplyError(virtqueue, request, encoded.error());
      return;
    }
  }
  if (ReplyPayload(virtqueue, request)) return;
  UndoReply(request, reply);
  ReplyError(virtqueue, request, Errno(EIO));
}

// The guest will never know of these entries and files, so it will never forget and release them.
void FuseQueue::UndoReply(const PendingRequest& request, const rpc::Reply& reply) {
  // In a session that began meanwhile the same ids may mean others.
  if (request.notes.ticket.generation != shared_.open_files.BeginOpen().generation) return;
  UndoLookups(reply, undone_);
  const uint32_t opcode = request.header.opcode;
  auto release = ReleaseOf(opcode, request.header.nodeid, reply);
  if (!release) return;
  if (release->has_release()) {
    const rpc::ReleaseRequest& file = release->release();
    (void)shared_.open_files.Remove(OpenFileId(file.open_file_id()), NodeId(file.node_id()));
  }
  release->set_id(kReleaseId);
  releases_.push_back(*std::move(release));
}

void FuseQueue::AskForNextPart(PendingRequest& request) {
  if (!link_.CanAdd()) {
    parts_.push_back(&request);
    return;
  }
  // With a new id, so that a second answer to the last part isn't taken for one to this.
  request.file.at_broker = true;
  AskForPart(request.file, request.chain, link_.Add(request.NextRpcId()));
}

void FuseQueue::AddWaiting() {
  while (!parts_.empty() && link_.CanAdd()) {
    PendingRequest& request = *parts_.front();
    parts_.pop_front();
    AskForNextPart(request);
  }
  while (!releases_.empty() && link_.CanAdd()) {
    link_.Add(kReleaseId) = std::move(releases_.front());
    releases_.pop_front();
    ++releases_asked_;
  }
  auto& items = *undone_.mutable_items();
  while (!items.empty() && link_.CanAdd()) {
    auto& forget = *link_.Forget().mutable_forget();
    for (int count = std::min(items.size(), kMaxForgetItems); count > 0; --count) {
      *forget.add_items() = items[items.size() - 1];
      items.RemoveLast();
    }
  }
}

ErrnoOrVoid FuseQueue::Flush() {
  while (true) {
    AddWaiting();
    POSTERN_RETURN_IF_ERROR(link_.Flush());
    if (link_.blocked()) return {};
    if (parts_.empty() && releases_.empty() && undone_.items().empty()) return {};
  }
}

void FuseQueue::PostCompletion(PendingRequest& request) {
  MutexLock lock(mutex_);
  posted_.push_back(&request);
  has_posted_.store(true, std::memory_order_release);
  // Under the lock (it doesn't block): once the queue's thread has seen the completion, it may
  // stop, and what `wake_` refers to may go.
  if (posted_.size() == 1) wake_.Signal();
}

void FuseQueue::TakeCompletions(Virtqueue* virtqueue) {
  if (!has_posted_.load(std::memory_order_relaxed) ||
      !has_posted_.exchange(false, std::memory_order_acquire))
    return;
  {
    MutexLock lock(mutex_);
    completed_.swap(posted_);
  }
  // A request in the pool keeps its ring from being given back, so there is a virtqueue if there is
  // a completion.
  progress_ += completed_.size();
  in_pool_ -= completed_.size();
  for (PendingRequest* request : completed_) Finish(*virtqueue, *request);
  completed_.clear();
}

void FuseQueue::Finish(Virtqueue& virtqueue, PendingRequest& request) {
  const FileOperation& operation = request.file;
  if (operation.error != 0) {
    ReplyError(virtqueue, request, Errno(operation.error));
    return;
  }
  if (operation.kind == FileOperation::Kind::kRead) {
    // The data is behind the header's place already.
    if (!WriteHeader(request, 0, operation.result)) {
      Complete(virtqueue, request, 0);
      return;
    }
    Complete(virtqueue, request, Narrow<uint32_t>(sizeof(fuse_out_header) + operation.result));
    return;
  }
  payload_.Clear();
  if (request.operation->encode_file != nullptr) {
    request.operation->encode_file(operation, payload_);
  }
  if (!ReplyPayload(virtqueue, request)) {
    ReplyError(virtqueue, request, Errno(EIO));
  }
}

void FuseQueue::EndSession() {
  shared_.session.End();
  shared_.open_files.Clear();
  // Nothing is in flight when this is called, so the batch is empty, or waits for the socket and is
  // small.
  undone_.Clear();
  releases_.clear();
  ending_session_ = true;
  link_.Add(kEndSessionId).mutable_reset();
}

bool FuseQueue::WriteHeader(PendingRequest& request, int error, size_t payload_bytes) {
  const fuse_out_header out = MakeHeader(request, error, payload_bytes);
  return request.chain.CopyToGuest(0, std::as_bytes(std::span(&out, 1)));
}

bool FuseQueue::ReplyPayload(Virtqueue& virtqueue, PendingRequest& request) {
  const std::span<const std::byte> reply =
      payload_.WithHeader(MakeHeader(request, 0, payload_.bytes().size()));
  if (!request.chain.CopyToGuest(0, reply)) return false;
  Complete(virtqueue, request, Narrow<uint32_t>(reply.size()));
  return true;
}

void FuseQueue::ReplyError(Virtqueue& virtqueue, PendingRequest& request, Errno error) {
  // FORGET and its like have no answer, and a chain without room for a header can't take one.
  const bool replies = request.operation == nullptr || request.operation->replies();
  const bool written = replies && WriteHeader(request, error.value(), 0);
  Complete(virtqueue, request, written ? sizeof(fuse_out_header) : 0);
}

void FuseQueue::Complete(Virtqueue& virtqueue, PendingRequest& request, uint32_t written) {
  virtqueue.Push(request.chain.head(), written);
  const bool later =
      completed_by_replies_ && (*completed_by_replies_)++ % kRepliesPerNotification != 0;
  if (notify_ == nullptr || later) {
    virtqueue.Show();
  } else if (virtqueue.Publish()) {
    notify_();
  }
  requests_.Return(request);
}

}  // namespace postern
