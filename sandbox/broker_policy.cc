#include <fcntl.h>
#include <seccomp.h>

#include "sandbox/seccomp_policies.h"

namespace postern {
namespace {

constexpr SeccompRow kBroker[] = {
    // Finding and opening.
    {SCMP_SYS(openat), "reopening an O_PATH descriptor through /proc/self/fd; CREATE"},
    {SCMP_SYS(openat2), "LOOKUP, CREATE: one component below its parent"},
    {SCMP_SYS(statx), "LOOKUP, GETATTR"},
    {SCMP_SYS(fstat), "GETATTR"},
    {SCMP_SYS(newfstatat), "GETATTR; fstat, where it isn't a call of its own"},
    {SCMP_SYS(readlinkat), "READLINK"},
    {SCMP_SYS(name_to_handle_at), "LOOKUP: file handles instead of descriptors"},
    {SCMP_SYS(open_by_handle_at), "every operation on an inode that is known by its handle"},
    // Directories.
    {SCMP_SYS(getdents64), "READDIR, READDIRPLUS"},
    {SCMP_SYS(lseek), "READDIR from an offset"},
    // Making, renaming and removing names.
    {SCMP_SYS(mkdirat), "MKDIR"},
    {SCMP_SYS(mknodat), "MKNOD"},
    {SCMP_SYS(symlinkat), "SYMLINK"},
    {SCMP_SYS(linkat), "LINK"},
    {SCMP_SYS(unlinkat), "UNLINK, RMDIR"},
    {SCMP_SYS(renameat), "RENAME: how glibc spells renameat2 without flags"},
    {SCMP_SYS(renameat2), "RENAME2"},
    // Attributes.
    {SCMP_SYS(fchmod), "SETATTR mode of an open file"},
    {SCMP_SYS(fchmodat), "SETATTR mode"},
#ifdef __NR_fchmodat2
    {SCMP_SYS(fchmodat2), "SETATTR mode (Linux 6.6)"},
#endif
    {SCMP_SYS(fchownat), "SETATTR owner"},
    {SCMP_SYS(ftruncate), "SETATTR size"},
    {SCMP_SYS(utimensat), "SETATTR times"},
    {SCMP_SYS(fstatfs), "STATFS"},
    {SCMP_SYS(getxattr), "GETXATTR"},
    {SCMP_SYS(setxattr), "SETXATTR; security labels of new objects"},
    {SCMP_SYS(listxattr), "LISTXATTR"},
    {SCMP_SYS(removexattr), "REMOVEXATTR"},
    // Data that the broker itself writes.
    {SCMP_SYS(pwritev2), "WRITE that keeps set-uid bits"},
    {SCMP_SYS(fallocate), "FALLOCATE that keeps set-uid bits"},
    {SCMP_SYS(copy_file_range), "COPY_FILE_RANGE that keeps set-uid bits"},
    {SCMP_SYS(fsync), "FSYNCDIR"},
    {SCMP_SYS(fdatasync), "FSYNCDIR, data only"},
    {SCMP_SYS(syncfs), "SYNCFS"},
    // Credentials of the thread that creates something for a guest's user.
    {SCMP_SYS(setresuid), "CREATE, MKNOD, MKDIR, SYMLINK"},
    {SCMP_SYS(setresgid), "CREATE, MKNOD, MKDIR, SYMLINK"},
    {SCMP_SYS(setgroups), "CREATE, MKNOD, MKDIR, SYMLINK with supplementary groups"},
    {SCMP_SYS(umask), "CREATE, MKNOD, MKDIR where ACLs are kept"},
    {SCMP_SYS(capget), "set-uid bits that a write must clear: CAP_FSETID off and on"},
    {SCMP_SYS(capset), "set-uid bits that a write must clear: CAP_FSETID off and on"},
};

}  // namespace

SeccompPolicy BrokerPolicy() {
  SeccompPolicy policy = RuntimePolicy();
  policy.insert(policy.end(), std::begin(kBroker), std::end(kBroker));
  return policy;
}

}  // namespace postern
