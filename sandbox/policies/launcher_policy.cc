#include <fcntl.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <iterator>

#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

using enum RowUse;

// One thread, which watches two processes and takes one connection. Nothing of RuntimePolicy()
// that is for threads.
constexpr SeccompRow kLauncher[] = {
    // Memory, locks, log lines, signals.
    {SCMP_SYS(brk), "allocator", kRare},
    {SCMP_SYS(mmap), Is32(2, PROT_READ | PROT_WRITE), Is32(3, MAP_PRIVATE | MAP_ANONYMOUS),
     "allocator: large blocks", kRare},
    {SCMP_SYS(munmap), "allocator: large blocks", kRare},
    {SCMP_SYS(madvise), Is32(2, MADV_HUGEPAGE),
     "allocator: the heap grows (glibc 2.43 on aarch64; elsewhere where the caller has it tuned "
     "so)",
     kElsewhere},
    {SCMP_SYS(futex), Is32(1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG), "what is initialized once", kRare},
    {SCMP_SYS(clock_gettime), "log lines; deadlines", kElsewhere},
    {SCMP_SYS(gettimeofday), "log lines", kElsewhere},
    {SCMP_SYS(gettid), "dying by SIGINT; abort", kRare},
    {SCMP_SYS(getpid), "dying by SIGINT; abort", kRare},
    {SCMP_SYS(rt_sigaction), Is32(0, SIGINT), "dying by SIGINT", kRare},
    {SCMP_SYS(rt_sigprocmask), "dying by SIGINT; abort", kRare},
    {SCMP_SYS(restart_syscall), "a wait with a time-out, after a stop and continue", kRare},
// Watching the children and the socket.
#ifdef __NR_poll
    {SCMP_SYS(poll), "waiting"},
#else
    {SCMP_SYS(ppoll), "waiting"},
#endif
    {SCMP_SYS(accept4), Is32(3, SOCK_CLOEXEC), "the front end"},
    {SCMP_SYS(recvmsg), Without32(2, ~uint32_t{MSG_CMSG_CLOEXEC | MSG_DONTWAIT}),
     "what the children say"},
    {SCMP_SYS(sendmsg), Without32(2, ~uint32_t{MSG_NOSIGNAL | MSG_DONTWAIT}),
     "handing over the connection; the sweeper's end; the service manager"},
    {SCMP_SYS(waitid), "how a child has ended"},
    {SCMP_SYS(pidfd_send_signal), Is32(1, SIGKILL), "the end of children that don't end", kRare},
    // Control groups: the children follow posternd.
    {SCMP_SYS(openat), Without32(2, O_CREAT | O_TRUNC),
     "/proc/self/cgroup; cgroup.procs. It makes no file"},
    {SCMP_SYS(read), "/proc/self/cgroup; signals; the children's log lines"},
    {SCMP_SYS(write), "cgroup.procs; log lines"},
    {SCMP_SYS(close), "every descriptor's end"},
    // The end.
    {SCMP_SYS(newfstatat), Is32(3, AT_SYMLINK_NOFOLLOW),
     "whether socket and pid file are still our own"},
    {SCMP_SYS(unlinkat), Is32(2, 0), "removing socket and pid file"},
    {SCMP_SYS(exit_group), "the end"},
};

}  // namespace

SeccompPolicy LauncherPolicy() {
  const SeccompRow own_signals[] = {{SCMP_SYS(tgkill), Is32(0, static_cast<uint32_t>(getpid())),
                                     "dying by SIGINT; abort; no other process", kRare}};
  return Join({kLauncher, own_signals, SanitizerPolicy()});
}

}  // namespace postern
