#include "broker/service.h"

#include <absl/strings/str_cat.h>
#include <absl/synchronization/blocking_counter.h>
#include <google/protobuf/arena.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "broker/operation_table.h"
#include "broker/thread_state.h"
#include "common/logging.h"
#include "common/warm_up.h"

namespace postern {
namespace {

constexpr int kMaxRequests = 64;  // rpc.proto
// Holds the objects of most batches, so that the arena allocates once in a thread's life.
constexpr size_t kArenaBytes = 256 * 1024;

// What is malformed about `batch`, or null. All of a batch is checked before any of it runs.
const char* CheckBatch(const rpc::RequestBatch& batch) {
  if (batch.requests_size() < 1) return "an empty batch";
  if (batch.requests_size() > kMaxRequests) return "too many requests in a batch";
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

google::protobuf::ArenaOptions ArenaOptionsFor(char* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = kArenaBytes;
  return options;
}

}  // namespace

// What one thread needs, reused from message to message.
struct BrokerService::ThreadState {
  explicit ThreadState(ReplyWriter::TakeBack take_back) : writer(std::move(take_back)) {}

  std::unique_ptr<char[]> arena_block = std::make_unique<char[]>(kArenaBytes);
  google::protobuf::Arena arena{ArenaOptionsFor(arena_block.get())};
  rpc::RequestBatch* batch = nullptr;  // In the arena.
  std::unique_ptr<OperationScratch> scratch = std::make_unique<OperationScratch>();
  ReplyWriter writer;
};

BrokerService::BrokerService(Filesystem& filesystem, std::vector<Channel> channels,
                             BrokerServiceOptions options)
    : filesystem_(filesystem), options_(std::move(options)) {
  for (Channel& channel : channels) links_.push_back(std::make_unique<Link>(std::move(channel)));
}

BrokerService::~BrokerService() { Stop(); }

absl::Status BrokerService::Start() {
  const auto failed = [](const char* step, Errno error) {
    return absl::InternalError(absl::StrCat(step, ": ", error.Message()));
  };
  ErrnoOr<EventFd> stop = EventFd::Create();
  if (!stop.ok()) return failed("eventfd", stop.error());
  stop_.emplace(std::move(*stop));
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return failed("epoll_create1", Errno::Last());
  // Level-triggered and for every thread: it stays readable until the end.
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_->fd(), &event) < 0) {
    return failed("epoll_ctl", Errno::Last());
  }
  const timeval timeout = absl::ToTimeval(options_.send_timeout);
  for (const auto& link : links_) {
    if (setsockopt(link->channel.fd(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
      return failed("setsockopt(SO_SNDTIMEO)", Errno::Last());
    }
    const ErrnoOrVoid watched = Watch(*link, EPOLL_CTL_ADD);
    if (!watched.ok()) return failed("epoll_ctl", watched.error());
  }
  std::atomic<int> failure{0};
  absl::BlockingCounter started(static_cast<int>(options_.threads));
  for (size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this, &started, &failure] {
      const ErrnoOrVoid own = MakeThreadStateOwn(filesystem_.proc_fd());
      if (!own.ok()) failure = own.errno_value();
      WarmUpThread();
      started.DecrementCount();
      Run();
    });
  }
  // What a thread needs to start must not meet the seccomp filter.
  started.Wait();
  if (failure != 0) {
    return failed("unshare(CLONE_FS), which a container's seccomp policy may forbid",
                  Errno(failure));
  }
  return absl::OkStatus();
}

void BrokerService::Serve() {
  serving_ = true;
  released_.Notify();
}

void BrokerService::Stop() {
  if (stop_) stop_->Signal();
  if (!released_.HasBeenNotified()) released_.Notify();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// One-shot: after an event nobody else is told of this channel until it is armed again.
ErrnoOrVoid BrokerService::Watch(Link& link, int operation) {
  epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.ptr = &link}};
  return CheckSyscall(epoll_ctl(epoll_.get(), operation, link.channel.fd(), &event));
}

void BrokerService::Fail(const char* what) {
  if (failed_.exchange(true)) return;
  LOG(ERROR) << "the worker broke the protocol (" << what << "): ending the session";
  stop_->Signal();
  if (options_.on_failure) options_.on_failure();
}

void BrokerService::Run() {
  ThreadState thread(
      [this](const rpc::Reply& reply, const OpenFileRef& file) { TakeBack(reply, file); });
  released_.WaitForNotification();
  if (!serving_) return;  // Stopped before it began: the jail isn't closed.
  for (;;) {
    epoll_event event{};
    const int count = epoll_wait(epoll_.get(), &event, 1, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count != 1) LOG(FATAL) << "epoll_wait: " << Errno::Last().Message();
    if (event.data.ptr == nullptr) return;
    ServeMessage(*static_cast<Link*>(event.data.ptr), thread);
  }
}

