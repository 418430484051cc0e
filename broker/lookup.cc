#include "broker/lookup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/attributes.h"

namespace postern {
namespace {

// The mount of that id, most likely that of `parent`. None if no inode of it is known, or if the
// broker uses no handles.
MountRef KnownMount(OperationContext& context, const Inode& parent, uint64_t id) {
  if (parent.mount() == nullptr || parent.mount()->id() == id) return parent.mount();
  return context.filesystem.mounts()->Find(id);
}

}  // namespace

ErrnoOr<UniqueFd> OpenBeneath(int directory, const PathComponent& name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC);
  how.mode = mode;
  // With O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS lets a trailing symlink be opened (openat2(2)).
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  UniqueFd fd(static_cast<int>(syscall(SYS_openat2, directory, name.c_str(), &how, sizeof(how))));
  if (!fd) return Errno::Last();
  return fd;
}

ErrnoOr<InodeRef> LookUp(OperationContext& context, const PinnedInode& parent,
                         const PathComponent& name, struct statx& status) {
  InodeTable& inodes = context.session.inodes;
  const InodeTable::Stamp before = inodes.Now();
  POSTERN_RETURN_IF_ERROR(StatName(parent.fd(), name, status));
  InodeKey key{IdentityOf(status), std::nullopt};
  const MountRef mount = KnownMount(context, *parent.inode, key.identity.mount_id);
  FileHandle handle;
  bool sure = true;
  if (mount != nullptr && mount->has_handles()) {
    const ErrnoOr<uint64_t> mount_id = handle.Set(parent.fd(), name);
    if (mount_id.ok()) key.handle = handle.view();
    // Otherwise the name has come to mean another file since.
    sure = mount_id.ok() ? *mount_id == mount->id() : MeansNoHandle(mount_id.error());
  }
  if (sure) {
    if (InodeRef known = inodes.FindAndCount(key, status.stx_mode, before)) return known;
  }

  BudgetedFd path;
  // A handle costs nothing: with the budget used up these go on.
  if (!key.handle) {
    POSTERN_ASSIGN_OR_RETURN(path.share,
                             context.filesystem.budget().Take(DescriptorBudget::Kind::kInode));
  }
  POSTERN_ASSIGN_OR_RETURN(path.fd, OpenBeneath(parent.fd(), name, O_PATH, 0));
  // All again, on the descriptor: the name may mean another file by now.
  return AddInode(context, *parent.inode, std::move(path), status);
}

ErrnoOr<InodeRef> AddInode(OperationContext& context, const Inode& parent, BudgetedFd path,
                           struct statx& status, bool keep_descriptor) {
  POSTERN_RETURN_IF_ERROR(StatDescriptor(path.fd.get(), status));
  InodeParts parts;
  parts.key.identity = IdentityOf(status);
  parts.type = status.stx_mode;
  FileHandle handle;
  if (MountTable* mounts = context.filesystem.mounts()) {
    parts.mount = KnownMount(context, parent, parts.key.identity.mount_id);
    if (parts.mount == nullptr) {
      POSTERN_ASSIGN_OR_RETURN(parts.mount, mounts->FindOrAdd(path.fd.get(), status));
    }
    if (parts.mount->has_handles()) {
      const ErrnoOr<uint64_t> mount_id = handle.Set(path.fd.get());
      if (mount_id.ok()) {
        parts.key.handle = handle.view();
      } else if (!MeansNoHandle(mount_id.error()) ||
                 mounts->policy() == MountTable::Policy::kError) {
        return mount_id.error();
      }
    }
  }
  // Closed after the insert: until then it makes sure that what was read belongs together.
  BudgetedFd unused;
  if (parts.key.handle && !keep_descriptor) {
    unused = std::move(path);
  } else {
    if (!path.share) {
      POSTERN_ASSIGN_OR_RETURN(path.share,
                               context.filesystem.budget().Take(DescriptorBudget::Kind::kInode));
    }
    parts.path = std::move(path);
  }
  return context.session.inodes.InsertOrFind(std::move(parts));
}

void UndoLookUp(OperationContext& context, const InodeRef& inode) {
  context.session.inodes.Forget(inode->id(), 1);
}

}  // namespace postern
