// The FUSE wire format: linux/fuse.h, and what Debian 12's copy of it (7.38, Linux 6.1) doesn't
// have yet.
#ifndef POSTERN_WORKER_FUSE_FUSE_ABI_H_
#define POSTERN_WORKER_FUSE_FUSE_ABI_H_

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>

namespace postern {

// The version that we speak, whatever header we were built with: virtiofsd's.
inline constexpr uint32_t kFuseMajor = 7;
inline constexpr uint32_t kFuseMinor = 38;

// INIT flags, as bits of the 64-bit word flags | flags2 << 32.
inline constexpr uint64_t kFuseCreateSuppGroup = uint64_t{1} << 34;    // Linux 6.3
inline constexpr uint64_t kFuseDirectIoAllowMmap = uint64_t{1} << 36;  // Linux 6.6
inline constexpr uint64_t kFuseAllowIdmap = uint64_t{1} << 40;         // Linux 6.12

// Opcodes.
inline constexpr uint32_t kFuseStatx = 52;            // FUSE_STATX, Linux 6.6
inline constexpr uint32_t kFuseCopyFileRange64 = 53;  // FUSE_COPY_FILE_RANGE_64, Linux 6.18

// Types of the records that follow the names of creating requests (fuse_ext_header); 0 to
// FUSE_MAX_NR_SECCTX are security contexts, and how many.
inline constexpr uint32_t kFuseExtGroups = 32;  // FUSE_EXT_GROUPS, Linux 6.3

// {u32 nr_groups, u32 groups[nr_groups]}. Linux 6.3.
struct FuseSupplementaryGroups {
  uint32_t nr_groups;
};

// struct fuse_statx_in. Linux 6.6.
struct FuseStatxIn {
  uint32_t getattr_flags;
  uint32_t reserved;
  uint64_t fh;
  uint32_t sx_flags;
  uint32_t sx_mask;  // STATX_*
};
static_assert(sizeof(FuseStatxIn) == 24);

// struct fuse_sx_time. Linux 6.6.
struct FuseStatxTime {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t reserved;
};

// struct fuse_statx: the fields of struct statx. Linux 6.6.
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
static_assert(sizeof(FuseStatx) == 256);

// struct fuse_statx_out. Linux 6.6.
struct FuseStatxOut {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec;
  uint32_t flags;
  uint64_t spare[2];
  FuseStatx stat;
};
static_assert(sizeof(FuseStatxOut) == 288);

// struct fuse_copy_file_range_out. Linux 6.18.
struct FuseCopyFileRangeOut {
  uint64_t bytes_copied;
};

// The largest error that Linux takes from a FUSE server; what lies beyond are codes of the kernel's
// own (ERESTARTSYS), which would be misunderstood.
inline constexpr uint32_t kMaxReplyError = 511;

// All of the interface's records are multiples of this (FUSE_REC_ALIGN).
inline constexpr size_t kFuseRecordAlignment = 8;

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_ABI_H_
