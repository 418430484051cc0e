#include "broker/reopen.h"

#include <fcntl.h>

namespace postern {

ErrnoOr<int> FileOpenFlags(uint32_t guest_flags) {
  constexpr uint32_t kKnown =
      O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC | O_NONBLOCK | O_LARGEFILE | O_DIRECTORY;
  const int flags = static_cast<int>(guest_flags & kKnown);
  if ((flags & O_ACCMODE) == O_ACCMODE) return Errno(EINVAL);
  return flags;
}

ErrnoOr<UniqueFd> ProcFd::Reopen(const Inode& inode, int flags) const {
  if (!S_ISREG(inode.type()) && !S_ISDIR(inode.type())) return Errno(EBADF);
  POSTERN_ASSIGN_OR_RETURN(const InodeDescriptor path, inode.Descriptor());
  UniqueFd fd(openat(directory(), DescriptorName(path.get()).c_str(), flags | O_CLOEXEC));
  if (!fd) return Errno::Last();
  return fd;
}

ErrnoOr<UniqueFd> ProcFd::OpenPath(int fd) const {
  UniqueFd path(openat(directory(), DescriptorName(fd).c_str(), O_PATH | O_CLOEXEC));
  if (!path) return Errno::Last();
  return path;
}

}  // namespace postern
