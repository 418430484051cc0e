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

ErrnoOr<UniqueFd> ProcFd::ReopenUnchecked(int fd, int flags) const {
  UniqueFd opened(openat(directory(), DescriptorName(fd).c_str(), flags | O_CLOEXEC));
  if (!opened) return Errno::Last();
  return opened;
}

ErrnoOr<UniqueFd> ProcFd::OpenPath(int fd) const {
  UniqueFd path(openat(directory(), DescriptorName(fd).c_str(), O_PATH | O_CLOEXEC));
  if (!path) return Errno::Last();
  return path;
}

}  // namespace postern
