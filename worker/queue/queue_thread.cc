#include "worker/queue/queue_thread.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/logging.h"
#include "common/short_slices.h"
#include "common/warm_up.h"
#include "proto/exit_status.h"

namespace postern {
namespace {

// How often a ring without a kick descriptor is looked at (vhost-user: then the device polls).
constexpr int kPollMilliseconds = 1;

// A notification. The descriptor may be a pipe's end (User-Mode Linux): a full one holds
// notifications enough, and a reader that has gone is the connection's business.
void Notify(const UniqueFd& fd) {
  if (!fd) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd.get(), &one, sizeof(one));
}

// The guest's side of the descriptor could stop reading; a notification must never block the queue.
UniqueFd MakeNonBlocking(UniqueFd fd) {
  if (fd) {
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags >= 0) fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
  }
  return fd;
}

// Without the broker nothing can be served, and the launcher ends us anyway: it watches both.
[[noreturn]] void EndProcess(Errno error) {
  if (error.value() == EBADMSG || error.value() == EMSGSIZE) {
    LOG(ERROR) << "the broker sent a message that makes no sense: " << error.Message();
  } else {
    VLOG(1) << "the broker is gone: " << error.Message();
    _exit(kExitWithoutBroker);
  }
  _exit(EXIT_FAILURE);
}

}  // namespace

QueueThread::QueueThread(FuseShared& shared, RpcChannel channel, EventFd wake, std::string name)
    : wake_(std::move(wake)),
      stop_patience_(shared.options.stop_patience),
      fuse_(shared, std::move(channel), wake_),
      peer_waiting_(shared.options.poll_budget),
      name_(std::move(name)),
      thread_([this] { Run(); }) {
  // Returns when the thread is in its loop: what a thread needs to start must not meet the seccomp
  // filter.
  SetError(UniqueFd());
}

QueueThread::~QueueThread() {
  commands_.Execute({.action = Action::kQuit, .ring = {}, .fd = {}});
  thread_.join();
}

void QueueThread::Start(Ring ring) {
  // Somebody else may read it too: what poll() has seen may be gone.
  ring.kick = MakeNonBlocking(std::move(ring.kick));
  commands_.Execute({.action = Action::kStart, .ring = std::move(ring), .fd = {}});
}

DeviceQueue::Ring QueueThread::Stop() {
  return commands_.Execute({.action = Action::kStop, .ring = {}, .fd = {}}).ring;
}

void QueueThread::SetEnabled(bool enabled) {
  commands_.Execute({.action = enabled ? Action::kEnable : Action::kDisable, .ring = {}, .fd = {}});
}

void QueueThread::SetMemory(std::shared_ptr<const MemoryTable> memory) {
  commands_.Execute(
      {.action = Action::kSetMemory, .ring = {}, .fd = {}, .memory = std::move(memory)});
}

void QueueThread::SetKick(UniqueFd kick) {
  commands_.Execute(
      {.action = Action::kSetKick, .ring = {}, .fd = MakeNonBlocking(std::move(kick))});
}

void QueueThread::SetCall(UniqueFd call) {
  commands_.Execute(
      {.action = Action::kSetCall, .ring = {}, .fd = MakeNonBlocking(std::move(call))});
}

void QueueThread::SetError(UniqueFd error) {
  commands_.Execute(
      {.action = Action::kSetError, .ring = {}, .fd = MakeNonBlocking(std::move(error))});
}

void QueueThread::EndSession() {
  commands_.Execute({.action = Action::kEndSession, .ring = {}, .fd = {}});
}

bool QueueThread::BeginCommand() {
  auto command = commands_.Take();
  if (!command) return true;
  current_ = *std::move(command);
  switch (current_->action) {
    case Action::kStart:
      ring_ = std::move(current_->ring);
      broken_reported_ = false;
      kick_ended_ = false;
      break;
    case Action::kStop:
      draining_ = true;
      patience_end_ = std::chrono::steady_clock::now() + stop_patience_;
      impatient_ = false;
      break;
    case Action::kEnable:
    case Action::kDisable:
      enabled_ = current_->action == Action::kEnable;
      break;
    case Action::kSetMemory:
      if (ring_.virtqueue != nullptr) ring_.virtqueue->UseMemory(std::move(current_->memory));
      break;
    case Action::kSetKick:
      if (ring_.virtqueue == nullptr) break;
      std::swap(ring_.kick, current_->fd);
      kick_ended_ = false;
      break;
    case Action::kSetCall:
      std::swap(call_, current_->fd);
      break;
    case Action::kSetError:
      std::swap(error_, current_->fd);
      break;
    case Action::kEndSession:
      fuse_.EndSession();
      break;
    case Action::kQuit:
      commands_.Finish(*std::move(current_));
      return false;
  }
  return true;
}

