#include "sandbox/jail/hardening.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>

#include "common/sanitized.h"
#include "common/unique_fd.h"
#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/namespaces.h"

namespace postern {
namespace {

bool UserNamespaceForbidsSetgroups() {
  const UniqueFd file(open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC));
  char text[16];
  const ssize_t size = read(file.get(), text, sizeof(text));
  return size > 0 && std::string_view(text, static_cast<size_t>(size)).starts_with("deny");
}

// The directory of a process that has ended can't be opened (newer kernels), or is found to be
// empty.
bool RootIsEmpty() {
  const UniqueFd root(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  char entries[1024];
  return !root || syscall(SYS_getdents64, root.get(), entries, sizeof(entries)) <= 0;
}

// `resource` is an enumeration of glibc's, and an int elsewhere.
template <typename Resource>
absl::Status SetLimitToZero(Resource resource, const std::string& step) {
  const rlimit zero{0, 0};
  if (setrlimit(resource, &zero) < 0) return ErrnoStatus(step);
  return absl::OkStatus();
}

}  // namespace

absl::Status DropSupplementaryGroups() {
  if (getgroups(0, nullptr) == 0) return absl::OkStatus();
  if (setgroups(0, nullptr) == 0) return absl::OkStatus();
  const int error = errno;
  if (error == EPERM && UserNamespaceForbidsSetgroups()) return absl::OkStatus();
  // A plain user, or a container's root who can drop them no more than one.
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  if (error == EPERM && !state.effective.Contains(CAP_SETGID)) return absl::OkStatus();
  return ErrnoStatus("dropping the supplementary groups", error);
}

absl::Status SwitchUser(uid_t uid, gid_t gid) {
  if (setresgid(gid, gid, gid) < 0) return ErrnoStatus("switching to gid " + std::to_string(gid));
  if (setresuid(uid, uid, uid) < 0) return ErrnoStatus("switching to uid " + std::to_string(uid));
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0) {
    return ErrnoStatus("reading the user back");
  }
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != uid || gids[i] != gid) return ErrorStatus("the user isn't what was set");
  }
  return absl::OkStatus();
}

absl::Status LeaveSessionKeyring() {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return absl::OkStatus();
  // No keyrings in this kernel, or a container's filter forbids all use of them.
  if (errno == ENOSYS || errno == EPERM) return absl::OkStatus();
  return ErrnoStatus("leaving the session keyring");
}

absl::Status ForbidNewPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return ErrnoStatus("setting no_new_privs");
  return absl::OkStatus();
}

absl::Status ForbidInspection() {
  POSTERN_TRY(SetLimitToZero(RLIMIT_CORE, "forbidding core dumps"));
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return ErrnoStatus("forbidding inspection");
  return absl::OkStatus();
}

absl::Status ForbidProcesses() {
  if (kSanitized) return absl::OkStatus();  // A sanitizer's report may start a symbolizer.
  return SetLimitToZero(RLIMIT_NPROC, "forbidding new processes");
}

absl::Status LimitMemory(uint64_t bytes) {
  if (kSanitized) return absl::OkStatus();  // Shadow memory is many times what is used.
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) < 0) return ErrnoStatus("reading the limit of memory");
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, bytes);
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(RLIMIT_DATA, &limit) < 0) return ErrnoStatus("limiting memory");
  return absl::OkStatus();
}

absl::Status DieWithPeer(int control) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
    return ErrnoStatus("setting the parent-death signal");
  }
  // The parent may have died before that. getppid(2) can't tell in a pid namespace of one's own.
  pollfd peer{control, POLLIN, 0};
  if (poll(&peer, 1, 0) < 0) return ErrnoStatus("looking at the control channel");
  if (peer.revents & (POLLHUP | POLLERR | POLLNVAL)) return ErrorStatus("posternd has gone");
  return absl::OkStatus();
}

absl::Status ChangeRootToNowhere() {
  // Shares root and working directory with its parent, but not memory.
  const ErrnoOr<pid_t> pid = Fork(CLONE_FS, nullptr);
  if (!pid.ok()) return ErrnoStatus("starting a helper for chroot", pid.errno_value());
  if (*pid == 0) {
    const bool entered = chroot("/proc/self/fdinfo") == 0 && chdir("/") == 0;
    _exit(entered ? 0 : errno);
  }
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoStatus("waiting for the chroot helper");
  }
  if (!WIFEXITED(status)) return ErrorStatus("the chroot helper died");
  if (WEXITSTATUS(status) != 0) return ErrnoStatus("chroot", WEXITSTATUS(status));
  if (!RootIsEmpty()) return ErrorStatus("the new root isn't empty");
  return absl::OkStatus();
}

}  // namespace postern
