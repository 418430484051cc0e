#include "sandbox/launcher/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "common/logging.h"

namespace postern {
namespace {

// From the request to the answer. Two forks and, for a plain user's maps, two small programs.
constexpr std::chrono::seconds kAnswerTimeout{30};

// Where everything else is closed.
constexpr int kRequests = 3;

constexpr std::byte kStartBoth{1};

// The answer. Its descriptors are broker's and worker's pidfd, control channel and log, in this
// order; none if they couldn't be started.
struct Started {
  pid_t broker;
  pid_t worker;
};
constexpr size_t kDescriptorsOfChild = 3;
constexpr size_t kDescriptors = 2 * kDescriptorsOfChild;

class Answer {
 public:
  explicit Answer(Children children)
      : started_{children.broker.process.pid(), children.worker.process.pid()} {
    Take(std::move(children.broker));
    Take(std::move(children.worker));
  }

  ErrnoOrVoid Send(Channel& requests) const {
    std::array<int, kDescriptors> descriptors;
    for (size_t i = 0; i < kDescriptors; ++i) descriptors[i] = descriptors_[i].get();
    return requests.Send(std::as_bytes(std::span(&started_, 1)), descriptors);
  }

 private:
  void Take(WatchedChild child) {
    ChildProcess::Parts parts = std::move(child.process).TakeParts();
    descriptors_.push_back(std::move(parts.pidfd));
    descriptors_.push_back(parts.control.TakeSocket());
    descriptors_.push_back(child.log.TakeReader());
  }

  const Started started_;
  std::vector<UniqueFd> descriptors_;
};

ErrnoOrVoid StartAndAnswer(const ChildrenPlan& plan, Channel& requests) {
  absl::StatusOr<Children> children = StartChildren(plan, ChildProcess::Parent::kCallersParent);
  if (children.ok()) return Answer(*std::move(children)).Send(requests);
  LOG(ERROR) << Text(children.status());
  const Started none{};
  return requests.Send(std::as_bytes(std::span(&none, 1)));
}

[[noreturn]] void Run(const ChildrenPlan& plan, const Channel& ours) {
  prctl(PR_SET_NAME, "postern-spawner");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // Nothing of the caller's stays open here, nor the socket's lock. The log's three remain.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || dup2(ours.fd(), kRequests) < 0 ||
      fcntl(kRequests, F_SETFD, FD_CLOEXEC) < 0 ||
      syscall(SYS_close_range, kRequests + 1, ~0U, 0) < 0 || chdir("/") < 0) {
    PLOG(ERROR) << "postern-spawner";
    _exit(1);
  }
  Channel requests{UniqueFd(kRequests)};
  while (true) {
    // An error, or anything else than the one request: posternd has gone.
    const auto request = requests.Receive(0);
    if (!request.ok() || request->bytes.size() != 1 || request->bytes.front() != kStartBoth ||
        !StartAndAnswer(plan, requests).ok()) {
      _exit(0);
    }
  }
}

WatchedChild Adopt(const char* name, pid_t pid, std::span<UniqueFd> descriptors) {
  return {LogRelay::Adopt(name, pid, std::move(descriptors[2])),
          ChildProcess({name, pid, std::move(descriptors[0]), Channel(std::move(descriptors[1]))})};
}

}  // namespace

absl::StatusOr<Spawner> Spawner::Start(const ChildrenPlan& plan) {
  auto channels = Channel::CreatePair();
  if (!channels.ok()) return ErrnoStatus("making the spawner's socket", channels.errno_value());
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus("starting the spawner");
  if (pid == 0) Run(plan, channels->second);
  return Spawner(pid, std::move(channels->first));
}

Spawner::Spawner(Spawner&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), requests_(std::move(other.requests_)) {}

Spawner::~Spawner() {
  if (pid_ < 0) return;
  requests_.TakeSocket().Reset();
  while (waitid(P_PID, static_cast<id_t>(pid_), nullptr, WEXITED) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<Children> Spawner::StartChildren() {
  const std::byte request = kStartBoth;
  const ErrnoOrVoid sent = requests_.Send(std::span(&request, 1), {}, Channel::Wait::kDontBlock);
  if (!sent.ok()) return ErrnoStatus("asking the spawner", sent.errno_value());
  pollfd answered{requests_.fd(), POLLIN, 0};
  int ready;
  do {
    ready = poll(&answered, 1, static_cast<int>(std::chrono::milliseconds(kAnswerTimeout).count()));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return ErrorStatus("the spawner doesn't answer");
  auto answer = requests_.Receive(kDescriptors, Channel::Wait::kDontBlock);
  if (!answer.ok()) return ErrnoStatus("the spawner", answer.errno_value());
  Started started{};
  if (answer->bytes.size() != sizeof(started) || answer->descriptors.size() != kDescriptors) {
    return ErrorStatus("broker and worker couldn't be started anew");
  }
  std::memcpy(&started, answer->bytes.data(), sizeof(started));
  const std::span<UniqueFd> descriptors(answer->descriptors);
  return Children{
      Adopt("postern-broker", started.broker, descriptors.first(kDescriptorsOfChild)),
      Adopt("postern-worker", started.worker, descriptors.subspan(kDescriptorsOfChild))};
}

}  // namespace postern
