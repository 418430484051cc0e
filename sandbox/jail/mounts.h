// Mounts and roots: the only user of the mount calls (Linux 5.2 and later, mount_setattr 5.12).
// Those that change the tree are for a process in a mount namespace of its own.
#ifndef POSTERN_SANDBOX_JAIL_MOUNTS_H_
#define POSTERN_SANDBOX_JAIL_MOUNTS_H_

#include <string>

#include "common/status.h"
#include "common/unique_fd.h"

namespace postern {

enum class Propagation {
  kFromHost,  // What the host mounts later appears here, too; nothing goes back.
  kNone,
};
absl::Status SetPropagation(Propagation propagation);

// A detached copy of the mounts at and below `path`: O_PATH, a directory or a file, ".." ends at
// it.
absl::StatusOr<UniqueFd> CloneMounts(const std::string& path);

// Devices that a guest makes in `mounts` can't be opened through them, nor set-uid bits take
// effect. The guest may make device nodes; a broken broker would open them as the host's devices.
absl::Status DisarmMounts(int mounts);

// Makes `mounts` read-only, for this copy of them only. Where the kernel can't (before Linux 5.12),
// or for what the host mounts later, the broker's own check is the only one.
absl::Status ForbidWrites(int mounts);

// Mounts a /proc that shows the caller's pid namespace over /proc.
absl::Status MountProc();

// A detached, empty, read-only filesystem without devices or programs.
absl::StatusOr<UniqueFd> CreateEmptyFilesystem();

// Makes `mounts` (of CloneMounts() or CreateEmptyFilesystem()) the root and the working directory,
// and lets go of everything that was mounted before.
absl::Status PivotRootInto(int mounts);

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_MOUNTS_H_
