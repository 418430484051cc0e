#include "broker/lookup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/attributes.h"

namespace postern {

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
  if (InodeRef known = inodes.FindAndCount(IdentityOf(status), before)) return known;

  BudgetedFd path;
  POSTERN_ASSIGN_OR_RETURN(path.share, context.filesystem.budget().Take());
  POSTERN_ASSIGN_OR_RETURN(path.fd, OpenBeneath(parent.fd(), name, O_PATH, 0));
  // Again, on the descriptor: the name may mean another file by now.
  POSTERN_RETURN_IF_ERROR(StatDescriptor(path.fd.get(), status));
  return inodes.InsertOrFind(IdentityOf(status), status.stx_mode, std::move(path));
}

void UndoLookUp(OperationContext& context, const InodeRef& inode) {
  context.session.inodes.Forget(inode->id(), 1);
}

}  // namespace postern
