#include "sandbox/jail/namespaces.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

namespace postern {
uint64_t JailNamespaces(bool user_namespace) {
  uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  // Depends on the kernel's configuration; everything else is demanded.
  if (access("/proc/self/ns/cgroup", F_OK) == 0) flags |= CLONE_NEWCGROUP;
  if (user_namespace) flags |= CLONE_NEWUSER;
  return flags;
}

ErrnoOr<pid_t> Fork(uint64_t flags, UniqueFd* pidfd) {
  int descriptor = -1;
  flags |= SIGCHLD;
  if (pidfd != nullptr) flags |= CLONE_PIDFD;
#if defined(__s390x__) || defined(__CRIS__)
  const long pid = syscall(SYS_clone, nullptr, flags, &descriptor, nullptr, nullptr);
#else
  const long pid = syscall(SYS_clone, flags, nullptr, &descriptor, nullptr, nullptr);
#endif
  if (pid < 0) return Errno::Last();
  if (pid > 0 && pidfd != nullptr) pidfd->Reset(descriptor);
  return static_cast<pid_t>(pid);
}

bool IsMapped(std::string_view map, uint32_t id) {
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(map.data(), map.size()), '\n', absl::SkipWhitespace())) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint32_t inside = 0;
    uint32_t count = 0;
    if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &inside) ||
        !absl::SimpleAtoi(fields[2], &count)) {
      return false;
    }
    if (id >= inside && id - inside < count) return true;
  }
  return false;
}

}  // namespace postern
