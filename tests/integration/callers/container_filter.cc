// container-filter COMMAND…: executes a command under what the default seccomp profile of container
// runtimes refuses to a container without further capabilities: it answers EPERM, and ENOSYS for
// clone3(2), so that the C library falls back to clone(2).
#include <linux/sched.h>
#include <seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

constexpr unsigned kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
// Needs CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH or CAP_SYS_CHROOT there; keyrings to nobody; Landlock
// only in the profiles of the last years.
constexpr int kRefused[] = {
    SCMP_SYS(add_key),  SCMP_SYS(bpf),           SCMP_SYS(chroot),
    SCMP_SYS(fsconfig), SCMP_SYS(fsmount),       SCMP_SYS(fsopen),
    SCMP_SYS(fspick),   SCMP_SYS(keyctl),        SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(mount),    SCMP_SYS(mount_setattr), SCMP_SYS(move_mount),
    SCMP_SYS(setns),    SCMP_SYS(open_tree),     SCMP_SYS(open_by_handle_at),
    SCMP_SYS(umount2),  SCMP_SYS(pivot_root),    SCMP_SYS(request_key),
    SCMP_SYS(unshare),
};

bool Load() {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  // With the caller's own value: who has CAP_SYS_ADMIN loads it without no_new_privs.
  if (filter == nullptr) return false;
  if (geteuid() == 0) seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
  for (const int call : kRefused) {
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) != 0) return false;
  }
  for (unsigned bit = 1U << 7; bit != 0; bit <<= 1) {
    if ((kNewNamespaces & bit) == 0) continue;
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                         SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit)) != 0) {
      return false;
    }
  }
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
         seccomp_load(filter) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || !Load()) {
    std::fprintf(stderr, "container-filter: %s\n", argc < 2 ? "no command" : std::strerror(errno));
    return 127;
  }
  execv(argv[1], argv + 1);
  std::perror(argv[1]);
  return 127;
}