void BrokerService::ServeMessage(Link& link, ThreadState& thread) {
  thread.arena.Reset();
  if (!ReceiveBatch(link, thread)) return;
  if (const char* wrong = CheckBatch(*thread.batch)) return Fail(wrong);
  RunUnanswered(thread);
  // Another thread may take the next message while this one works.
  if (!Watch(link, EPOLL_CTL_MOD).ok()) return Fail("a channel that can't be watched");
  const ErrnoOrVoid sent = Process(link, thread);
  if (sent.ok()) return;
  // A worker that has ended is no malformed one: the launcher sees to that.
  if (sent.error() == Errno(EPIPE) || sent.error() == Errno(ECONNRESET)) return;
  Fail(sent.error() == Errno(EAGAIN) ? "replies aren't read" : "replies can't be sent");
}

bool BrokerService::ReceiveBatch(Link& link, ThreadState& thread) {
  thread.batch = google::protobuf::Arena::CreateMessage<rpc::RequestBatch>(&thread.arena);
  const absl::MutexLock lock(&link.receive_mutex);
  // No request brings a descriptor.
  const auto received =
      link.channel.ReceiveMessage(*thread.batch, /*max_descriptors=*/0, Channel::Wait::kDontBlock);
  if (received.ok()) return true;
  if (received.error() == Errno(EAGAIN)) {
    if (!Watch(link, EPOLL_CTL_MOD).ok()) Fail("a channel that can't be watched");
  } else if (received.error() != Errno(ECONNRESET)) {
    Fail("a message that can't be received");
  }
  return false;
}

// Forgets: the worker has told the guest that they are done, so they come before whatever the
// channel brings next.
void BrokerService::RunUnanswered(ThreadState& thread) {
  const std::shared_ptr<Session> session = CurrentSession();
  if (session == nullptr) return;
  rpc::Reply nothing;
  for (const rpc::Request& request : thread.batch->requests()) {
    const OperationRow& row = *FindOperation(request.operation_case());
    if ((row.flags & kNoReply) == 0) continue;
    OperationContext context{filesystem_, *session, *thread.scratch};
    (void)row.run(context, request, nothing);  // Nobody is told.
  }
}

ErrnoOrVoid BrokerService::Process(Link& link, ThreadState& thread) {
  thread.writer.Begin(link.channel, link.send_mutex);
  std::shared_ptr<Session> session = CurrentSession();
  for (const rpc::Request& request : thread.batch->requests()) {
    const OperationRow& row = *FindOperation(request.operation_case());
    if ((row.flags & kNoReply) != 0) continue;  // RunUnanswered()
    // What may be slow holds up no answer; and what belongs to a session is sent or taken back
    // before that ends.
    if ((row.flags & (kMayBeSlow | kChangesSession)) != 0) {
      POSTERN_RETURN_IF_ERROR(thread.writer.Flush());
    }

    auto* reply = google::protobuf::Arena::CreateMessage<rpc::Reply>(&thread.arena);
    OpenFileRef file;
    ErrnoOrVoid result;
    if ((row.flags & kChangesSession) != 0) {
      session.reset();  // Or its files would stay open past the reply.
      result = ChangeSession(request);
      session = CurrentSession();
    } else if (session == nullptr) {
      result = Errno(EIO);
    } else {
      OperationContext context{filesystem_, *session, *thread.scratch};
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
    POSTERN_RETURN_IF_ERROR(thread.writer.Add(*reply, std::move(file)));
  }
  // Before the worker has its answers and may end the session: its files are to be closed then.
  session.reset();
  return thread.writer.Flush();
}

void BrokerService::TakeBack(const rpc::Reply& reply, const OpenFileRef& file) {
  const std::shared_ptr<Session> session = CurrentSession();
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

ErrnoOrVoid BrokerService::ChangeSession(const rpc::Request& request) {
  std::shared_ptr<Session> next;
  if (request.operation_case() == rpc::Request::kInitialize) {
    SessionOptions options;
    options.supplementary_groups = request.initialize().supplementary_groups();
    options.posix_acl = request.initialize().posix_acl();
    POSTERN_ASSIGN_OR_RETURN(next, filesystem_.StartSession(options));
  }
  // The old session ends outside of the lock, or with the last operation in it on another thread.
  {
    const absl::MutexLock lock(&session_mutex_);
    session_.swap(next);
  }
  return {};
}

std::shared_ptr<Session> BrokerService::CurrentSession() {
  const absl::MutexLock lock(&session_mutex_);
  return session_;
}

}  // namespace postern
