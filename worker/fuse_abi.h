// The FUSE wire format: linux/fuse.h, and what Debian 12's copy of it (7.38, Linux 6.1) doesn't
// have yet.
#ifndef POSTERN_WORKER_FUSE_ABI_H_
#define POSTERN_WORKER_FUSE_ABI_H_

#include <linux/fuse.h>

#include <cstdint>

namespace postern {

// INIT flags, as bits of the 64-bit word flags | flags2 << 32.
inline constexpr uint64_t kFuseCreateSuppGroup = uint64_t{1} << 34;  // Linux 6.3
inline constexpr uint64_t kFuseAllowIdmap = uint64_t{1} << 40;       // Linux 6.12

// Types of the records that follow the names of creating requests (fuse_ext_header); 0 to
// FUSE_MAX_NR_SECCTX are security contexts.
inline constexpr uint32_t kFuseExtGroups = 32;  // FUSE_EXT_GROUPS, Linux 6.3

// {u32 nr_groups, u32 groups[nr_groups]}. Linux 6.3.
struct FuseSupplementaryGroups {
  uint32_t nr_groups;
};

// All of the interface's records are multiples of this (FUSE_REC_ALIGN).
inline constexpr size_t kFuseRecordAlignment = 8;

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_ABI_H_
