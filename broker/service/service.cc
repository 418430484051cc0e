#include "broker/service/service.h"

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/blocking_counter.h>
#include <google/protobuf/arena.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "broker/identity/thread_state.h"
#include "broker/operations/operation_table.h"
#include "common/checked.h"
#include "common/logging.h"
#include "common/mutex_lock.h"
#include "common/rpc/peer_waiting.h"
#include "common/warm_up.h"
#include "proto/bounds.h"

namespace postern {
namespace {

// Holds the objects of most batches, so that the arena allocates once in a thread's life.
constexpr size_t kArenaBytes = 256 * 1024;

// So long a thread waits for the next message of the channel that it has served; then for that of
// any. The kernel rounds it up to its tick.
constexpr std::chrono::milliseconds kLingerTime{1};

// After so many messages in a row of one channel the others have their turn.
constexpr int kTurnMessages = 64;

// A message that takes so long, or up to twice that, holds up its channel no more.
constexpr absl::Duration kStuckTime = absl::Milliseconds(5);

// What is malformed about `batch`, or null. All of a batch is checked before any of it runs.
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

google::protobuf::ArenaOptions ArenaOptionsFor(char* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = kArenaBytes;
  return options;
}

}  // namespace

// What one thread needs, reused from message to message.
struct BrokerService::ThreadState {
  ThreadState(ReplyWriter::TakeBack take_back, const BrokerServiceOptions& options)
      : writer(std::move(take_back), options.reply_delay), waiting(options.poll_budget) {}

