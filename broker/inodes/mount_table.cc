#include "broker/inodes/mount_table.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "broker/inodes/file_status.h"
#include "common/logging.h"
#include "common/mutex_lock.h"

namespace postern {
namespace {

// Whether it may succeed the next time.
bool IsPassing(Errno error) {
  return error == Errno(ENFILE) || error == Errno(EMFILE) || error == Errno(ENOMEM) ||
         error == Errno(EINTR) || error == Errno(EAGAIN);
}

// Whether handles lead to a file only for as long as the host's kernel happens to remember it:
// under memory pressure they become ESTALE. FUSE has no other ones unless its server says so
// (FUSE_EXPORT_SUPPORT), which nobody can see; FAT has no others unless it is mounted for that
// (nfs=nostale_ro), and then it is read-only.
bool ForgetsHandles(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) < 0) return false;  // Whatever is wrong shows again.
  return status.f_type == FUSE_SUPER_MAGIC || status.f_type == MSDOS_SUPER_MAGIC;
}

// 0 if there are none.
size_t HandleSizeOf(int fd) {
  FileHandle handle;
  return fd >= 0 && handle.Set(fd).ok() ? handle.view().bytes.size() : 0;
}

}  // namespace

Mount::Mount(uint64_t id, BudgetedFd descriptor)
    : id_(id),
      descriptor_(std::move(descriptor)),
      handle_size_(HandleSizeOf(descriptor_.fd.get())) {}

MountRef MountTable::Find(uint64_t id) const {
  const MutexLock lock(mutex_);
  const auto found = mounts_.find(id);
  return found == mounts_.end() ? nullptr : found->second.lock();
}

ErrnoOr<MountRef> MountTable::FindOrAdd(int fd, const struct statx& status) {
  const uint64_t id = IdentityOf(status).mount_id;
  if (MountRef known = Find(id)) return known;

  ErrnoOr<BudgetedFd> opened = Open(fd, status);
  if (!opened.ok()) {
    if (IsPassing(opened.error())) return opened.error();
    WarnOnce(status, opened.error());
    if (policy_ == Policy::kError) return opened.error();
    opened = BudgetedFd();
  }
  return Add(id, std::move(*opened));
}

MountRef MountTable::Add(uint64_t id, BudgetedFd descriptor) {
  // Declared before the lock, so that what isn't used is closed after it is dropped.
  MountRef fresh = std::make_shared<const Mount>(id, std::move(descriptor));
  const MutexLock lock(mutex_);
  // Another thread may have been faster, and its answer then holds for all.
  std::weak_ptr<const Mount>& place = mounts_[id];
  if (MountRef known = place.lock()) return known;
  place = fresh;
  absl::erase_if(mounts_, [](const auto& entry) { return entry.second.expired(); });
  return fresh;
}

ErrnoOr<BudgetedFd> MountTable::Open(int fd, const struct statx& status) {
  if (ForgetsHandles(fd)) return Errno(EOPNOTSUPP);
  FileHandle handle;
  POSTERN_RETURN_IF_ERROR(handle.Set(fd));
  // Anything else must never be opened on the host.
  if (!S_ISDIR(status.stx_mode) && !S_ISREG(status.stx_mode)) return Errno(EIO);
  BudgetedFd mount;
  POSTERN_ASSIGN_OR_RETURN(mount.share, budget_.Take());
  POSTERN_ASSIGN_OR_RETURN(mount.fd, proc_fd_.ReopenUnchecked(fd, O_RDONLY | O_NONBLOCK));
  // Some filesystems make handles that they can't open, and the right to open any may be missing.
  POSTERN_ASSIGN_OR_RETURN(const UniqueFd found, handle.Open(mount.fd.get()));
  struct statx again;
  POSTERN_RETURN_IF_ERROR(StatDescriptor(found.get(), again));
  if (IdentityOf(again) != IdentityOf(status)) return Errno(EIO);
  return mount;
}

void MountTable::WarnOnce(const struct statx& status, Errno error) {
  {
    const MutexLock lock(mutex_);
    if (!warned_.insert(IdentityOf(status).device).second) return;
  }
  LOG(WARNING) << "File handles don't work on the filesystem " << status.stx_dev_major << ":"
               << status.stx_dev_minor << " (" << error.Message() << "): "
               << (policy_ == Policy::kError
                       ? "its files can't be used"
                       : "each of its files that is known holds a descriptor");
}

}  // namespace postern
