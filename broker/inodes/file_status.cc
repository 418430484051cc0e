#include "broker/inodes/file_status.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

namespace postern {
namespace {

constexpr unsigned kMask = STATX_BASIC_STATS | STATX_MNT_ID;

}  // namespace

ErrnoOrVoid StatDescriptor(int fd, struct statx& status, unsigned more) {
  return CheckSyscall(statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, kMask | more, &status));
}

ErrnoOrVoid StatName(int directory, const PathComponent& name, struct statx& status) {
  return CheckSyscall(
      statx(directory, name.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kMask, &status));
}

InodeIdentity IdentityOf(const struct statx& status) {
  return {makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino,
          (status.stx_mask & STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0};
}

}  // namespace postern
