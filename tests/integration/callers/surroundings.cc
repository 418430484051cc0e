// surroundings [OPTION…] COMMAND…: executes a command as callers and containers do.
//
//   --init          as the first process of a pid namespace, with a mount namespace of its own
//   --proc=KIND     the same, and /proc is what containers make of it: "none", "read-only",
//                   "hidepid" (of others' processes nothing is seen), "masked" (a part lies under
//                   another mount, so that nobody in a user namespace may mount one of his own)
//   --ids=FIRST:COUNT  in a user namespace as its root: ids from 0 on are FIRST and those after it
//   --filter        under what the default seccomp profile of container runtimes refuses to a
//                   container without further capabilities, Landlock as older ones do: EPERM, and
//                   ENOSYS for clone3(2), so that the C library takes clone(2)
//
// An error is told on stderr, and gives status 127.
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr int kFailure = 127;

[[noreturn]] void Fail(const std::string& step) {
  std::fprintf(stderr, "surroundings: %s: %s\n", step.c_str(), std::strerror(errno));
  _exit(kFailure);
}
void Must(bool done, const std::string& step) {
  if (!done) Fail(step);
}

// The caller goes on in the child; this process ends as that does.
void BecomeInit() {
  Must(unshare(CLONE_NEWNS | CLONE_NEWPID) == 0, "namespaces");
  const pid_t child = fork();
  Must(child >= 0, "fork");
  if (child == 0) {
    Must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "parent-death signal");
    Must(mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) == 0, "propagation");
    Must(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0, "/proc");
    return;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) Must(errno == EINTR, "wait");
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void ChangeProc(std::string_view kind) {
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  int result = -1;
  if (kind == "none") result = mount("none", "/proc", "tmpfs", kFlags, nullptr);
  if (kind == "read-only") {
    result = mount(nullptr, "/proc", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kFlags, nullptr);
  }
  if (kind == "hidepid") result = mount("proc", "/proc", "proc", kFlags, "hidepid=2");
  if (kind == "masked") result = mount("none", "/proc/sys", "tmpfs", kFlags | MS_RDONLY, nullptr);
  Must(result == 0, "/proc: " + std::string(kind));
}

bool Write(const std::string& file, const std::string& text) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) >= 0;
  if (fd >= 0) close(fd);
  return written;
}

// The maps are written by a child that is outside, as more than one's own id can be only there.
void EnterUserNamespace(const std::string& range) {
  const size_t colon = range.find(':');
  const std::string map = "0 " + range.substr(0, colon) + " " + range.substr(colon + 1) + "\n";
  const std::string self = "/proc/" + std::to_string(getpid());
  int entered[2];
  Must(pipe2(entered, O_CLOEXEC) == 0, "pipe");
  const pid_t writer = fork();
  Must(writer >= 0, "fork");
  if (writer == 0) {
    close(entered[1]);
    char byte;
    Must(read(entered[0], &byte, 1) == 1, "the user namespace");
    if (geteuid() != 0) Must(Write(self + "/setgroups", "deny"), "setgroups");
    Must(Write(self + "/uid_map", map) && Write(self + "/gid_map", map), "id maps");
    _exit(0);
  }
  Must(unshare(CLONE_NEWUSER) == 0, "user namespace");
  Must(write(entered[1], "", 1) == 1, "pipe");
  int status = 0;
  Must(waitpid(writer, &status, 0) == writer, "wait");
  if (status != 0) _exit(kFailure);
  Must(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "becoming root of it");
}

constexpr int kRefused[] = {
    SCMP_SYS(add_key),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fspick),
    SCMP_SYS(keyctl),
    SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(mount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(pivot_root),
    SCMP_SYS(request_key),
    SCMP_SYS(setns),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
};
constexpr unsigned kNewNamespaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                       CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

// Whoever may load it without no_new_privs does so: a caller's no_new_privs is its own matter.
void LoadFilter() {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  bool added = filter != nullptr;
  for (const int call : kRefused) {
    added = added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) == 0;
  }
  for (const unsigned flag : kNewNamespaces) {
    added = added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                      SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)) == 0;
  }
  added = added && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
          seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0;
  Must(added, "a seccomp filter");
  Must(seccomp_load(filter) == 0, "loading a seccomp filter");
}

}  // namespace

int main(int argc, char** argv) {
  int word = 1;
  std::string proc;
  std::string ids;
  bool init = false;
  bool filter = false;
  for (; word < argc && std::string_view(argv[word]).starts_with("--"); ++word) {
    const std::string option = argv[word];
    if (option.starts_with("--proc=")) proc = option.substr(7);
    if (option.starts_with("--ids=")) ids = option.substr(6);
    if (option == "--init") init = true;
    if (option == "--filter") filter = true;
  }
  if (word == argc) Fail("no command");
  if (init || !proc.empty()) BecomeInit();
  if (!proc.empty()) ChangeProc(proc);
  if (!ids.empty()) EnterUserNamespace(ids);
  if (filter) LoadFilter();
  execv(argv[word], argv + word);
  Fail(argv[word]);
}
