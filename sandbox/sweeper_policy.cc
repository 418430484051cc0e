#include <seccomp.h>

#include "sandbox/seccomp_policies.h"

namespace postern {
namespace {

constexpr SeccompRow kSweeper[] = {
    {SCMP_SYS(read), "waiting for posternd's end"},
    {SCMP_SYS(write), "saying that it is ready"},
    {SCMP_SYS(poll), "waiting for posternd's end"},
    {SCMP_SYS(ppoll), "waiting for posternd's end"},
    {SCMP_SYS(openat), "the pid file, to lock it"},
    {SCMP_SYS(flock), "whether a new daemon has taken over"},
    {SCMP_SYS(newfstatat), "whether the names still stand for our files"},
    {SCMP_SYS(unlinkat), "removing them"},
    {SCMP_SYS(restart_syscall), "read, after a stop and continue"},
    {SCMP_SYS(exit_group), "the end"},
};

}  // namespace

SeccompPolicy SweeperPolicy() {
#ifdef POSTERN_SANITIZED
  SeccompPolicy policy = RuntimePolicy();
#else
  SeccompPolicy policy;
#endif
  policy.insert(policy.end(), std::begin(kSweeper), std::end(kSweeper));
  return policy;
}

}  // namespace postern
