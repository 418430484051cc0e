#include "sandbox/launcher/supervisor.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <utility>

#include "common/logging.h"
#include "common/status.h"
#include "proto/exit_status.h"
#include "sandbox/launcher/cgroups.h"

namespace postern {
namespace {

constexpr std::chrono::seconds kStartTimeout{30};
// From closing the control channel, or from being asked to end, to death.
constexpr std::chrono::seconds kEndTimeout{2};
// From the front end's hanging up to the end of what was under way.
constexpr std::chrono::seconds kFinishTimeout{2};
// From SIGKILL to death: a large guest's memory takes its time.
constexpr std::chrono::seconds kKillTimeout{5};

// Of those that end the service.
const char* SignalName(int signal) {
  switch (signal) {
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGINT";
  }
}

constexpr Outcome kFailure{1, 0};
constexpr Outcome kSuccess{0, 0};

}  // namespace

Supervisor::Supervisor(Children children, Endpoint& endpoint, UniqueFd signals, Spawner* spawner,
                       ServiceManager manager)
    : endpoint_(endpoint),
      signals_(std::move(signals)),
      spawner_(spawner),
      manager_(std::move(manager)) {
  Watch(std::move(children));
}

void Supervisor::Watch(Children children) {
  children_.clear();
  children_.push_back(Child{std::move(children.broker)});
  children_.push_back(Child{std::move(children.worker)});
}

Outcome Supervisor::Run() {
  while (true) {
    const Outcome outcome = Serve();
    const bool ends = spawner_ == nullptr || !outcome.IsSuccess();
    if (ends) SayEnding("Ending after an error, which the log tells");
    EndChildren();
    if (ends) return outcome;
    absl::StatusOr<Children> next = spawner_->StartChildren();
    if (!next.ok()) {
      LOG(ERROR) << Text(next.status());
      return kFailure;
    }
    Watch(*std::move(next));
  }
}

Outcome Supervisor::Serve() {
  state_ = State::kStarting;
  connection_.Reset();
  deadline_ = Clock::now() + kStartTimeout;
  std::optional<Outcome> outcome;
  while (!outcome) outcome = WaitAndHandle();
  return *outcome;
}

void Supervisor::EndChildren() {
  // Both first: where one is stuck in a system call, the other most likely is, too.
  for (const Child& child : children_) child.process.SendKill();
  const auto deadline = Clock::now() + kKillTimeout;
  for (Child& child : children_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    child.process.Kill(std::max(left, std::chrono::milliseconds(0)));
  }
}

std::optional<Outcome> Supervisor::WaitAndHandle() {
  // poll(2) passes over negative descriptors.
  pollfd events[9] = {{signals_.get(), POLLIN, 0}};
  for (size_t i = 0; i < children_.size(); ++i) {
    Child& child = children_[i];
    events[1 + i] = {child.control_open ? child.process.control().fd() : -1, POLLIN, 0};
    events[3 + i] = {child.process.pidfd(), POLLIN, 0};
  }
  events[5] = {state_ == State::kWaiting ? endpoint_.fd() : -1, POLLIN, 0};
  events[6] = {connection_.get(), POLLRDHUP, 0};
  for (size_t i = 0; i < children_.size(); ++i) events[7 + i] = {children_[i].log.fd(), POLLIN, 0};

  int timeout = -1;
  if (deadline_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
    timeout = static_cast<int>(std::max<int64_t>(left.count(), 0));
  }
  const int ready = poll(events, std::size(events), timeout);
  if (ready < 0) {
    if (errno == EINTR) return std::nullopt;
    PLOG(ERROR) << "poll";
    return kFailure;
  }
  if (ready == 0) return HandleTimeout();

  // In this order: what a child has said counts even if it is dead by now, and its log says why.
  for (size_t i = 0; i < children_.size(); ++i) {
    if (events[7 + i].revents != 0) children_[i].log.Read();
  }
  if (events[0].revents != 0) {
    if (auto outcome = HandleSignal()) return outcome;
  }
  for (size_t i = 0; i < children_.size(); ++i) {
    if (events[1 + i].revents == 0) continue;
    if (auto outcome = HandleMessage(children_[i])) return outcome;
  }
  for (size_t i = 0; i < children_.size(); ++i) {
    if (events[3 + i].revents == 0) continue;
    if (auto outcome = HandleDeath(children_[i])) return outcome;
  }
  if (events[5].revents != 0) return HandleConnection();
  if (events[6].revents != 0) HandleHangUp();
  return std::nullopt;
}

std::optional<Outcome> Supervisor::HandleSignal() {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  const int signal = static_cast<int>(info.ssi_signo);
  LOG(INFO) << "Ending on " << SignalName(signal);
  SayEnding(std::string("Ending on ") + SignalName(signal));
  return signal == SIGINT ? Outcome{1, SIGINT} : kFailure;
}

std::optional<Outcome> Supervisor::HandleMessage(Child& child) {
  config::ChildStatus status;
  const auto received =
      child.process.control().ReceiveMessage(status, 0, Channel::Wait::kDontBlock);
  if (received.ok()) return HandleState(child, status.state());
  if (received.error() == Errno(EAGAIN)) return std::nullopt;
  if (received.error() == Errno(ECONNRESET)) {
    // It is dying; how, its pidfd says.
    child.control_open = false;
    deadline_ = Clock::now() + kEndTimeout;
    return std::nullopt;
  }
  LOG(ERROR) << child.process.name() << " sent an impossible message";
  return kFailure;
}

std::optional<Outcome> Supervisor::HandleState(Child& child, config::ChildStatus::State state) {
  if (state == config::ChildStatus::STATE_READY && !child.ready) {
    child.ready = true;
    VLOG(1) << child.process.name() << " is ready";
    if (!children_[0].ready || !children_[1].ready) return std::nullopt;
    state_ = State::kWaiting;
    deadline_.reset();
    LOG(INFO) << "Waiting for vhost-user socket connection...";
    manager_.Ready("Waiting for a front end to connect");
    return std::nullopt;
  }
  if (state == config::ChildStatus::STATE_FRONT_END_GONE && IsWorker(child) &&
      state_ == State::kServing) {
    return FrontEndGone();
  }
  LOG(ERROR) << child.process.name() << " sent an impossible message";
  return kFailure;
}

std::optional<Outcome> Supervisor::HandleDeath(Child& child) {
  const std::optional<ProcessEnd> end = child.process.Reap();
  if (!end) return std::nullopt;
  child.log.Drain();
  if (state_ == State::kServing && IsWorker(child) && end->IsSuccess()) return FrontEndGone();
  if (IsWorker(child) && end->exit_status == kExitWithoutBroker &&
      children_[0].process.pidfd() >= 0) {
    // The broker is ending: to kill it now would keep it from saying why, or hide what killed it.
    deadline_ = Clock::now() + kEndTimeout;
    return std::nullopt;
  }
  // A child that fails at the start has said why.
  const bool explained = state_ == State::kStarting && end->exit_status.value_or(0) != 0;
  if (!explained) LOG(ERROR) << child.process.name() << " " << end->Text();
  return kFailure;
}

std::optional<Outcome> Supervisor::HandleConnection() {
  ErrnoOr<UniqueFd> connection = endpoint_.Accept();
  if (!connection.ok()) {
    if (connection.error() == Errno(EAGAIN)) return std::nullopt;
    LOG(ERROR) << "Can't accept the connection: " << connection.error().Message();
    return kFailure;
  }
  if (spawner_ == nullptr) endpoint_.StopListening();
  AdoptCgroups();
  config::ServeRequest request;
  request.set_serve(true);
  const int descriptors[] = {connection->get()};
  const ErrnoOrVoid sent =
      children_[1].process.control().SendMessage(request, descriptors, Channel::Wait::kDontBlock);
  if (!sent.ok()) {
    LOG(ERROR) << "Can't hand the connection to " << children_[1].process.name() << ": "
               << sent.error().Message();
    return kFailure;
  }
  state_ = State::kServing;
  connection_ = *std::move(connection);
  LOG(INFO) << "Client connected, servicing requests";
  manager_.Status("Serving a front end");
  return std::nullopt;
}

// The worker sees it as well, and says so when nothing is under way any more.
void Supervisor::HandleHangUp() {
  connection_.Reset();
  deadline_ = Clock::now() + kFinishTimeout;
}

Outcome Supervisor::HandleTimeout() {
  for (const Child& child : children_) {
    if (child.process.pidfd() < 0) {
      LOG(ERROR) << child.process.name() << " ended for want of the other, which goes on running";
    } else if (!child.control_open) {
      LOG(ERROR) << child.process.name() << " has closed its control channel and goes on running";
    } else if (!child.ready) {
      LOG(ERROR) << child.process.name() << " isn't ready after " << kStartTimeout.count()
                 << " seconds";
    }
  }
  if (state_ == State::kServing && children_[0].control_open && children_[1].control_open) {
    LOG(WARNING) << "Requests of the client aren't done " << kFinishTimeout.count()
                 << " seconds after it disconnected";
    return kSuccess;
  }
  return kFailure;
}

Outcome Supervisor::FrontEndGone() {
  LOG(INFO) << "Client disconnected, "
            << (spawner_ == nullptr ? "shutting down" : "making ready for the next one");
  if (spawner_ == nullptr) SayEnding("Ending: the front end has disconnected");
  // The end of its control channel ends a child by itself.
  for (Child& child : children_) child.process.control().TakeSocket().Reset();
  const auto deadline = Clock::now() + kEndTimeout;
  for (Child& child : children_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    child.process.WaitFor(std::max(left, std::chrono::milliseconds(0)));
    child.process.Reap();
  }
  return kSuccess;
}

void Supervisor::SayEnding(const std::string& why) {
  if (!std::exchange(said_ending_, true)) manager_.Stopping(why);
}

void Supervisor::AdoptCgroups() {
  const auto adopt = [](pid_t pid, const std::string& name) {
    const absl::Status moved = MoveIntoOwnCgroups(pid);
    if (!moved.ok()) {
      LOG(WARNING) << "Can't move " << name << " into posternd's control group: " << Text(moved);
    }
    return moved.ok();
  };
  for (const Child& child : children_) {
    if (!adopt(child.process.pid(), child.process.name())) return;
  }
  if (spawner_ != nullptr) adopt(spawner_->pid(), "postern-spawner");
}

}  // namespace postern
