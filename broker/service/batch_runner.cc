#include "broker/service/batch_runner.h"

#include <absl/cleanup/cleanup.h>
#include <sys/resource.h>

#include "common/checked.h"
#include "common/logging.h"
#include "common/mutex_lock.h"
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

// The st_dev of what the guest knows by that number; 0 if it knows nothing.
uint64_t DeviceOf(Session& session, uint64_t node) {
  const ErrnoOr<InodeRef> inode = session.inodes.Get(NodeId(node));
  return inode.ok() ? (*inode)->identity().device : 0;
}

// False if there is no session, or another than the request's.
bool BelongsTo(const rpc::Request& request, const std::shared_ptr<Session>& session) {
  return session != nullptr && session->options.number == request.session();
}

// What the guest is told. A host's ENOSYS must not reach it: the guest would take the operation
// for unknown from then on, and some for success (FUSE: fc->no_…).
uint32_t GuestError(Errno error) {
  return static_cast<uint32_t>(error == Errno(ENOSYS) ? EOPNOTSUPP : error.value());
}

}  // namespace

// Tells how long an operation of the calling thread's has waited for something, from construction
// to Stop(). On a crowded host time passes without that, too: so only what made the thread sleep
// counts (getrusage(2)).
class BatchRunner::WaitMeter {
 public:
  WaitMeter(SlowOperations& slow, uint64_t device, int operation)
      : slow_(slow), device_(device), operation_(operation) {}

  void Stop() const {
    if (Sleeps() == sleeps_) return;
    const auto now = SlowOperations::Clock::now();
    slow_.Took(now - begin_, device_, operation_, now);
  }

 private:
  static long Sleeps() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  }

  SlowOperations& slow_;
  const uint64_t device_;
  const int operation_;
  const long sleeps_ = Sleeps();
  const SlowOperations::Clock::time_point begin_ = SlowOperations::Clock::now();
};

BatchRunner::BatchRunner(const Parts& parts, std::chrono::microseconds reply_delay)
    : parts_(parts),
      // The kernel gives no memory for what isn't used of it.
      arena_block_(std::make_unique_for_overwrite<char[]>(kArenaBytes)),
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

void BatchRunner::Begin() {
  begun_.store(begun() + 1, std::memory_order_relaxed);
  state_.store(kRunning, std::memory_order_release);
}

void BatchRunner::End(int operation) {
  if (state_.exchange(kBetween, std::memory_order_acq_rel) != kSeized) return;
  const MutexLock seizing(seize_mutex_);  // Its end is waited for.
  parts_.slow.EndStuck(stuck_device_, operation);
}

void BatchRunner::RunUnanswered() {
  index_ = -1;
  bool any = false;
  rpc::Reply nothing;
  for (const rpc::Request& request : batch_->requests()) {
    const OperationRow& row = *FindOperation(request.operation_case());
    if ((row.flags & kNoReply) == 0 || !BelongsTo(request, session_)) continue;
    // All of them are one operation. It may be slow: who lets the last reference to a deleted file
    // go frees what that held.
    if (!any) Begin();
    any = true;
    OperationContext context{parts_.filesystem, *session_, *scratch_};
    (void)row.run(context, request, nothing);  // Nobody is told.
  }
  if (any) End(rpc::Request::kForget);
}

ErrnoOrVoid BatchRunner::RunAll(const Destination& to) {
  writer_.Begin(to.channel, to.send_mutex, /*several=*/batch_->requests_size() > 1);
  to_ = &to;
  session_ = parts_.session.Get();
  const absl::Cleanup end = [this] {
    // Before the worker has its answers and may end the session: its files are to be closed then.
    session_.reset();
    to_ = nullptr;
  };
  RunUnanswered();
  bool measured = false;
  while (++index_ < batch_->requests_size()) {
    const rpc::Request& request = batch_->requests(index_);
    const OperationRow& row = *FindOperation(request.operation_case());
    if ((row.flags & kNoReply) != 0) continue;  // RunUnanswered()
    // What may be slow holds up no answer; and what belongs to a session is sent or taken back
    // before that ends.
    if ((row.flags & (kMayBeSlow | kChangesSession)) != 0) POSTERN_RETURN_IF_ERROR(writer_.Flush());
    const bool measures = parts_.slow.watching() && session_ != nullptr;
    if (!measures) {
      POSTERN_RETURN_IF_ERROR(RunHere(request, row, nullptr));
    } else if (!HandIfSlow(request, row)) {
      const WaitMeter meter(parts_.slow, DeviceOf(*session_, row.node(request)),
                            request.operation_case());
      POSTERN_RETURN_IF_ERROR(RunHere(request, row, &meter));
      measured = true;
    }
    if (index_ + 1 < batch_->requests_size()) POSTERN_RETURN_IF_ERROR(writer_.FlushIfDue());
  }
  if (measured) parts_.slow.EndMeasuring(SlowOperations::Clock::now());
  session_.reset();
  return writer_.Flush();
}

