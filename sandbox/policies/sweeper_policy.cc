#include <fcntl.h>
#include <seccomp.h>

#include <iterator>

#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

using enum RowUse;

// What follows the read is for a posternd that was killed.
constexpr SeccompRow kSweeper[] = {
    {SCMP_SYS(write), "saying that it is ready"},
    {SCMP_SYS(read), "waiting for posternd's end"},
#ifdef __NR_poll
    {SCMP_SYS(poll), "waiting for posternd's end", kRare},
#else
    {SCMP_SYS(ppoll), "waiting for posternd's end", kRare},
#endif
    {SCMP_SYS(openat), Without32(2, O_ACCMODE | O_CREAT | O_TRUNC), "the pid file, to lock it",
     kRare},
    {SCMP_SYS(flock), "whether a new daemon has taken over", kRare},
    {SCMP_SYS(newfstatat), Is32(3, AT_SYMLINK_NOFOLLOW),
     "whether the names still stand for our files", kRare},
    {SCMP_SYS(unlinkat), Is32(2, 0), "removing them", kRare},
    {SCMP_SYS(restart_syscall), "read, after a stop and continue", kRare},
    {SCMP_SYS(exit_group), "the end"},
};

}  // namespace

SeccompPolicy SweeperPolicy() { return Join({kSweeper, SanitizerPolicy()}); }

}  // namespace postern