void QueueThread::EndCommand() {
  if (!current_) return;
  if (draining_ && !drained()) DrainFurther();
  if (draining_ && !drained()) return;
  if (current_->action == Action::kEndSession && !fuse_.session_ended()) return;
  draining_ = false;
  if (current_->action == Action::kStop) current_->ring = std::exchange(ring_, {});
  commands_.Finish(*std::exchange(current_, std::nullopt));
}

bool QueueThread::serving() const {
  return ring_.virtqueue != nullptr && enabled_ && !draining_ && !ring_.virtqueue->broken();
}

bool QueueThread::drained() const {
  return ring_.virtqueue == nullptr || ring_.virtqueue->in_flight() == 0;
}

void QueueThread::Run() {
  pthread_setname_np(pthread_self(), name_.c_str());
  fuse_.set_notify([this] { Notify(call_); });
  AskForShortSlices();
  WarmUpThread();
  while (BeginCommand()) {
    if (!Pass() && !LookAgain()) Wait();
  }
}

bool QueueThread::Pass() {
  const uint64_t before = fuse_.progress();
  TakeReplies();
  fuse_.TakeCompletions(ring_.virtqueue.get());
  const bool more = serving() && !fuse_.link().blocked() && fuse_.TakeRequests(*ring_.virtqueue);
  if (const ErrnoOrVoid flushed = fuse_.Flush(); !flushed.ok()) EndProcess(flushed.error());
  PublishUsed();
  ReportBroken();
  EndCommand();
  if (fuse_.progress() != before) peer_waiting_.Busy();
  return more;
}

bool QueueThread::LookAgain() {
  if (!fuse_.link().awaits_replies()) return peer_waiting_.AgainForOthers(fuse_.link().channel());
  return peer_waiting_.AgainForPeer(fuse_.link().channel());
}

void QueueThread::TakeReplies() {
  if (!fuse_.link().awaits_replies() && !channel_readable_) return;
  channel_readable_ = false;
  const ErrnoOrVoid taken = fuse_.TakeReplies(ring_.virtqueue.get());
  if (!taken.ok()) EndProcess(taken.error());
}

void QueueThread::PublishUsed() {
  if (ring_.virtqueue != nullptr && ring_.virtqueue->Publish()) Notify(call_);
}

void QueueThread::ReportBroken() {
  if (ring_.virtqueue == nullptr || !ring_.virtqueue->broken() || broken_reported_) return;
  broken_reported_ = true;
  // Once in the process's life: a guest that resets and breaks the ring again must not fill the
  // log.
  POSTERN_LOG_ONCE(ERROR) << "virtqueue " << name_
                          << " is broken: " << ring_.virtqueue->broken_reason()
                          << "; the queue is not served any more (said once)";
  Notify(error_);
}

void QueueThread::DrainFurther() {
  impatient_ = impatient_ || std::chrono::steady_clock::now() >= patience_end_;
  if (!impatient_) return;
  fuse_.AnswerAhead(*ring_.virtqueue);
  PublishUsed();
}

int QueueThread::WaitTime(bool ring_wanted) const {
  if (ring_wanted && !ring_.kick) return kPollMilliseconds;
  if (!draining_ || impatient_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience_end_ -
                                                                 std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void QueueThread::Wait() {
  const bool ring_wanted = serving() && !fuse_.link().blocked();
  if (ring_wanted && ring_.virtqueue->EnableNotification()) return;
  if (!fuse_.link().PrepareToSleep()) {
    channel_readable_ = true;
    return fuse_.link().Awake();
  }
  // The doorbell, which is wake_, tells of messages, those in the socket included.
  const short channel_events = fuse_.link().blocked() ? POLLOUT : 0;
  std::array<pollfd, 3> watched{{
      {wake_.fd(), POLLIN, 0},
      {fuse_.link().fd(), channel_events, 0},
      {ring_wanted && !kick_ended_ ? ring_.kick.get() : -1, POLLIN, 0},
  }};
  if (poll(watched.data(), watched.size(), WaitTime(ring_wanted)) < 0 && errno != EINTR) {
    LOG(FATAL) << "poll: " << Errno::Last().Message();
  }
  if (watched[0].revents != 0) wake_.Drain();
  fuse_.link().Awake();
  if (watched[1].revents != 0) {
    channel_readable_ = true;
    if ((watched[1].revents & (POLLHUP | POLLERR)) != 0) fuse_.link().PeerHasHungUp();
  }
  if (watched[2].revents != 0) TakeKick(watched[2].revents);
  if (ring_wanted) ring_.virtqueue->DisableNotification();
}

void QueueThread::TakeKick(short events) {
  uint64_t count = 0;
  const ssize_t taken = read(ring_.kick.get(), &count, sizeof(count));
  const bool nothing = taken < 0 && (errno == EAGAIN || errno == EINTR);
  // The end of a pipe, or no descriptor to read from: poll() would find it ready for ever. What is
  // in the ring is still served whenever the thread is awake.
  if (taken == 0 || (taken < 0 && !nothing) || (nothing && (events & POLLIN) == 0)) {
    kick_ended_ = true;
  }
}

}  // namespace postern
