#include <fcntl.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iterator>

#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

using enum RowUse;

constexpr uint32_t kReadWrite = PROT_READ | PROT_WRITE;
constexpr uint32_t kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
// The operation of futex(2) without its two flags. Those on priority-inheriting locks, which have
// let processes out of filters before, are in no row.
constexpr ArgumentCondition Futex(uint32_t operation) {
  return Masked32(1, ~uint32_t{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME}, operation);
}

constexpr SeccompRow kRuntime[] = {
    // Memory.
    {SCMP_SYS(brk), "allocator: the main thread's heap", kRare},
    {SCMP_SYS(mmap), Is32(2, kReadWrite), Is32(3, kPrivate), "allocator: large blocks", kRare},
    // glibc before 2.41 adds MAP_NORESERVE.
    {SCMP_SYS(mmap), Is32(2, PROT_NONE), Masked32(3, ~uint32_t{MAP_NORESERVE}, kPrivate),
     "allocator: room for one more heap", kRare},
    {SCMP_SYS(mprotect), Is32(2, kReadWrite), "allocator: a heap grows", kRare},
    {SCMP_SYS(munmap), "allocator: large blocks; guest memory", kRare},
    // Threads that exist.
    {SCMP_SYS(futex), Futex(FUTEX_WAIT), "mutexes; condition variables", kRare},
    {SCMP_SYS(futex), Futex(FUTEX_WAKE), "mutexes; condition variables", kRare},
    {SCMP_SYS(futex), Futex(FUTEX_WAIT_BITSET), "waits with a time-out", kRare},
    {SCMP_SYS(sched_yield), "absl::Mutex, before a lock sleeps; waiting for work awake", kRare},
#ifdef __GLIBC__
    {SCMP_SYS(clock_nanosleep), "absl::Mutex, before a lock sleeps", kRare},
#else
    {SCMP_SYS(nanosleep), "absl::Mutex, before a lock sleeps", kRare},
#endif
    {SCMP_SYS(gettid), "abort", kRare},
    // Time, where the vDSO asks the kernel: the host's clock source isn't its processor's.
    {SCMP_SYS(clock_gettime), "log lines; polling", kElsewhere},
    {SCMP_SYS(gettimeofday), "log lines", kElsewhere},
    // Where neither glibc (2.35, by rseq) nor the vDSO (not on arm64) knows.
    {SCMP_SYS(getcpu), "telling the other side of a channel which processor one runs on",
     kElsewhere},
    // Signals.
    {SCMP_SYS(getpid), "abort", kRare},
    {SCMP_SYS(rt_sigprocmask), "absl::Mutex, before a lock sleeps; abort", kRare},
    {SCMP_SYS(restart_syscall), "a wait with a time-out, after a stop and continue", kRare},
    // Descriptors.
    {SCMP_SYS(close), "every descriptor's end"},
    {SCMP_SYS(write), "event descriptors; log lines", kRare},
    // A connected socket: none can be made, and no message out of band sent, which has let
    // processes out of filters before.
    {SCMP_SYS(recvmsg), Without32(2, ~uint32_t{MSG_CMSG_CLOEXEC | MSG_DONTWAIT}),
     "messages, with descriptors"},
    {SCMP_SYS(sendmsg), Without32(2, ~uint32_t{MSG_NOSIGNAL | MSG_DONTWAIT}),
     "messages, with descriptors"},
    {SCMP_SYS(exit_group), "the end"},
};

