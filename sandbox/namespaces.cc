#include "sandbox/namespaces.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

namespace postern {
namespace {

// Each of these files takes exactly one write(2).
absl::Status WriteOnce(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return ErrnoStatus("opening " + path);
  const ssize_t written = write(file.get(), text.data(), text.size());
  if (written < 0) return ErrnoStatus("writing " + path);
  if (static_cast<size_t>(written) != text.size()) return ErrorStatus("writing " + path + ": cut");
  return absl::OkStatus();
}

}  // namespace

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

absl::Status MapOwnIds(pid_t pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  const std::string uid = std::to_string(geteuid());
  const std::string gid = std::to_string(getegid());
  POSTERN_TRY(WriteOnce(directory + "/uid_map", uid + " " + uid + " 1\n"));
  // Linux 3.19: a gid map without CAP_SETGID is allowed only after this, or groups that deny access
  // could be left.
  POSTERN_TRY(WriteOnce(directory + "/setgroups", "deny"));
  return WriteOnce(directory + "/gid_map", gid + " " + gid + " 1\n");
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
