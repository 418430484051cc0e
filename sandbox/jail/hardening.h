// What a process gives up for good, one facility per function. For a process with one thread.
#ifndef POSTERN_SANDBOX_JAIL_HARDENING_H_
#define POSTERN_SANDBOX_JAIL_HARDENING_H_

#include <sys/types.h>

#include <cstdint>

#include "common/status.h"

namespace postern {

// Kept by who hasn't got CAP_SETGID, and where the user namespace forbids setgroups(2), which needs
// /proc. Who has it must not keep them: those that the user namespace doesn't map couldn't be set
// again after a switch to a guest's user.
absl::Status DropSupplementaryGroups();

// Real, effective, saved and file system ids. Reads the result back.
absl::Status SwitchUser(uid_t uid, gid_t gid);

// A new, empty session keyring: the caller's keys (of encrypted directories, network filesystems)
// are out of reach.
absl::Status LeaveSessionKeyring();

// execve(2) can't add privileges any more; also what seccomp needs without CAP_SYS_ADMIN.
absl::Status ForbidNewPrivileges();

// No core dump, no ptrace by processes of the same user, /proc/PID owned by root.
absl::Status ForbidInspection();

// The process can't create a process or thread any more.
absl::Status ForbidProcesses();

// The process can't have more private memory than so many bytes (RLIMIT_DATA), thread stacks
// included: beyond, mmap(2) fails with ENOMEM. Mappings of files that are shared, such as a guest's
// memory, don't count.
absl::Status LimitMemory(uint64_t bytes);

// The parent's death (of its thread that started this process) kills this one. A later change of
// credentials undoes it. An error if the peer of `control` has gone already.
absl::Status DieWithPeer(int control);

// chroot(2) into a directory that is empty and in which nothing can be made: /proc/PID/fdinfo of a
// process that has ended. Unlike a mount it needs CAP_SYS_CHROOT only.
absl::Status ChangeRootToNowhere();

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_HARDENING_H_
