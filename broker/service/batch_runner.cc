#include "broker/service/batch_runner.h"

#include "common/checked.h"
#include "common/logging.h"
#include "proto/bounds.h"

namespace postern {
namespace {

// Holds the objects of most batches, so that the arena allocates once in a thread's life.
constexpr size_t kArenaBytes = 256 * 1024;

google::protobuf::ArenaOptions ArenaOptionsFor(char* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = kArenaBytes;
  return options;
}

const char* CheckBatch(const rpc::RequestBatch& batch) {
  if (batch.requests_size() < 1) return "an empty batch";
  if (batch.requests_size() > rpc::kMaxBatchRequests) return "too many requests in a batch";
  for (const rpc::Request& request : batch.requests()) {
    if (request.id() == 0) return "a request without an id";
    const OperationRow* row = FindOperation(request.operation_case());
    if (row == nullptr) return "a request without an operation";
    if (const char* wrong = row->check(request)) return wrong;
  }
  return nullptr;
}

// What the guest is told. A host's ENOSYS must not reach it: the guest would take the operation
// for unknown from then on, and some for success (FUSE: fc->no_…).
uint32_t GuestError(Errno error) {
  return static_cast<uint32_t>(error == Errno(ENOSYS) ? EOPNOTSUPP : error.value());
}

}  // namespace

BatchRunner::BatchRunner(Filesystem& filesystem, CurrentSession& session,
                         std::chrono::microseconds reply_delay)
    : filesystem_(filesystem),
      current_(session),
      arena_block_(std::make_unique<char[]>(kArenaBytes)),
      arena_(ArenaOptionsFor(arena_block_.get())),
      writer_([this](const rpc::Reply& reply, const OpenFileRef& file) { TakeBack(reply, file); },
              reply_delay) {}

const char* BatchRunner::Take(std::span<const std::byte> message) {
  batch_ = google::protobuf::Arena::CreateMessage<rpc::RequestBatch>(&arena_);
  if (!batch_->ParseFromArray(message.data(), Narrow<int>(message.size()))) {
    return "a message that can't be received";
  }
  return CheckBatch(*batch_);
}

void BatchRunner::Drop() {
  batch_ = nullptr;
  arena_.Reset();
}

void BatchRunner::RunUnanswered() {
  const std::shared_ptr<Session> session = current_.Get();
  if (session == nullptr) return;
  rpc::Reply nothing;
  for (const rpc::Request& request : batch_->requests()) {
    const OperationRow& row = *FindOperation(request.operation_case());
    if ((row.flags & kNoReply) == 0) continue;
    OperationContext context{filesystem_, *session, *scratch_};
    (void)row.run(context, request, nothing);  // Nobody is told.
  }
}

ErrnoOrVoid BatchRunner::RunAnswered(RpcChannel& channel, absl::Mutex& send_mutex) {
  writer_.Begin(channel, send_mutex, /*several=*/batch_->requests_size() > 1);
  std::shared_ptr<Session> session = current_.Get();
  const rpc::Request& last = *batch_->requests().rbegin();
  for (const rpc::Request& request : batch_->requests()) {
    const OperationRow& row = *FindOperation(request.operation_case());
    if ((row.flags & kNoReply) != 0) continue;  // RunUnanswered()
    // What may be slow holds up no answer; and what belongs to a session is sent or taken back
    // before that ends.
    if ((row.flags & (kMayBeSlow | kChangesSession)) != 0) POSTERN_RETURN_IF_ERROR(writer_.Flush());
    POSTERN_RETURN_IF_ERROR(Answer(row, request, session));
    if (&request != &last) POSTERN_RETURN_IF_ERROR(writer_.FlushIfDue());
  }
  // Before the worker has its answers and may end the session: its files are to be closed then.
  session.reset();
  return writer_.Flush();
}

ErrnoOrVoid BatchRunner::Answer(const OperationRow& row, const rpc::Request& request,
                                std::shared_ptr<Session>& session) {
  auto* reply = google::protobuf::Arena::CreateMessage<rpc::Reply>(&arena_);
  OpenFileRef file;
  ErrnoOrVoid result;
  if ((row.flags & kChangesSession) != 0) {
    session.reset();  // Or its files would stay open past the reply.
    result = current_.Change(request);
    session = current_.Get();
  } else if (session == nullptr) {
    result = Errno(EIO);
  } else {
    OperationContext context{filesystem_, *session, *scratch_, nullptr, &flush_};
    result = RunOperation(row, context, request, *reply);
    file = std::move(context.reply_file);
  }
  reply->set_id(request.id());
  if (!result.ok()) {
    // Nothing half done goes out with an error.
    reply->clear_result();
    reply->set_error(GuestError(result.error()));
    file.reset();
  }
  const bool brings_file = result.ok() && (row.flags & kAnswersDescriptor) != 0;
  if ((file != nullptr) != brings_file) LOG(FATAL) << row.name << " answered a wrong descriptor";
  return writer_.Add(*reply, std::move(file));
}

void BatchRunner::TakeBack(const rpc::Reply& reply, const OpenFileRef& file) {
  const std::shared_ptr<Session> session = current_.Get();
  if (session == nullptr) return;
  const OpenFileId id(
      (reply.has_created() ? reply.created().opened() : reply.opened()).open_file_id());
  // By now the id may be that of another file, if the session has changed.
  const ErrnoOr<OpenFileRef> open =
      session->open_files.Get(id, file->node(), OpenFile::Kind::kFile);
  if (!open.ok() || *open != file) return;
  (void)session->open_files.Remove(id, file->node(), OpenFile::Kind::kFile);
  // A file that was made stays: it has a name.
  if (reply.has_created()) session->inodes.Forget(file->node(), 1);
}

}  // namespace postern
