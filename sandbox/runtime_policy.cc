#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/seccomp_policies.h"

namespace postern {
namespace {

constexpr SeccompRow kRuntime[] = {
    // Memory.
    {SCMP_SYS(brk), "allocator"},
    {SCMP_SYS(mmap), Without32(2, PROT_EXEC), "allocator; guest memory; never executable"},
    {SCMP_SYS(mprotect), Without32(2, PROT_EXEC), "allocator, growing an arena; never executable"},
    {SCMP_SYS(mremap), Is32(3, MREMAP_MAYMOVE), "realloc of large blocks; not to a chosen address"},
    {SCMP_SYS(munmap), "allocator; guest memory"},
    {SCMP_SYS(madvise), "allocator, giving memory back; end of a thread"},
    // Threads that exist.
    {SCMP_SYS(futex), "mutexes, condition variables"},
    {SCMP_SYS(set_robust_list), "a thread that was made before, but hasn't run yet"},
    {SCMP_SYS(rseq), "a thread that was made before, but hasn't run yet"},
    {SCMP_SYS(prctl), Is32(0, PR_SET_NAME), "a thread that was made before names itself"},
    {SCMP_SYS(sched_yield), "spinning before a lock sleeps"},
    {SCMP_SYS(sched_getparam), "absl::Mutex's slow path asks for the thread's priority"},
    {SCMP_SYS(sched_getscheduler), "absl::Mutex's slow path asks for the thread's priority"},
    {SCMP_SYS(sched_getaffinity), "how many processors there are"},
    {SCMP_SYS(gettid), "log lines; lock owners; abort"},
    {SCMP_SYS(getpid), "log lines; abort"},
    {SCMP_SYS(getcpu), "choice of an arena or shard, where the vDSO hasn't got it"},
    // Time, where the vDSO asks the kernel.
    {SCMP_SYS(clock_gettime), "log lines; polling; timeouts"},
    {SCMP_SYS(clock_getres), "timeouts"},
    {SCMP_SYS(gettimeofday), "log lines"},
    {SCMP_SYS(time), "log lines"},
    {SCMP_SYS(clock_nanosleep), "contended spin locks"},
    {SCMP_SYS(nanosleep), "contended spin locks"},
    // Signals.
    {SCMP_SYS(rt_sigprocmask), "end of a thread; abort"},
    {SCMP_SYS(rt_sigaction), "abort"},
    {SCMP_SYS(rt_sigreturn), "return from a handler"},
    {SCMP_SYS(restart_syscall), "timeouts after a stop and continue"},
    // Descriptors.
    {SCMP_SYS(close), "every descriptor's end"},
    {SCMP_SYS(write), "log lines; event descriptors"},
    {SCMP_SYS(writev), "log lines"},
    {SCMP_SYS(read), "event descriptors"},
    {SCMP_SYS(fcntl), Is32(1, F_GETFL), "flags of a received descriptor"},
    {SCMP_SYS(fcntl), Is32(1, F_SETFL), "O_NONBLOCK; O_APPEND and O_DIRECT as a guest asks"},
    {SCMP_SYS(fcntl), Is32(1, F_GETFD), "checks of descriptors"},
    {SCMP_SYS(fcntl), Is32(1, F_SETFD), "close-on-exec"},
    {SCMP_SYS(fcntl), Is32(1, F_DUPFD_CLOEXEC), "a second owner of a descriptor"},
    {SCMP_SYS(poll), "waiting"},
    {SCMP_SYS(ppoll), "waiting"},
    {SCMP_SYS(epoll_create1), "waiting for several descriptors"},
    {SCMP_SYS(epoll_ctl), "waiting for several descriptors"},
    {SCMP_SYS(epoll_wait), "waiting for several descriptors"},
    {SCMP_SYS(epoll_pwait), "waiting for several descriptors"},
    {SCMP_SYS(epoll_pwait2), "waiting for several descriptors"},
    {SCMP_SYS(eventfd2), "waking a thread"},
    // A connected socket; none can be made.
    {SCMP_SYS(recvmsg), "messages, with descriptors"},
    {SCMP_SYS(sendmsg), "messages, with descriptors"},
    // The rest.
    {SCMP_SYS(getrandom), "seeds of hash tables"},
    {SCMP_SYS(exit), "end of a thread"},
    {SCMP_SYS(exit_group), "end of the process"},
};

#ifdef POSTERN_SANITIZED
// Sanitizers look around when they report, and keep their own signal stacks and shadow memory.
constexpr SeccompRow kSanitizers[] = {
    {SCMP_SYS(mmap), "sanitizer: shadow memory, unwinding"},
    {SCMP_SYS(mprotect), "sanitizer: shadow memory"},
    {SCMP_SYS(openat), "sanitizer: /proc/self/maps, object files"},
    {SCMP_SYS(open), "sanitizer: /proc/self/maps, object files"},
    {SCMP_SYS(stat), "sanitizer: finding a symbolizer"},
    {SCMP_SYS(fstat), "sanitizer: object files"},
    {SCMP_SYS(newfstatat), "sanitizer: object files"},
    {SCMP_SYS(access), "sanitizer: finding a symbolizer"},
    {SCMP_SYS(readlink), "sanitizer: own file name"},
    {SCMP_SYS(readlinkat), "sanitizer: own file name"},
    {SCMP_SYS(lseek), "sanitizer: object files"},
    {SCMP_SYS(sigaltstack), "sanitizer: signal stack"},
    {SCMP_SYS(prctl), "sanitizer: thread names"},
    {SCMP_SYS(arch_prctl), "sanitizer: thread registers"},
    {SCMP_SYS(uname), "sanitizer: kernel version"},
    {SCMP_SYS(ioctl), "sanitizer: is stderr a terminal"},
    {SCMP_SYS(getrlimit), "sanitizer: stack size"},
    {SCMP_SYS(prlimit64), "sanitizer: stack size"},
    {SCMP_SYS(getrusage), "sanitizer: memory limits"},
    {SCMP_SYS(pipe), "sanitizer: testing whether memory is readable"},
    {SCMP_SYS(pipe2), "sanitizer: testing whether memory is readable"},
    {SCMP_SYS(process_vm_readv), "sanitizer: testing whether memory is readable"},
};
#endif

}  // namespace

SeccompPolicy RuntimePolicy() {
  SeccompPolicy policy(std::begin(kRuntime), std::end(kRuntime));
  policy.emplace_back(SCMP_SYS(tgkill), Is32(0, static_cast<uint32_t>(getpid())),
                      "abort; no other process");
#ifdef POSTERN_SANITIZED
  policy.insert(policy.end(), std::begin(kSanitizers), std::end(kSanitizers));
#endif
  return policy;
}

}  // namespace postern
