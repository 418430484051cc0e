#include "broker/operations/open_flags.h"

#include <fcntl.h>

namespace postern {

ErrnoOr<int> FileOpenFlags(uint32_t guest_flags, const FilesystemOptions& options) {
  uint32_t known = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC | O_NONBLOCK | O_LARGEFILE | O_DIRECTORY;
  if (options.preserve_noatime) known |= O_NOATIME;
  if (options.allow_direct_io) known |= O_DIRECT;
  if (options.readonly) {
    POSTERN_RETURN_IF_ERROR(CheckReadonlyOpen(guest_flags));
    // With O_PATH the access mode and O_TRUNC mean nothing, and have passed: here they would.
    known &= ~static_cast<uint32_t>(O_ACCMODE | O_TRUNC);
  }
  const int flags = static_cast<int>(guest_flags & known);
  if ((flags & O_ACCMODE) == O_ACCMODE) return Errno(EINVAL);
  return flags;
}

ErrnoOrVoid CheckReadonlyOpen(uint32_t guest_flags) {
  if ((guest_flags & O_PATH) != 0) return {};
  if ((guest_flags & O_ACCMODE) != O_RDONLY) return Errno(EROFS);
  if ((guest_flags & O_EXCL) != 0) return Errno(EROFS);
  if ((guest_flags & O_TMPFILE) == O_TMPFILE) return Errno(EINVAL);
  if ((guest_flags & O_TRUNC) != 0) return Errno(EINVAL);
  return {};
}

}  // namespace postern