ErrnoOrVoid BatchRunner::RunHere(const rpc::Request& request, const OperationRow& row,
                                 const WaitMeter* meter) {
  auto* reply = google::protobuf::Arena::CreateMessage<rpc::Reply>(&arena_);
  const bool changes_session = (row.flags & kChangesSession) != 0;
  if (!changes_session) Begin();
  OpenFileRef file = Run(row, request, session_, *reply);
  if (meter != nullptr) meter->Stop();
  if (!changes_session) End(request.operation_case());
  return writer_.Add(*reply, std::move(file));
}

void BatchRunner::SeizeIfAt(uint64_t begun) {
  const MutexLock lock(seize_mutex_);
  uint32_t running = kRunning;
  // Another one may begin in between: then that is taken for stuck, which does no harm.
  if (this->begun() != begun ||
      !state_.compare_exchange_strong(running, kSeized, std::memory_order_acq_rel)) {
    return;
  }
  stuck_device_ = 0;
  int operation = rpc::Request::kForget;
  if (index_ >= 0) {
    const rpc::Request& stuck = batch_->requests(index_);
    operation = stuck.operation_case();
    const uint64_t node = FindOperation(stuck.operation_case())->node(stuck);
    if (session_ != nullptr) stuck_device_ = DeviceOf(*session_, node);
  }
  parts_.slow.BeginStuck(stuck_device_, operation);
  (void)writer_.Flush();  // It remembers errors.
  for (; index_ + 1 < batch_->requests_size(); ++index_) {
    const rpc::Request& next = batch_->requests(index_ + 1);
    const OperationRow& row = *FindOperation(next.operation_case());
    if ((row.flags & kNoReply) != 0) continue;
    if ((row.flags & kChangesSession) != 0 || session_ == nullptr) return;
    if (!Hand(next, DeviceOf(*session_, row.node(next)))) return;
  }
}

void BatchRunner::FlushBeforeSlow() {
  // If somebody has seized it, that one has done so; and what has waited alone has nothing to send.
  uint32_t running = kRunning;
  if (!state_.compare_exchange_strong(running, kBetween, std::memory_order_acq_rel)) return;
  (void)writer_.Flush();  // It remembers errors.
  state_.store(kRunning, std::memory_order_release);
}

bool BatchRunner::HandIfSlow(const rpc::Request& request, const OperationRow& row) {
  if (!parts_.slow.any() || (row.flags & kChangesSession) != 0) return false;
  const uint64_t device = DeviceOf(*session_, row.node(request));
  return parts_.slow.IsSlow(device, request.operation_case(), SlowOperations::Clock::now()) &&
         Hand(request, device);
}

bool BatchRunner::Hand(const rpc::Request& request, uint64_t device) {
  WaitingRoom::Work work{.request = request,
                         .session = session_,
                         .device = device,
                         .channel = &to_->channel,
                         .send_mutex = &to_->send_mutex};
  return parts_.waiting_room.Put(work);
}

ErrnoOrVoid BatchRunner::RunWaiting(WaitingRoom::Work& work) {
  const OperationRow& row = *FindOperation(work.request.operation_case());
  writer_.Begin(*work.channel, *work.send_mutex, /*several=*/false);
  std::shared_ptr<Session> session = std::move(work.session);
  auto* reply = google::protobuf::Arena::CreateMessage<rpc::Reply>(&arena_);
  // Not measured: so many threads at a time also wait for each other. When what is known has been
  // forgotten, the next one runs on a channel's thread, and tells anew.
  OpenFileRef file = Run(row, work.request, session, *reply);
  session.reset();  // As in RunAll().
  POSTERN_RETURN_IF_ERROR(writer_.Add(*reply, std::move(file)));
  return writer_.Flush();
}

OpenFileRef BatchRunner::Run(const OperationRow& row, const rpc::Request& request,
                             std::shared_ptr<Session>& session, rpc::Reply& reply) {
  OpenFileRef file;
  ErrnoOrVoid result;
  if ((row.flags & kChangesSession) != 0) {
    session.reset();  // Or its files would stay open past the reply.
    result = parts_.session.Change(request);
    session = parts_.session.Get();
  } else if (!BelongsTo(request, session)) {
    result = Errno(EIO);
  } else {
    OperationContext context{parts_.filesystem, *session, *scratch_, nullptr, &flush_};
    result = RunOperation(row, context, request, reply);
    file = std::move(context.reply_file);
  }
  reply.set_id(request.id());
  if (!result.ok()) {
    // Nothing half done goes out with an error.
    reply.clear_result();
    reply.set_error(GuestError(result.error()));
    file.reset();
  }
  const bool brings_file = result.ok() && (row.flags & kAnswersDescriptor) != 0;
  if ((file != nullptr) != brings_file) LOG(FATAL) << row.name << " answered a wrong descriptor";
  return file;
}

void BatchRunner::TakeBack(const rpc::Reply& reply, const OpenFileRef& file) {
  const std::shared_ptr<Session> session = parts_.session.Get();
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
