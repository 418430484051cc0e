#include "sandbox/launcher/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "common/logging.h"
#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/namespaces.h"
#include "sandbox/launcher/security_level.h"

namespace postern {
namespace {

// The worker's memory is the guest's once it is broken into: nothing of the caller's environment
// goes there but what the C library and the sanitizers read.
constexpr const char* kEnvironment[] = {"TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"};

std::vector<std::string> ChildEnvironment() {
  std::vector<std::string> environment;
  for (const char* name : kEnvironment) {
    const char* value = std::getenv(name);
    if (value != nullptr) environment.push_back(std::string(name) + "=" + value);
  }
  // glog looks up the user's name unless it is here, in files that nobody else needs.
  environment.emplace_back("USER=postern");
  // glibc's allocator would ask for huge pages behind the filter, which has no row for it (2.43
  // does so by default on some processors).
  environment.emplace_back("GLIBC_TUNABLES=glibc.malloc.hugetlb=0");
  return environment;
}

void ResetSignals() {
  // SIGXFSZ: a file size limit is an error for the guest, not the end of the service.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ}) {
    std::signal(signal, SIG_IGN);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

struct Program {
  std::string path;
  std::string name;
  std::vector<std::string> environment;
  std::optional<IdMaps> user_namespace;
  std::optional<std::string> context;
  int log;
};

// A failure isn't an end: the process is then somebody else in its user namespace.
void BecomeRoot(const IdMaps& maps) {
  if (!IsMappedInside(maps.uids, 0) && !IsMappedInside(maps.gids, 0)) return;
  if (setresgid(0, 0, 0) < 0) PLOG(WARNING) << "Can't become group 0 of the user namespace";
  if (setresuid(0, 0, 0) < 0) PLOG(WARNING) << "Can't become user 0 of the user namespace";
}

// Between fork and exec. Allocating is safe here: the launcher has one thread.
absl::Status BecomeProgram(const Program& program, int control, int gate) {
  // The launcher opens the gate when the id maps are written. Until then this process is nobody.
  char opened = 0;
  if (read(gate, &opened, 1) != 1) _exit(1);
  // From here on this process's lines are its own. The caller's log isn't a jailed process's to
  // cut, nor the caller's terminal to read.
  if (program.log >= 0 && dup2(program.log, STDERR_FILENO) < 0) return ErrnoStatus("log");
  LogToLauncher();
  if (program.user_namespace) {
    BecomeRoot(*program.user_namespace);
    POSTERN_TRY(KeepCapabilitiesAcrossExec());
  }
  // Early; the jail sets it again after its last change of credentials.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return ErrnoStatus("parent-death signal");
  ResetSignals();
  if (control == kControlDescriptor) {
    if (fcntl(control, F_SETFD, 0) < 0) return ErrnoStatus("control channel");
  } else if (dup2(control, kControlDescriptor) < 0) {
    return ErrnoStatus("control channel");
  }
  // Nothing is shared with the caller.
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (dup2(null.get(), STDIN_FILENO) < 0 || dup2(null.get(), STDOUT_FILENO) < 0) {
    return ErrnoStatus("/dev/null");
  }
  // The caller's own descriptors included: what it passes on to posternd isn't meant for these two.
  // Linux 5.9.
  if (syscall(SYS_close_range, kControlDescriptor + 1, ~0U, 0) < 0)
    return ErrnoStatus("closing descriptors");

  std::string name = program.name;
  char* arguments[] = {name.data(), nullptr};
  std::vector<std::string> variables = program.environment;
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  if (program.context) POSTERN_TRY(SetContextOfExec(*program.context));
  execve(program.path.c_str(), arguments, environment.data());
  return ErrnoStatus("executing " + program.path +
                     (program.context ? " as " + *program.context : ""));
}

absl::Status NamespaceStatus(const std::string& name, Errno error) {
  const absl::Status status = ErrnoStatus(
      "can't start " + name + " in namespaces of its own (--sandbox=namespace)", error.value());
  if (error == Errno(ENOSPC) || error == Errno(EUSERS)) {
    return WithAdvice(status,
                      "raise the limits of namespaces: sysctl user.max_user_namespaces "
                      "and its like");
  }
  if (error != Errno(EPERM)) return status;
  if (geteuid() == 0) {
    return WithAdvice(status,
                      "a container's root needs CAP_SYS_ADMIN for it, and no seccomp "
                      "profile may forbid it: allow both, or use --sandbox=chroot or "
                      "--sandbox=none");
  }
  return WithAdvice(
      status,
      "plain users are kept from making user namespaces here: by the host (sysctl "
      "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, "
      "user.max_user_namespaces), by a container's seccomp profile, or by a chroot; "
      "allow it, run posternd as root, or use --sandbox=none");
}

}  // namespace

std::string ProcessEnd::Text() const {
  if (exit_status) return "exited with status " + std::to_string(*exit_status);
  std::string text = "was killed by signal " + std::to_string(signal);
  const char* description = strsignal(signal);  // One thread: the text may be a buffer's.
  if (description != nullptr) text += " (" + std::string(description) + ")";
  return text;
}

absl::StatusOr<ChildProcess> ChildProcess::Start(const Settings& settings) {
  auto channels = Channel::CreatePair();
  if (!channels.ok()) return ErrnoStatus("making a control channel", channels.errno_value());
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) < 0) return ErrnoStatus("making a pipe");
  const UniqueFd gate_read(gate[0]);
  UniqueFd gate_write(gate[1]);
  const Program program{settings.executable,     settings.name,    ChildEnvironment(),
                        settings.user_namespace, settings.context, settings.log};