#ifdef POSTERN_SANITIZED
// Sanitizers look around when they report, keep their own signal stacks and shadow memory, and
// stand in the way of each thread's begin and end.
constexpr SeccompRow kSanitizers[] = {
    {SCMP_SYS(mmap), "sanitizer: shadow memory, unwinding", kRare},
    {SCMP_SYS(mprotect), "sanitizer: shadow memory", kRare},
    {SCMP_SYS(munmap), "sanitizer: its allocator", kRare},
    {SCMP_SYS(mremap), "sanitizer: its allocator", kRare},
    {SCMP_SYS(brk), "sanitizer: its allocator", kRare},
    {SCMP_SYS(madvise), "sanitizer: giving shadow memory back", kRare},
    {SCMP_SYS(futex), "sanitizer: its own locks", kRare},
    {SCMP_SYS(exit), "sanitizer: its own threads", kRare},
    {SCMP_SYS(set_robust_list), "sanitizer: its own threads", kRare},
    {SCMP_SYS(rseq), "sanitizer: its own threads", kRare},
    {SCMP_SYS(sched_getaffinity), "sanitizer: its allocator", kRare},
    {SCMP_SYS(getrandom), "sanitizer: its allocator", kRare},
    {SCMP_SYS(clock_gettime), "sanitizer: its allocator, reports", kRare},
    {SCMP_SYS(nanosleep), "sanitizer: spinning", kRare},
    {SCMP_SYS(clock_nanosleep), "sanitizer: spinning", kRare},
    {SCMP_SYS(sched_yield), "sanitizer: spinning", kRare},
    {SCMP_SYS(gettid), "sanitizer: reports", kRare},
    {SCMP_SYS(getpid), "sanitizer: reports", kRare},
    {SCMP_SYS(write), "sanitizer: reports", kRare},
    {SCMP_SYS(exit_group), "sanitizer: reports", kRare},
    {SCMP_SYS(read), "sanitizer: /proc/self/maps, object files", kRare},
    {SCMP_SYS(close), "sanitizer: /proc/self/maps, object files", kRare},
    {SCMP_SYS(openat), "sanitizer: /proc/self/maps, object files", kRare},
    {SCMP_SYS(open), "sanitizer: /proc/self/maps, object files", kRare},
    {SCMP_SYS(stat), "sanitizer: finding a symbolizer", kRare},
    {SCMP_SYS(fstat), "sanitizer: object files", kRare},
    {SCMP_SYS(newfstatat), "sanitizer: object files", kRare},
    {SCMP_SYS(access), "sanitizer: finding a symbolizer", kRare},
    {SCMP_SYS(readlink), "sanitizer: own file name", kRare},
    {SCMP_SYS(readlinkat), "sanitizer: own file name", kRare},
    {SCMP_SYS(lseek), "sanitizer: object files", kRare},
    {SCMP_SYS(rt_sigaction), "sanitizer: signal handlers", kRare},
    {SCMP_SYS(rt_sigprocmask), "sanitizer: signal handlers", kRare},
    {SCMP_SYS(rt_sigreturn), "sanitizer: return from its handlers", kRare},
    {SCMP_SYS(sigaltstack), "sanitizer: signal stack", kRare},
    {SCMP_SYS(prctl), "sanitizer: thread names", kRare},
    {SCMP_SYS(arch_prctl), "sanitizer: thread registers", kRare},
    {SCMP_SYS(uname), "sanitizer: kernel version", kRare},
    {SCMP_SYS(ioctl), "sanitizer: is stderr a terminal", kRare},
    {SCMP_SYS(getrlimit), "sanitizer: stack size", kRare},
    {SCMP_SYS(prlimit64), "sanitizer: stack size", kRare},
    {SCMP_SYS(getrusage), "sanitizer: memory limits", kRare},
    {SCMP_SYS(pipe), "sanitizer: testing whether memory is readable", kRare},
    {SCMP_SYS(pipe2), "sanitizer: testing whether memory is readable", kRare},
    {SCMP_SYS(process_vm_readv), "sanitizer: testing whether memory is readable", kRare},
};
#endif

}  // namespace

SeccompPolicy SanitizerPolicy() {
#ifdef POSTERN_SANITIZED
  return {std::begin(kSanitizers), std::end(kSanitizers)};
#else
  return {};
#endif
}

SeccompPolicy RuntimePolicy() {
  const SeccompRow own_signals[] = {{SCMP_SYS(tgkill), Is32(0, static_cast<uint32_t>(getpid())),
                                     "abort; no other process", kRare}};
  return Join({kRuntime, own_signals, SanitizerPolicy()});
}

}  // namespace postern
