// From O_PATH descriptors to ones that read and write.
#ifndef POSTERN_BROKER_INODES_REOPEN_H_
#define POSTERN_BROKER_INODES_REOPEN_H_

#include <charconv>
#include <cstdint>
#include <utility>

#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace postern {

// The name of a descriptor in /proc/self/fd.
class DescriptorName {
 public:
  explicit DescriptorName(int fd) { *std::to_chars(name_, name_ + sizeof(name_) - 1, fd).ptr = 0; }
  const char* c_str() const { return name_; }

 private:
  char name_[12];  // "-2147483648" and its end.
};

// A descriptor of the directory /proc/self/fd, taken while the jail was being built: inside there
// is no /proc. Its entries are magic links to what this process has open, and to nothing else.
class ProcFd {
 public:
  explicit ProcFd(UniqueFd directory) : directory_(std::move(directory)) {}

  // For …at() system calls with a DescriptorName, following the link.
  int directory() const { return directory_.get(); }

  // Opens what `fd` is open on with `flags`, close-on-exec. For a regular file or a directory only,
  // which the caller has checked: a device, fifo or socket of the share belongs to the guest, and
  // opening it here would reach the host's driver or block. Reopen() (filesystem.h) checks.
  ErrnoOr<UniqueFd> ReopenUnchecked(int fd, int flags) const;

  // A further O_PATH descriptor of what `fd` is open on.
  ErrnoOr<UniqueFd> OpenPath(int fd) const;

 private:
  UniqueFd directory_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_REOPEN_H_
