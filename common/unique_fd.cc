#include "common/unique_fd.h"

#include <unistd.h>

#include <cerrno>

namespace postern {

void UniqueFd::Reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  const int saved_errno = errno;  // A destructor must not change what the caller is about to read.
  // Never retried: on Linux the descriptor is gone whatever close(2) returns.
  close(old);
  errno = saved_errno;
}

}  // namespace postern