  UniqueFd pidfd;
  const uint64_t namespaces =
      settings.own_namespaces ? JailNamespaces(settings.user_namespace.has_value()) : 0;
  const uint64_t parent = settings.parent == Parent::kCallersParent ? CLONE_PARENT : 0;
  const ErrnoOr<pid_t> pid = Fork(namespaces | parent, &pidfd);
  if (!pid.ok()) {
    if (settings.own_namespaces) return NamespaceStatus(settings.name, pid.error());
    return ErrnoStatus("can't start " + settings.name, pid.errno_value());
  }
  if (*pid == 0) {
    gate_write.Reset();  // Else the end of the launcher would go unnoticed.
    const absl::Status error = BecomeProgram(program, channels->second.fd(), gate_read.get());
    LOG(ERROR) << Text(error);
    _exit(127);
  }
  ChildProcess child({settings.name, *pid, std::move(pidfd), std::move(channels->first)});
  if (settings.user_namespace) POSTERN_TRY(WriteIdMaps(*pid, *settings.user_namespace));
  if (write(gate_write.get(), "", 1) != 1) return ErrnoStatus("can't start " + settings.name);
  return child;
}

ChildProcess::ChildProcess(Parts parts)
    : name_(std::move(parts.name)),
      pid_(parts.pid),
      pidfd_(std::move(parts.pidfd)),
      control_(std::move(parts.control)) {}

ChildProcess::Parts ChildProcess::TakeParts() && {
  return {std::move(name_), pid_, std::move(pidfd_), std::move(control_)};
}

ChildProcess::~ChildProcess() {
  if (pidfd_) Kill();
}

std::optional<ProcessEnd> ChildProcess::Reap() {
  siginfo_t info{};
  if (!pidfd_ || waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) < 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  pidfd_.Reset();
  ProcessEnd end;
  if (info.si_code == CLD_EXITED) {
    end.exit_status = info.si_status;
  } else {
    end.signal = info.si_status;
  }
  return end;
}

bool ChildProcess::WaitFor(std::chrono::milliseconds timeout) const {
  pollfd ended{pidfd_.get(), POLLIN, 0};
  int result;
  do {
    result = poll(&ended, 1, static_cast<int>(timeout.count()));
  } while (result < 0 && errno == EINTR);
  return result > 0;
}

void ChildProcess::SendKill() const {
  if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void ChildProcess::Kill(std::chrono::milliseconds timeout) {
  if (!pidfd_) return;
  SendKill();
  if (!WaitFor(timeout)) {
    LOG(WARNING) << name_ << " (" << pid_ << ") is stuck in a system call; it was killed";
    pidfd_.Reset();
    return;
  }
  Reap();
}

}  // namespace postern
