#include "tests/vmm/daemon_process.h"

#include <absl/strings/str_cat.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "common/errno_or.h"

namespace postern::vmm {
namespace {

using Clock = std::chrono::steady_clock;

// How often a condition is looked at that no descriptor tells of.
constexpr int kPollMilliseconds = 2;

absl::Status Failed(const char* what) {
  return absl::InternalError(absl::StrCat(what, ": ", Errno::Last().Message()));
}

// Only async-signal-safe calls: the parent may have threads.
[[noreturn]] void RunChild(char* const* argv, int output, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // It ended before the line above.
  const int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) _exit(127);
  if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) _exit(127);
  execv(argv[0], argv);
  _exit(127);
}

// Processes of group `group`, those aside that only wait to be reaped.
std::vector<pid_t> LivingGroupMembers(pid_t group) {
  std::vector<pid_t> members;
  DIR* proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid <= 0 || getpgid(pid) != group) continue;
    if (StatusField(pid, "State").starts_with("Z")) continue;
    members.push_back(pid);
  }
  closedir(proc);
  return members;
}

}  // namespace

DaemonProcess::DaemonProcess(Options options, pid_t pid, UniqueFd pidfd)
    : options_(std::move(options)), pid_(pid), pidfd_(std::move(pidfd)) {}

absl::StatusOr<std::unique_ptr<DaemonProcess>> DaemonProcess::Start(const Options& options) {
  if (options.command.empty()) return absl::InvalidArgumentError("no command");
  std::vector<std::string> words = options.command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const UniqueFd output(
      open(options.stderr_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!output) return Failed(options.stderr_path.c_str());
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return Failed("fork");
  if (pid == 0) RunChild(argv.data(), output.get(), parent);
  setpgid(pid, pid);  // Here too, so that the group exists before Start() returns.
  // glibc 2.36 has pidfd_open(3) in no header that C++ can include everywhere; the call is
  // Linux 5.3's.
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return Failed("pidfd_open");
  return std::unique_ptr<DaemonProcess>(new DaemonProcess(options, pid, std::move(pidfd)));
}

DaemonProcess::~DaemonProcess() {
  killpg(pid_, SIGKILL);
  WaitForExit();
}

absl::StatusOr<UniqueFd> DaemonProcess::Connect(std::chrono::milliseconds limit) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options_.socket_path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("socket path too long");
  }
  std::memcpy(address.sun_path, options_.socket_path.data(), options_.socket_path.size());
  const auto deadline = Clock::now() + limit;
  while (true) {
    UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket_fd) return Failed("socket");
    // Safe because that is what connect(2) takes for AF_UNIX.
    if (connect(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
        0) {
      return socket_fd;
    }
    if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN) return Failed("connect");
    if (Clock::now() >= deadline) return absl::DeadlineExceededError("no socket: " + Output());
    pollfd exited{pidfd_.get(), POLLIN, 0};
    if (poll(&exited, 1, kPollMilliseconds) > 0) {
      return absl::UnavailableError("the daemon has exited: " + Output());
    }
  }
}

std::optional<int> DaemonProcess::WaitForExit(std::chrono::milliseconds limit) {
  if (exit_status_.has_value()) return exit_status_;
  pollfd exited{pidfd_.get(), POLLIN, 0};
  const auto deadline = Clock::now() + limit;
  int ready;
  do {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    ready = poll(&exited, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 600'000)));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_status_;
}

void DaemonProcess::Signal(int signal) const {
  syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

std::vector<ProcessInfo> DaemonProcess::Processes() const {
  std::vector<ProcessInfo> tree = ProcessTree(pid_);
  std::erase_if(tree, [](const ProcessInfo& info) { return info.state == 'Z'; });
  return tree;
}

pid_t DaemonProcess::ProcessNamed(std::string_view name) const {
  pid_t found = 0;
  for (const ProcessInfo& info : Processes()) {
    if (info.name != name) continue;
    if (found != 0) return 0;
    found = info.pid;
  }
  return found;
}

std::vector<pid_t> DaemonProcess::Leftovers(std::chrono::milliseconds limit) const {
  const auto deadline = Clock::now() + limit;
  while (true) {
    std::vector<pid_t> left = LivingGroupMembers(pid_);
    if (left.empty() || Clock::now() >= deadline) return left;
    poll(nullptr, 0, kPollMilliseconds);
  }
}

std::string DaemonProcess::Output() const {
  std::ifstream file(options_.stderr_path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool DaemonProcess::HasSaid(std::string_view text, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  bool last = false;
  for (;;) {
    if (Output().find(text) != std::string::npos) return true;
    if (last) return false;
    // Once more after that: what was written before the end is found.
    last = WaitForExit(std::chrono::milliseconds(kPollMilliseconds)).has_value() ||
           Clock::now() >= deadline;
  }
}

}  // namespace postern::vmm
