// Stands in for postern-broker in the launcher's tests: goes through its start, its jail and its
// end, and looks around from inside in between. Names in the shared directory tell it to misbehave.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>

#include "common/logging.h"
#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/jail.h"
#include "sandbox/jail/namespaces.h"
#include "tests/integration/launcher/look_around.h"

namespace postern {
namespace {

constexpr uid_t kOtherUser = 12345;

bool Exists(const BrokerJail& jail, const char* name) {
  return faccessat(jail.root.get(), name, F_OK, 0) == 0;
}

// What the broker's operations rest on, from a thread that acts for another user. Empty if all is
// well.
std::string Probe(const BrokerJail& jail, bool switch_user) {
  // Raw, as only this thread's ids may change: the main thread's parent-death signal would be lost.
  if (switch_user && syscall(SYS_setresuid, -1, kOtherUser, -1) != 0) return "switching the user";
  const UniqueFd share(openat(jail.root.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!share) return "opening the share";
  const std::string number = std::to_string(share.get());
  const UniqueFd reopened(
      openat(jail.proc_self_fd.get(), number.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!reopened) return "reopening a descriptor through /proc/self/fd";
  if (switch_user && syscall(SYS_setresuid, -1, 0, -1) != 0) return "switching back";
  return "";
}

// What becomes of an attempt to make a file in the share.
std::string MakeFile(const BrokerJail& jail) {
  const std::string root = std::to_string(jail.root.get());
  const UniqueFd share(
      openat(jail.proc_self_fd.get(), root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd file(openat(share.get(), "made", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  return file ? "it was made" : Errno::Last().Message();
}

// What becomes of an attempt to open one of the host's files, which anybody may read.
std::string OpenOutside() {
  const UniqueFd file(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  return file ? "it was opened" : Errno::Last().Message();
}

// Whether ".." of the descriptor directory leads anywhere.
bool HasParent(const BrokerJail& jail) {
  struct stat own;
  struct stat parent;
  return fstatat(jail.proc_self_fd.get(), ".", &own, 0) != 0 ||
         fstatat(jail.proc_self_fd.get(), "..", &parent, 0) != 0 || own.st_ino != parent.st_ino;
}

// Whether this process may act for other users, and this one exists in its user namespace.
bool MaySwitchUser() {
  std::ifstream map("/proc/self/uid_map");
  const std::string text(std::istreambuf_iterator<char>(map), {});
  const auto capabilities = CurrentCapabilities();
  return geteuid() == 0 && capabilities.ok() && capabilities->effective.Contains(CAP_SETUID) &&
         IsMapped(text, kOtherUser);
}

int Run() {
  absl::StatusOr<BrokerStart> start = ReceiveBrokerStart("stand-in-broker");
  if (!start.ok()) {
    LOG(ERROR) << Text(start.status());
    return 1;
  }
  const config::BrokerConfig& config = start->config;
  // While there is a /proc. Who makes nothing switches to nobody.
  const bool switch_user = MaySwitchUser() && !config.readonly();
  const bool privileged = HasSetpcap();
  absl::StatusOr<BrokerJail> jail = EnterBrokerJail(config);
  if (!jail.ok()) {
    LOG(ERROR) << Text(jail.status());
    return 1;
  }
  if (const std::string wrong = LookAroundTheBrokersJail(privileged); !wrong.empty()) {
    LOG(ERROR) << "broker's look around: " << wrong;
    return 1;
  }
  LOG(INFO) << "broker's look around: as it should be";
  if (Exists(*jail, "fail-after-the-worker")) {
    pollfd worker{start->channels.front().fd(), POLLRDHUP, 0};
    poll(&worker, 1, -1);
    // So long a launcher would have that kills who hasn't spoken yet.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    LOG(ERROR) << "failing after the worker";
    return 1;
  }
  if (Exists(*jail, "fail-at-start")) {
    LOG(ERROR) << "failing at the start";
    return 3;
  }
  const bool is_namespace = config.common().sandbox() == config::SANDBOX_MODE_NAMESPACE;
  if (is_namespace && HasParent(*jail)) {
    LOG(ERROR) << "/proc/self/fd has a parent";
    return 1;
  }
  if (config.readonly()) LOG(INFO) << "making a file: " << MakeFile(*jail);
  if (config.common().sandbox() == config::SANDBOX_MODE_NONE) {
    LOG(INFO) << "opening a file outside the share: " << OpenOutside();
  }
  // A thread of before the filter, which lives as long as the process, as the broker's do.
  auto& ends = *new auto(Channel::CreatePair());
  if (!ends.ok()) return 1;
  std::string problem;
  std::thread thread([&, channel = std::move(ends->first)]() mutable {
    config::ServeRequest message;
    message.set_serve(true);  // An empty message can't be sent.
    while (channel.SendMessage(message).ok() && channel.ReceiveMessage(message, 0).ok()) {
      problem = Probe(*jail, switch_user);
    }
  });
  thread.detach();
  config::ServeRequest message;
  message.set_serve(true);
  const auto exchange = [&] { return ends->second.ReceiveMessage(message, 0).ok(); };
  if (!exchange()) return 1;  // It runs.
  if (absl::Status sealed = SealBroker(config); !sealed.ok()) {
    LOG(ERROR) << Text(sealed);
    return 1;
  }
  if (!ends->second.SendMessage(message).ok() || !exchange()) return 1;
  if (!problem.empty()) {
    LOG(ERROR) << "in the jail: " << problem;
    return 1;
  }
  if (!ReportState(start->control, config::ChildStatus::STATE_READY).ok()) return 1;
  while (start->control.Receive(0).ok()) {
  }
  return 0;
}

}  // namespace
}  // namespace postern

// Not by way of exit(3): the thread still runs.
int main() { _exit(postern::Run()); }
