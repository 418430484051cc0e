// The kernel's file handles (name_to_handle_at(2)): a file's name that outlives its descriptors.
#ifndef POSTERN_BROKER_INODES_FILE_HANDLE_H_
#define POSTERN_BROKER_INODES_FILE_HANDLE_H_

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/errno_or.h"
#include "common/path_component.h"
#include "common/unique_fd.h"

namespace postern {

// A handle's type and its bytes, which are somebody else's. A filesystem puts the inode's
// generation into them, so that a handle never leads to the next file that gets the same inode
// number.
struct FileHandleView {
  int32_t type = 0;
  std::span<const std::byte> bytes;

  friend bool operator==(const FileHandleView& a, const FileHandleView& b) {
    return a.type == b.type && std::ranges::equal(a.bytes, b.bytes);
  }
};

// A handle as the kernel reads and writes it: struct file_handle with room for the longest.
class FileHandle {
 public:
  FileHandle();
  explicit FileHandle(const FileHandleView& from);

  // Makes it that of `name` in `directory`, a symlink itself if it is one; or of what `fd` (O_PATH
  // will do) is open on. Answers the id of the mount, the same as STATX_MNT_ID. On an error the
  // handle's value means nothing. EOPNOTSUPP, EOVERFLOW: the filesystem has no handles, or none
  // that fits.
  ErrnoOr<uint64_t> Set(int directory, const PathComponent& name);
  ErrnoOr<uint64_t> Set(int fd);

  // An O_PATH descriptor of the file on `mount`, a descriptor of anything on the handle's mount
  // that was opened for reading. Needs CAP_DAC_READ_SEARCH. ESTALE: the file is gone.
  ErrnoOr<UniqueFd> Open(int mount) const;

  // Valid while this lives and isn't set again.
  FileHandleView view() const;

 private:
  ErrnoOr<uint64_t> SetFrom(int directory, const char* name, int flags);
  file_handle& header() { return *reinterpret_cast<file_handle*>(storage_.data()); }
  const file_handle& header() const {
    return *reinterpret_cast<const file_handle*>(storage_.data());
  }

  // Safe to use as struct file_handle because it is as large and as aligned, and that is an
  // aggregate of integers.
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + MAX_HANDLE_SZ> storage_;
};

// Whether `error` of FileHandle::Set() says that the file has no handle, for good.
constexpr bool MeansNoHandle(Errno error) {
  return error == Errno(EOPNOTSUPP) || error == Errno(EOVERFLOW);
}

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_FILE_HANDLE_H_
