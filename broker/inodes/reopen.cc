#include "broker/inodes/reopen.h"

#include <fcntl.h>

namespace postern {

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
