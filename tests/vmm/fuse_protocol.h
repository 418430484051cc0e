// FUSE beyond the oldest linux/fuse.h that we build with (7.38, Linux 6.1), and what the client
// needs of typed values.
#ifndef POSTERN_TESTS_VMM_FUSE_PROTOCOL_H_
#define POSTERN_TESTS_VMM_FUSE_PROTOCOL_H_

#include <linux/fuse.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"

namespace postern::vmm {

// Linux 6.3 (FUSE 7.38 in its final form).
inline constexpr uint64_t kFuseCreateSuppGroup = uint64_t{1} << 34;
inline constexpr uint32_t kFuseExtGroups = 32;
// Linux 6.6 and later.
inline constexpr uint64_t kFuseDirectIoAllowMmap = uint64_t{1} << 36;
inline constexpr uint64_t kFuseAllowIdmap = uint64_t{1} << 40;

inline constexpr uint32_t kFuseUnusedOpcode = 4000;  // No FUSE version has given it a meaning.

// Linux 6.6 (FUSE 7.39).
inline constexpr uint32_t kFuseStatx = 52;
struct FuseStatxIn {
  uint32_t getattr_flags;
  uint32_t reserved;
  uint64_t fh;
  uint32_t sx_flags;
  uint32_t sx_mask;
};
static_assert(sizeof(FuseStatxIn) == 24);
struct FuseStatxTime {
  int64_t tv_sec;
  uint32_t tv_nsec;
  int32_t reserved;
};
struct FuseStatx {
  uint32_t mask;
  uint32_t blksize;
  uint64_t attributes;
  uint32_t nlink;
  uint32_t uid;
  uint32_t gid;
  uint16_t mode;
  uint16_t spare0;
  uint64_t ino;
  uint64_t size;
  uint64_t blocks;
  uint64_t attributes_mask;
  FuseStatxTime atime;
  FuseStatxTime btime;
  FuseStatxTime ctime;
  FuseStatxTime mtime;
  uint32_t rdev_major;
  uint32_t rdev_minor;
  uint32_t dev_major;
  uint32_t dev_minor;
  uint64_t spare2[14];
};
struct FuseStatxOut {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec;
  uint32_t flags;
  uint64_t spare[2];
  FuseStatx stat;
};
static_assert(sizeof(FuseStatxOut) == 288);

// Linux 6.18 (FUSE 7.45).
inline constexpr uint32_t kFuseCopyFileRange64 = 53;
struct FuseCopyFileRangeOut {
  uint64_t bytes_copied;
};

// What FUSE calls fh, whatever the other side makes of it. (OpenFileId is our broker's idea, where
// 0 is none; for other servers 0 is an fh like any other.)
using FuseHandle = StrongId<struct FuseHandleTag, uint64_t>;

// A label that the guest's LSM wants on what a request makes, as the xattr `name`.
struct SecurityContext {
  std::string name;
  std::string value;  // Linux sends it with its NUL.
};

// On whose behalf a request is made.
struct Credentials {
  GuestUid uid{0};
  GuestGid gid{0};
  uint32_t pid = 1000;
  // Goes out with the requests that make something, as FUSE_EXT_GROUPS; Linux sends at most one.
  std::optional<GuestGid> supplementary_group = std::nullopt;
  // Goes out with them too, and before it. An empty list is a record that says "none": what a guest
  // without an LSM sends once FUSE_SECURITY_CTX is negotiated. Linux sends at most one.
  std::optional<std::vector<SecurityContext>> security_contexts = std::nullopt;
};

// What Linux 6.12 offers in FUSE_INIT on virtio-fs, without DAX.
inline constexpr uint64_t kLinuxInitFlags =
    FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT |
    FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_SPLICE_WRITE | FUSE_SPLICE_MOVE | FUSE_SPLICE_READ |
    FUSE_FLOCK_LOCKS | FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS |
    FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_WRITEBACK_CACHE | FUSE_NO_OPEN_SUPPORT |
    FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV | FUSE_POSIX_ACL | FUSE_ABORT_ERROR |
    FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT | FUSE_EXPLICIT_INVAL_DATA |
    FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT |
    FUSE_SECURITY_CTX | kFuseCreateSuppGroup | kFuseAllowIdmap;

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_PROTOCOL_H_
