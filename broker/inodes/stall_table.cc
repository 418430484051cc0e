#include "broker/inodes/stall_table.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "common/mutex_lock.h"

namespace postern {
namespace {

// As many filesystems as the host mounts in a share, and more.
constexpr size_t kMaxKnown = 1024;

// fs/xfs/libxfs/xfs_format.h: XFS_SB_MAGIC; linux/magic.h has it only from Linux 6.1 on.
constexpr long kXfsMagic = 0x58465342;

// The page cache takes their writes, and closing asks nobody. They wait for a disk at the most.
constexpr std::array<long, 6> kLocal = {EXT4_SUPER_MAGIC, kXfsMagic,   BTRFS_SUPER_MAGIC,
                                        F2FS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC};

StallTable::Traits Ask(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) < 0) return {};
  return {.may_stall = std::ranges::find(kLocal, status.f_type) == kLocal.end(),
          .in_memory = status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC};
}

}  // namespace

StallTable::Traits StallTable::Of(int fd, const InodeIdentity& identity) {
  const Key key(identity.device, identity.mount_id);
  {
    const ReaderMutexLock lock(mutex_);
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
  }
  const Traits traits = Ask(fd);
  const MutexLock lock(mutex_);
  if (known_.size() >= kMaxKnown) known_.clear();
  known_[key] = traits;
  return traits;
}

}  // namespace postern
