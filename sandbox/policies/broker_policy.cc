#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <iterator>

#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

using enum RowUse;

// The id that a set…id call leaves alone.
constexpr uint32_t kUnchanged = ~uint32_t{0};

constexpr SeccompRow kBroker[] = {
// Waiting for messages.
#if defined(__NR_epoll_wait) && defined(__GLIBC__)
    {SCMP_SYS(epoll_wait), "waiting"},
#else
    {SCMP_SYS(epoll_pwait), "waiting"},
#endif
    {SCMP_SYS(timerfd_settime), Is32(1, 0), "noticing a request that takes long"},
    {SCMP_SYS(fcntl), Is32(1, F_DUPFD_CLOEXEC), "INIT: the root of the next session"},
    {SCMP_SYS(getrusage), Is32(0, static_cast<uint32_t>(RUSAGE_THREAD)),
     "telling who waits for a disk from who waits for a processor", kRare},
    {SCMP_SYS(sched_getaffinity), Is32(0, 0), "following the worker on a crowded host", kRare},
    {SCMP_SYS(sched_setaffinity), Is32(0, 0), "following the worker on a crowded host", kRare},
    // When one thread has ended a session that makes no sense, the others end on their own until
    // the process does.
    {SCMP_SYS(madvise), Is32(2, MADV_DONTNEED), "the end of a thread: its stack", kRare},
    {SCMP_SYS(exit), "the end of a thread", kRare},
    // Finding and opening.
    {SCMP_SYS(openat), Masked32(2, O_CREAT | O_CLOEXEC, O_CLOEXEC),
     "reopening an O_PATH descriptor through /proc/self/fd; TMPFILE. It makes no name"},
    {SCMP_SYS(openat2), "LOOKUP, CREATE: one component below its parent"},
    {SCMP_SYS(statx), Masked32(2, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW), "LOOKUP, GETATTR"},
    {SCMP_SYS(readlinkat), "READLINK"},
    {SCMP_SYS(name_to_handle_at), "LOOKUP: file handles instead of descriptors"},
    {SCMP_SYS(open_by_handle_at), Masked32(2, O_PATH, O_PATH),
     "every operation on an inode that is known by its handle"},
    // Directories.
    {SCMP_SYS(getdents64), "READDIR, READDIRPLUS"},
    {SCMP_SYS(lseek), Is32(2, SEEK_SET), "READDIR from an offset"},
    // Making, renaming and removing names.
    {SCMP_SYS(mkdirat), "MKDIR"},
    {SCMP_SYS(mknodat), "MKNOD"},
    {SCMP_SYS(symlinkat), "SYMLINK"},
    {SCMP_SYS(linkat), Is32(4, AT_SYMLINK_FOLLOW), "LINK: from /proc/self/fd"},
    {SCMP_SYS(unlinkat), Without32(2, ~uint32_t{AT_REMOVEDIR}), "UNLINK, RMDIR"},
    {SCMP_SYS(renameat), "RENAME: how glibc spells renameat2 without flags"},
    {SCMP_SYS(renameat2),
     Without32(4, ~uint32_t{RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT}), "RENAME2"},
    // Attributes.
    {SCMP_SYS(fchmod), "SETATTR mode of an open file"},
    {SCMP_SYS(fchmodat), "SETATTR mode"},
#if defined(__NR_fchmodat2) && defined(__SNR_fchmodat2)  // libseccomp 2.5.5
    {SCMP_SYS(fchmodat2), Is32(3, 0), "SETATTR mode (Linux 6.6)", kElsewhere},
#endif
    {SCMP_SYS(fchownat), Is32(4, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW), "SETATTR owner"},
    {SCMP_SYS(ftruncate), "SETATTR size"},
    {SCMP_SYS(utimensat), Is32(3, 0), "SETATTR times"},
    {SCMP_SYS(fstatfs), "STATFS"},
    {SCMP_SYS(getxattr), "GETXATTR"},
    {SCMP_SYS(setxattr), "SETXATTR; security labels of new objects"},
    {SCMP_SYS(listxattr), "LISTXATTR"},
    {SCMP_SYS(removexattr), "REMOVEXATTR"},
    // Data that the broker itself writes.
    {SCMP_SYS(pwritev2), Without32(5, ~uint32_t{RWF_APPEND}), "WRITE that keeps set-uid bits"},
    {SCMP_SYS(fallocate), "FALLOCATE that keeps set-uid bits"},
    {SCMP_SYS(copy_file_range), Is32(5, 0), "COPY_FILE_RANGE that keeps set-uid bits"},
    {SCMP_SYS(fsync), "FSYNCDIR"},
    {SCMP_SYS(fdatasync), "FSYNCDIR, data only"},
    {SCMP_SYS(syncfs), "SYNCFS"},
    // Credentials of the thread that acts for a guest's user: the effective ids only, so that the
    // way back stays open and no thread loses the broker's own.
    {SCMP_SYS(setresuid), Is32(0, kUnchanged), Is32(2, kUnchanged),
     "CREATE, MKNOD, MKDIR, SYMLINK"},
    {SCMP_SYS(setresgid), Is32(0, kUnchanged), Is32(2, kUnchanged),
     "CREATE, MKNOD, MKDIR, SYMLINK"},
    {SCMP_SYS(setgroups), "CREATE, MKNOD, MKDIR, SYMLINK with supplementary groups"},
    {SCMP_SYS(prctl), Is32(0, PR_SET_DUMPABLE), Is32(1, 0),
     "after each change of an id: the kernel makes the process dumpable where the host wants that"},
    {SCMP_SYS(umask), "CREATE, MKNOD, MKDIR where ACLs are kept"},
    {SCMP_SYS(capset), "set-uid bits that a write must clear: CAP_FSETID off and on"},
};

}  // namespace

SeccompPolicy BrokerPolicy() { return Join({RuntimePolicy(), kBroker}); }

}  // namespace postern
