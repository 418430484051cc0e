#include "sandbox/jail/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/logging.h"

// glibc has these from 2.36 on.
#ifndef OPEN_TREE_CLONE
#include <linux/mount.h>

#include <cstdint>
#define open_tree(...) static_cast<int>(syscall(SYS_open_tree, __VA_ARGS__))
#define move_mount(...) static_cast<int>(syscall(SYS_move_mount, __VA_ARGS__))
#define fsopen(...) static_cast<int>(syscall(SYS_fsopen, __VA_ARGS__))
#define fsconfig(...) static_cast<int>(syscall(SYS_fsconfig, __VA_ARGS__))
#define fsmount(...) static_cast<int>(syscall(SYS_fsmount, __VA_ARGS__))
#define mount_setattr(...) static_cast<int>(syscall(SYS_mount_setattr, __VA_ARGS__))
#endif

namespace postern {
namespace {

// A directory that every root has, to attach the new root to before it becomes the root.
constexpr char kAttachPoint[] = "/proc";

// A kernel that can't is no error: each caller names what else stands guard.
absl::Status SetAttributes(int mounts, uint64_t attributes, const std::string& purpose) {
  mount_attr change{};
  change.attr_set = attributes;
  if (mount_setattr(mounts, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof(change)) == 0) {
    return absl::OkStatus();
  }
  if (errno != ENOSYS) return ErrnoStatus("can't " + purpose);
  LOG(WARNING) << "This kernel (before Linux 5.12) can't " << purpose;
  return absl::OkStatus();
}

}  // namespace

absl::Status SetPropagation(Propagation propagation) {
  const unsigned long kind = propagation == Propagation::kFromHost ? MS_SLAVE : MS_PRIVATE;
  if (mount(nullptr, "/", nullptr, kind | MS_REC, nullptr) < 0) {
    const int error = errno;
    const absl::Status status = ErrnoStatus("cutting the mount namespace off the host's", error);
    if (error != EINVAL) return status;
    return WithAdvice(status,
                      "the root isn't a mount point, as in a chroot: make it one by "
                      "mount --bind, or use --sandbox=chroot");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> CloneMounts(const std::string& path) {
  UniqueFd mounts(
      open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!mounts) return ErrnoStatus("taking the mounts at '" + path + "'");
  return mounts;
}

absl::Status DisarmMounts(int mounts) {
  // Not the only guard: the broker opens regular files and directories only.
  return SetAttributes(mounts, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID,
                       "forbid devices in the shared directory");
}

absl::Status ForbidWrites(int mounts) {
  return SetAttributes(mounts, MOUNT_ATTR_RDONLY, "make the shared directory read-only");
}

absl::Status MountProc() {
  if (mount("proc", "/proc", "proc", MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_RELATIME, nullptr) < 0) {
    const int error = errno;
    const absl::Status status = ErrnoStatus("mounting /proc", error);
    if (error != EPERM) return status;
    return WithAdvice(status,
                      "parts of the /proc here are hidden, as in many containers, and then nobody "
                      "in a user namespace may mount another: unmask it, or use --sandbox=none");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> CreateEmptyFilesystem() {
  const UniqueFd context(fsopen("tmpfs", FSOPEN_CLOEXEC));
  if (!context) return ErrnoStatus("making an empty filesystem");
  const int fd = context.get();
  // One page and one inode, the root directory's.
  if (fsconfig(fd, FSCONFIG_SET_STRING, "size", "4096", 0) < 0 ||
      fsconfig(fd, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
      fsconfig(fd, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
      fsconfig(fd, FSCONFIG_SET_FLAG, "ro", nullptr, 0) < 0 ||
      fsconfig(fd, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
    return ErrnoStatus("setting up an empty filesystem");
  }
  UniqueFd mounted(
      fsmount(fd, FSMOUNT_CLOEXEC,
              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (!mounted) return ErrnoStatus("mounting an empty filesystem");
  return mounted;
}

absl::Status PivotRootInto(int mounts) {
  if (move_mount(mounts, "", AT_FDCWD, kAttachPoint, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return ErrnoStatus("attaching the new root");
  }
  if (fchdir(mounts) < 0) return ErrnoStatus("entering the new root");
  // pivot_root(2), "pivot_root(".", ".")": the old root comes to lie over the new one, where
  // umount2 finds it.
  if (syscall(SYS_pivot_root, ".", ".") < 0) return ErrnoStatus("switching to the new root");
  if (umount2(".", MNT_DETACH) < 0) return ErrnoStatus("detaching the old root");
  if (chdir("/") < 0) return ErrnoStatus("entering the new root");
  return absl::OkStatus();
}

}  // namespace postern
