#include "broker/service/service.h"

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "broker/identity/thread_state.h"
#include "broker/service/batch_runner.h"
#include "common/logging.h"
#include "common/rpc/peer_waiting.h"
#include "common/short_slices.h"
#include "common/warm_up.h"

namespace postern {

struct BrokerService::Link {
  explicit Link(RpcChannel end) : channel(std::move(end)) {}
  RpcChannel channel;
  // Held over a send, which blocks for the send timeout at the most. Nothing is locked under it.
  absl::Mutex send_mutex;
  // Whose batch is the last one that was begun. Null: there was none.
  std::atomic<BatchRunner*> runner{nullptr};
  // When the timer last expired: how many operations that had begun.
  std::atomic<uint64_t> begun{0};
};

// What one thread needs, reused from message to message.
struct BrokerService::ThreadState {
  BatchRunner& runner;
  PeerWaiting waiting;
};

BrokerService::BrokerService(Filesystem& filesystem, std::vector<RpcChannel> channels,
                             BrokerServiceOptions options)
    : filesystem_(filesystem),
      options_(std::move(options)),
      owners_(channels.size()),
      session_(filesystem),
      waiting_room_(options_.waiting) {
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
  ErrnoOrVoid added = AddEvent(stop_->fd(), EPOLLIN, kStopEvent);
  timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return failed("timerfd_create", Errno::Last());
  // Edge-triggered: an expiry is told of once, to one thread, and needs no read(2).
  if (added.ok()) added = AddEvent(timer_.get(), EPOLLIN | EPOLLET, kTimerEvent);
  const timeval timeout = absl::ToTimeval(options_.send_timeout);
  for (size_t number = 0; number < links_.size(); ++number) {
    RpcChannel& channel = links_[number]->channel;
    if (setsockopt(channel.fd(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
      return failed("setsockopt(SO_SNDTIMEO)", Errno::Last());
    }
    // Edge-triggered: each ring is told of once, to one thread, and needs no read(2).
    if (added.ok()) added = AddEvent(channel.doorbell().fd(), EPOLLIN | EPOLLET, number);
  }
  if (!added.ok()) return failed("epoll_ctl", added.error());
  const size_t threads = options_.threads + WaitingRoom::ThreadsFor(options_.waiting);
  started_ = std::make_unique<absl::BlockingCounter>(static_cast<int>(threads));
  for (size_t i = 0; i < threads; ++i) {
    runners_.push_back(std::make_unique<BatchRunner>(
        BatchRunner::Parts{filesystem_, session_, slow_, waiting_room_}, options_.reply_delay));
    StartThread(*runners_.back(),
                i < options_.threads ? &BrokerService::Run : &BrokerService::RunWaiting);
  }
  // What a thread needs to start must not meet the seccomp filter.
  started_->Wait();
  if (failure_ != 0) {
    return failed("giving each thread a umask and a working directory", Errno(failure_));
  }
  if (shared_umask_) filesystem_.ShareUmask();
  return absl::OkStatus();
}

void BrokerService::StartThread(BatchRunner& runner, void (BrokerService::*run)(BatchRunner&)) {
  threads_.emplace_back([this, &runner, run] {
    const ErrnoOr<ThreadStateOwner> state = MakeThreadStateOwn(filesystem_.proc_fd());
    if (!state.ok()) {
      failure_ = state.errno_value();
    } else if (*state == ThreadStateOwner::kProcess) {
      shared_umask_ = true;
    }
    AskForShortSlices();
    WarmUpThread();
    started_->DecrementCount();
    released_.WaitForNotification();
    if (serving_) (this->*run)(runner);  // Else it stopped before it began: the jail isn't closed.
  });
}

ErrnoOrVoid BrokerService::AddEvent(int fd, uint32_t events, uint64_t number) {
  epoll_event event{.events = events, .data = {.u64 = number}};
  return CheckSyscall(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event));
}

void BrokerService::Serve() {
  for (size_t number = 0; number < links_.size(); ++number) Watch(number);
  serving_ = true;
  released_.Notify();
}

void BrokerService::Stop() {
  if (stop_) stop_->Signal();
  waiting_room_.Close();
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

void BrokerService::Run(BatchRunner& runner) {
  ThreadState thread{.runner = runner, .waiting{PeerWaiting(options_.poll_budget)}};
  for (;;) {
    epoll_event event{};
    owners_.BeginIdle();
    const int count = epoll_wait(epoll_.get(), &event, 1, -1);
    owners_.EndIdle();
    if (count < 0 && errno == EINTR) continue;
    if (count != 1) LOG(FATAL) << "epoll_wait: " << Errno::Last().Message();
    if (event.data.u64 == kStopEvent) return;
    if (event.data.u64 == kTimerEvent) {
      ReleaseStuck();
      continue;
    }
    const size_t number = event.data.u64;
    // If it has an owner, who took it back when the event was on its way here, that one looks.
    if (!owners_.Own(number)) continue;
    links_[number]->channel.Awake();
    ServeLink(number, thread);
  }
}

void BrokerService::RunWaiting(BatchRunner& runner) {
  while (std::optional<WaitingRoom::Work> work = waiting_room_.Take()) {
    const ErrnoOrVoid sent = runner.RunWaiting(*work);
    runner.Drop();
    waiting_room_.Done(work->device);
    if (!sent.ok()) FailedToSend(sent.error());
  }
}

void BrokerService::FailedToSend(Errno error) {
  // A worker that has ended is no malformed one: the launcher sees to that.
  if (error == Errno(EPIPE) || error == Errno(ECONNRESET)) return;
  Fail(error == Errno(EAGAIN) ? "replies aren't read" : "replies can't be sent");
}

void BrokerService::ServeLink(size_t number, ThreadState& thread) {
  int messages = 0;
  while (!failed_) {
    switch (ReceiveBatch(number, thread)) {
      case Received::kBatch:
        thread.waiting.Busy();
        // The first message is what the thread was woken for.
        if (messages == 0) thread.waiting.FollowPeer(links_[number]->channel);
        if (!RunBatch(number, thread)) return;
        if (owners_.IsTurnOver(++messages)) {
          owners_.Release(number);
          return Watch(number);
        }
        break;
      case Received::kNothing:
        if (thread.waiting.AgainForPeer(links_[number]->channel)) break;
        owners_.Release(number);
        return Watch(number);
      case Received::kEnd:
        return;
    }
  }
}

BrokerService::Received BrokerService::ReceiveBatch(size_t number, ThreadState& thread) {
  // No request brings a descriptor.
  const ErrnoOr<ReceivedMessage> received = links_[number]->channel.Receive(/*max_descriptors=*/0);
  if (received.errno_value() == EAGAIN) return Received::kNothing;
  if (received.errno_value() == ECONNRESET) return Received::kEnd;
  const char* const wrong =
      received.ok() ? thread.runner.Take(received->bytes) : "a message that can't be received";
  if (wrong == nullptr) return Received::kBatch;
  Fail(wrong);
  thread.runner.Drop();
  return Received::kEnd;
}

bool BrokerService::RunBatch(size_t number, ThreadState& thread) {
  Link& link = *links_[number];
  const absl::Cleanup drop = [&thread] { thread.runner.Drop(); };
  const ChannelOwners::Claim claim = owners_.BeginWork(number);
  if (owners_.StartsTimer()) StartTimer();
  link.runner.store(&thread.runner, std::memory_order_relaxed);
  const ErrnoOrVoid sent = thread.runner.RunAll({link.channel, link.send_mutex});
  if (!sent.ok()) {
    FailedToSend(sent.error());
    return false;
  }
  return owners_.EndWork(number, claim);
}

void BrokerService::Watch(size_t number) {
  RpcChannel& channel = links_[number]->channel;
  // A message may have come before the worker knew that it has to ring.
  if (!channel.PrepareToSleep()) channel.doorbell().Signal();
}

void BrokerService::StartTimer() {
  itimerspec once{.it_interval = {},
                  .it_value = absl::ToTimespec(absl::FromChrono(options_.stuck_time))};
  if (timerfd_settime(timer_.get(), 0, &once, nullptr) < 0) {
    LOG(FATAL) << "timerfd_settime: " << Errno::Last().Message();
  }
}

void BrokerService::NoteBegun(Link& link) {
  if (const BatchRunner* const runner = link.runner) link.begun = runner->begun();
}

void BrokerService::ReleaseStuck() {
  owners_.TimerExpired();
  bool any_begun = false;
  for (size_t number = 0; number < links_.size(); ++number) {
    switch (owners_.ReleaseIfStuck(number)) {
      case ChannelOwners::Work::kNone:
        break;
      case ChannelOwners::Work::kBegun:
        any_begun = true;
        slow_.Suspect();
        NoteBegun(*links_[number]);
        break;
      case ChannelOwners::Work::kReleased:
        Watch(number);
        if (BatchRunner* const runner = links_[number]->runner) {
          runner->SeizeIfAt(links_[number]->begun);
        }
        break;
    }
  }
  if (any_begun && owners_.StartsTimer()) StartTimer();
}

}  // namespace postern