  std::unique_ptr<char[]> arena_block = std::make_unique<char[]>(kArenaBytes);
  google::protobuf::Arena arena{ArenaOptionsFor(arena_block.get())};
  rpc::RequestBatch* batch = nullptr;  // In the arena.
  std::unique_ptr<OperationScratch> scratch = std::make_unique<OperationScratch>();
  ReplyWriter writer;
  const std::function<void()> flush = [this] { (void)writer.Flush(); };  // It remembers errors.
  PeerWaiting waiting;
  uint64_t claim = kNobody;  // BeginWork()'s.
};

BrokerService::BrokerService(Filesystem& filesystem, std::vector<RpcChannel> channels,
                             BrokerServiceOptions options)
    : filesystem_(filesystem), options_(std::move(options)) {
  for (RpcChannel& channel : channels) links_.push_back(std::make_unique<Link>(std::move(channel)));
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
  timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return failed("timerfd_create", Errno::Last());
  // Edge-triggered: an expiry is told of once, to one thread, and needs no read(2).
  epoll_event expiry{.events = EPOLLIN | EPOLLET, .data = {.ptr = &timer_}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &expiry) < 0) {
    return failed("epoll_ctl", Errno::Last());
  }
  const timeval timeout = absl::ToTimeval(options_.send_timeout);
  for (const auto& link : links_) {
    if (setsockopt(link->channel.fd(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
      return failed("setsockopt(SO_SNDTIMEO)", Errno::Last());
    }
    link->channel.SetReceiveTimeout(kLingerTime);
    // Edge-triggered: each ring is told of once, to one thread, and needs no read(2).
    epoll_event ring{.events = EPOLLIN | EPOLLET, .data = {.ptr = link.get()}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, link->channel.doorbell().fd(), &ring) < 0) {
      return failed("epoll_ctl", Errno::Last());
    }
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
  for (const auto& link : links_) {
    // What is there already hasn't rung.
    if (!link->channel.PrepareToSleep()) link->channel.doorbell().Signal();
  }
  serving_ = true;
  released_.Notify();
}

void BrokerService::Stop() {
  if (stop_) stop_->Signal();
  if (!released_.HasBeenNotified()) released_.Notify();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void BrokerService::Fail(const char* what) {
  if (failed_.exchange(true)) return;
  LOG(ERROR) << "the worker broke the protocol (" << what << "): ending the session";
  stop_->Signal();
  if (options_.on_failure) options_.on_failure();
}

void BrokerService::Run() {
  ThreadState thread(
      [this](const rpc::Reply& reply, const OpenFileRef& file) { TakeBack(reply, file); },
      options_);
  released_.WaitForNotification();
  if (!serving_) return;  // Stopped before it began: the jail isn't closed.
  for (;;) {
    epoll_event event{};
    ++idle_threads_;
    const int count = epoll_wait(epoll_.get(), &event, 1, -1);
    --idle_threads_;
    if (count < 0 && errno == EINTR) continue;
    if (count != 1) LOG(FATAL) << "epoll_wait: " << Errno::Last().Message();
    if (event.data.ptr == nullptr) return;
    if (event.data.ptr == &timer_) {
      ReleaseStuck();
      continue;
    }
    Link& link = *static_cast<Link*>(event.data.ptr);
    // If it has an owner, who took it back when the event was on its way here, that one looks.
    if (!Own(link)) continue;
    link.channel.Awake();
    ServeLink(link, thread);
  }
}

void BrokerService::ServeLink(Link& link, ThreadState& thread) {
  // The event that led here is one of a message, or of the end.
  Channel::Wait wait = Channel::Wait::kDontBlock;
  int messages = 0;
  while (!failed_) {
    switch (ReceiveBatch(link, thread, wait)) {
      case Received::kBatch:
        thread.waiting.Busy();
        wait = Channel::Wait::kDontBlock;
        if (!ServeBatch(link, thread)) return;
        if (++messages >= kTurnMessages && idle_threads_ == 0) return Release(link, kReceiving);
        break;
      case Received::kNothing:
        if (wait == Channel::Wait::kBlock) return Release(link, kReceiving);
        if (!thread.waiting.AgainForPeer(link.channel)) wait = Channel::Wait::kBlock;
        break;
      case Received::kEnd:
        return;
    }
  }
}

bool BrokerService::ServeBatch(Link& link, ThreadState& thread) {
  const absl::Cleanup free_messages = [&thread] { thread.arena.Reset(); };
  if (const char* wrong = CheckBatch(*thread.batch)) {
    Fail(wrong);
    return false;
  }
  RunUnanswered(thread);
  if (has_spare_threads()) {
    Release(link, kReceiving);
  } else {
    BeginWork(link, thread);
  }
  const ErrnoOrVoid sent = Process(link, thread);
  if (!sent.ok()) {
    // A worker that has ended is no malformed one: the launcher sees to that.
    if (sent.error() != Errno(EPIPE) && sent.error() != Errno(ECONNRESET)) {
      Fail(sent.error() == Errno(EAGAIN) ? "replies aren't read" : "replies can't be sent");
    }
    return false;
  }
  if (!has_spare_threads()) return EndWork(link, thread);
  if (!Own(link)) return false;
  link.channel.Awake();
  return true;
}

bool BrokerService::Own(Link& link) {
  uint64_t nobody = kNobody;
  return link.claim.compare_exchange_strong(nobody, kReceiving);
}

// Either a batch that begins sees that the timer isn't started, or ReleaseStuck() sees its claim:
// each stores the one and then loads the other.
void BrokerService::BeginWork(Link& link, ThreadState& thread) {
  thread.claim = last_claim_.fetch_add(1, std::memory_order_relaxed) + 1;
  link.claim = thread.claim;
  StartTimer();
}

bool BrokerService::EndWork(Link& link, const ThreadState& thread) {
  uint64_t claim = thread.claim;
  return link.claim.compare_exchange_strong(claim, kReceiving);
}

void BrokerService::Release(Link& link, uint64_t claim) {
  if (!link.claim.compare_exchange_strong(claim, kNobody)) return;
  // It may have come before the worker knew that it has to ring.
  if (!link.channel.PrepareToSleep()) link.channel.doorbell().Signal();
}

void BrokerService::StartTimer() {
  if (timer_started_ || timer_started_.exchange(true)) return;
  itimerspec once{.it_interval = {}, .it_value = absl::ToTimespec(kStuckTime)};
  if (timerfd_settime(timer_.get(), 0, &once, nullptr) < 0) {
    LOG(FATAL) << "timerfd_settime: " << Errno::Last().Message();
  }
}

void BrokerService::ReleaseStuck() {
  timer_started_ = false;
  bool any = false;
  for (const auto& link : links_) {
    const uint64_t claim = link->claim;
    // Who receives doesn't block. If it stands still it is for want of a processor, and two at once
    // must never read one ring.
    if (claim == kNobody || claim == kReceiving) continue;
    if (link->seen_claim.exchange(claim, std::memory_order_relaxed) == claim) {
      Release(*link, claim);
    } else {
      any = true;
    }
  }
  if (any) StartTimer();
}

BrokerService::Received BrokerService::ReceiveBatch(Link& link, ThreadState& thread,
                                                    Channel::Wait wait) {
  // No request brings a descriptor.
  const ErrnoOr<ReceivedMessage> received = link.channel.Receive(/*max_descriptors=*/0, wait);
  if (received.errno_value() == EAGAIN) return Received::kNothing;
  if (received.errno_value() == ECONNRESET) return Received::kEnd;
  thread.batch = google::protobuf::Arena::CreateMessage<rpc::RequestBatch>(&thread.arena);
  if (!received.ok() ||
      !thread.batch->ParseFromArray(received->bytes.data(), Narrow<int>(received->bytes.size()))) {
    Fail("a message that can't be received");
    return Received::kEnd;
  }
  return Received::kBatch;
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
  const bool several = thread.batch->requests_size() > 1;
  thread.writer.Begin(link.channel, link.send_mutex, several);
  std::shared_ptr<Session> session = CurrentSession();
  const rpc::Request& last = *thread.batch->requests().rbegin();
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
      OperationContext context{filesystem_, *session, *thread.scratch, nullptr, &thread.flush};
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
    if (&request != &last) POSTERN_RETURN_IF_ERROR(thread.writer.FlushIfDue());
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
    const MutexLock lock(session_mutex_);
    session_.swap(next);
  }
  return {};
}

std::shared_ptr<Session> BrokerService::CurrentSession() {
  const MutexLock lock(session_mutex_);
  return session_;
}

}  // namespace postern
