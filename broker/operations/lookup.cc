#include "broker/operations/lookup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/inodes/file_status.h"

namespace postern {
namespace {

// The mount of that id, most likely that of `parent`. None if no inode of it is known, or if the
// broker uses no handles.
MountRef KnownMount(OperationContext& context, const Inode& parent, uint64_t id) {
  if (parent.mount() == nullptr || parent.mount()->id() == id) return parent.mount();
  return context.filesystem.mounts()->Find(id);
}

// So many new ones in a row make the next one likely to be new. If it isn't, that costs more than
// is gained if it is.
constexpr uint32_t kNewInARow = 2;
// One in so many known names whose file has no descriptor in the cache brings it there. With all of
// them a guest that works on more files than fit would pay for each; without any, what was given up
// once wouldn't come back by lookups alone.
constexpr uint32_t kUncachedToKeep = 8;

// The inode of `name` if it is known and that takes no open; else none.
ErrnoOr<InodeRef> FindKnown(OperationContext& context, const PinnedInode& parent,
                            const PathComponent& name, struct statx& status) {
  InodeTable& inodes = context.session.inodes;
  const InodeTable::Stamp before = inodes.Now();
  POSTERN_RETURN_IF_ERROR(StatName(parent.fd(), name, status));
  InodeKey key{IdentityOf(status), std::nullopt};
  if (InodeRef pinned = inodes.FindAndCount(key, status.stx_mode, before)) return pinned;
  if (!inodes.Knows(key.identity)) return InodeRef();
  const MountRef mount = KnownMount(context, *parent.inode, key.identity.mount_id);
  if (mount == nullptr || !mount->has_handles()) return InodeRef();
  FileHandle handle;
  const ErrnoOr<uint64_t> mount_id = handle.Set(parent.fd(), name);
  // Otherwise it has no handle, or the name has come to mean another file since.
  if (!mount_id.ok() || *mount_id != mount->id()) return InodeRef();
  key.handle = handle.view();
  InodeRef known = inodes.FindAndCount(key, status.stx_mode, before);
  if (known && ++context.scratch.lookups.uncached % kUncachedToKeep == 0) {
    (void)OpenPath(context, *known);  // If it fails, whoever needs it hears of it.
  }
  return known;
}

// The same where no descriptor is left for a new one.
ErrnoOr<InodeRef> LookUpKnown(OperationContext& context, const PinnedInode& parent,
                              const PathComponent& name, struct statx& status) {
  POSTERN_ASSIGN_OR_RETURN(InodeRef known, FindKnown(context, parent, name, status));
  if (!known) return Errno(ENFILE);
  return known;
}

// The identity, type and mount of what `fd` is open on.
ErrnoOr<InodeParts> Identify(OperationContext& context, const Inode& parent, int fd,
                             const struct statx& status) {
  InodeParts parts;
  parts.key.identity = IdentityOf(status);
  parts.type = status.stx_mode;
  MountTable* mounts = context.filesystem.mounts();
  if (mounts == nullptr) return parts;
  parts.mount = KnownMount(context, parent, parts.key.identity.mount_id);
  if (parts.mount == nullptr) {
    POSTERN_ASSIGN_OR_RETURN(parts.mount, mounts->FindOrAdd(fd, status));
  }
  return parts;
}

bool HasHandles(const InodeParts& parts) {
  return parts.mount != nullptr && parts.mount->has_handles();
}

// Under kError the guest is told at once if there is no handle. And whose descriptor is given up is
// no affair of the operation that needs its place: it mustn't wait for that one's server.
bool MayAskForHandleLater(OperationContext& context, int fd, const InodeParts& parts) {
  return HasHandles(parts) && context.filesystem.mounts()->policy() != MountTable::Policy::kError &&
         !context.filesystem.stalls().MayStall(fd, parts.key.identity);
}

// Adds the handle of what `fd` is open on, if there is one; `handle` is what the key refers to.
ErrnoOrVoid AddHandle(OperationContext& context, int fd, FileHandle& handle, InodeParts& parts) {
  if (!HasHandles(parts)) return {};
  const ErrnoOr<uint64_t> mount_id = handle.Set(fd);
  if (mount_id.ok()) {
    parts.key.handle = handle.view();
  } else if (!MeansNoHandle(mount_id.error()) ||
             context.filesystem.mounts()->policy() == MountTable::Policy::kError) {
    return mount_id.error();
  }
  return {};
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

Expect ExpectFromLast(const OperationContext& context) {
  return context.scratch.lookups.new_in_a_row < kNewInARow ? Expect::kKnown : Expect::kNew;
}

ErrnoOr<InodeRef> LookUp(OperationContext& context, const PinnedInode& parent,
                         const PathComponent& name, struct statx& status, Expect expect) {
  if (expect == Expect::kKnown) {
    POSTERN_ASSIGN_OR_RETURN(InodeRef known, FindKnown(context, parent, name, status));
    if (known) {
      context.scratch.lookups.new_in_a_row = 0;
      return known;
    }
  }
  InodeRoom room;
  // A handle costs nothing: with the budget used up these go on.
  const MountRef& mount = parent.inode->mount();
  if (mount == nullptr || !mount->has_handles()) {
    ErrnoOr<DescriptorBudget::Share> share =
        context.filesystem.budget().Take(DescriptorBudget::Kind::kInode);
    // And so does what is known, whatever was expected.
    if (!share.ok() && expect == Expect::kNew) return LookUpKnown(context, parent, name, status);
    if (!share.ok()) return share.error();
    room.path.share = std::move(*share);
  }
  return LookUpNew(context, parent, name, std::move(room), status);
}

ErrnoOr<InodeRef> LookUpDot(OperationContext& context, const PinnedInode& directory,
                            std::string_view name, struct statx& status) {
  if (!directory.inode->is_directory()) return Errno(ENOTDIR);
  InodeTable& inodes = context.session.inodes;
  if (name == "." || directory.inode->id() == kRootNodeId) {
    POSTERN_RETURN_IF_ERROR(StatDescriptor(directory.fd(), status));
    POSTERN_RETURN_IF_ERROR(inodes.Count(directory.inode->id()));
    return directory.inode;
  }
  // It may lie outside of the share: it is looked at, and not kept.
  const UniqueFd parent(openat(directory.fd(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return Errno::Last();
  POSTERN_RETURN_IF_ERROR(StatDescriptor(parent.get(), status));
  InodeKey key{IdentityOf(status), std::nullopt};
  constexpr InodeTable::Stamp kOpen = InodeTable::kWhileOpen;
  if (InodeRef pinned = inodes.FindAndCount(key, status.stx_mode, kOpen)) return pinned;
  FileHandle handle;
  if (!inodes.Knows(key.identity) || !handle.Set(parent.get()).ok()) return Errno(ENOENT);
  key.handle = handle.view();
  InodeRef known = inodes.FindAndCount(key, status.stx_mode, kOpen);
  if (!known) return Errno(ENOENT);
  return known;
}

ErrnoOr<InodeRoom> TakeRoom(OperationContext& context) {
  InodeRoom room;
  POSTERN_ASSIGN_OR_RETURN(room.path.share,
                           context.filesystem.budget().Take(DescriptorBudget::Kind::kInode));
  room.inode = context.filesystem.inode_budget().Take();
  if (!room.inode) return Errno(ENFILE);
  return room;
}

ErrnoOr<InodeRef> LookUpNew(OperationContext& context, const PinnedInode& parent,
                            const PathComponent& name, InodeRoom room, struct statx& status) {
  POSTERN_ASSIGN_OR_RETURN(room.path.fd, OpenBeneath(parent.fd(), name, O_PATH, 0));
  // All again, on the descriptor: the name may mean another file by now.
  return AddInode(context, *parent.inode, std::move(room), status);
}

ErrnoOr<InodeRef> AddInode(OperationContext& context, const Inode& parent, InodeRoom room,
                           struct statx& status, bool keep_descriptor) {
  InodeTable& inodes = context.session.inodes;
  BudgetedFd path = std::move(room.path);
  POSTERN_RETURN_IF_ERROR(StatDescriptor(path.fd.get(), status));
  if (InodeRef pinned = inodes.FindAndCount({IdentityOf(status), std::nullopt}, status.stx_mode,
                                            InodeTable::kWhileOpen)) {
    context.scratch.lookups.new_in_a_row = 0;
    return pinned;
  }
  ++context.scratch.lookups.new_in_a_row;
  POSTERN_ASSIGN_OR_RETURN(InodeParts parts, Identify(context, parent, path.fd.get(), status));
  parts.share = std::move(room.inode);
  if (!keep_descriptor && MayAskForHandleLater(context, path.fd.get(), parts)) {
    parts.spare = std::move(path.fd);
    parts.handle_room = parts.mount->handle_size();
    POSTERN_ASSIGN_OR_RETURN(InodeRef added, inodes.InsertOrFindPinned(parts));
    if (added) return added;
    path.fd = std::move(parts.spare);
  }
  FileHandle handle;
  POSTERN_RETURN_IF_ERROR(AddHandle(context, path.fd.get(), handle, parts));
  if (parts.key.handle && !keep_descriptor) {
    parts.spare = std::move(path.fd);
  } else {
    if (!path.share) {
      POSTERN_ASSIGN_OR_RETURN(path.share,
                               context.filesystem.budget().Take(DescriptorBudget::Kind::kInode));
    }
    parts.path = std::move(path);
  }
  return inodes.InsertOrFind(std::move(parts));
}

ErrnoOr<InodeRef> AddOpened(OperationContext& context, const Inode& parent, int file,
                            InodeRoom room, struct statx& status) {
  POSTERN_RETURN_IF_ERROR(StatDescriptor(file, status));
  POSTERN_ASSIGN_OR_RETURN(InodeParts parts, Identify(context, parent, file, status));
  FileHandle handle;
  POSTERN_RETURN_IF_ERROR(AddHandle(context, file, handle, parts));
  parts.share = std::move(room.inode);
  if (!parts.key.handle) {
    parts.path.share = std::move(room.path.share);
    POSTERN_ASSIGN_OR_RETURN(parts.path.fd, context.filesystem.proc_fd().OpenPath(file));
  }
  return context.session.inodes.InsertOrFind(std::move(parts));
}

void UndoLookUp(OperationContext& context, const InodeRef& inode) {
  context.session.inodes.Forget(inode->id(), 1);
}

}  // namespace postern
