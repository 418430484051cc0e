#include "broker/file_operations.h"

#include <fcntl.h>
#include <unistd.h>

#include "broker/attributes.h"
#include "broker/caller.h"
#include "broker/lookup.h"
#include "common/path_component.h"

namespace postern::operations {
namespace {

// Puts an open file into the table and its descriptor into the reply.
ErrnoOrVoid AnswerOpened(OperationContext& context, NodeId node, int flags, BudgetedFd fd,
                         rpc::OpenedFile& opened) {
  // O_TRUNC has been done, and must not be done again by whoever reopens the file.
  auto file = std::make_shared<OpenFile>(node, OpenFile::Kind::kFile,
                                         static_cast<uint32_t>(flags & ~O_TRUNC), std::move(fd));
  POSTERN_ASSIGN_OR_RETURN(const OpenFileId id, context.session.open_files.Insert(file));
  context.reply_file = std::move(file);
  opened.set_open_file_id(id.value());
  return {};
}

ErrnoOrVoid OpenInode(OperationContext& context, const Inode& inode, int flags,
                      bool kill_privileges, rpc::OpenedFile& opened) {
  if (!S_ISREG(inode.type())) return Errno(EBADF);
  BudgetedFd fd;
  POSTERN_ASSIGN_OR_RETURN(fd.share, context.filesystem.budget().Take());
  {
    const ScopedNoFsetid guard(context.filesystem.credentials(), kill_privileges);
    POSTERN_ASSIGN_OR_RETURN(fd.fd, Reopen(context, inode, flags));
  }
  return AnswerOpened(context, inode.id(), flags, std::move(fd), opened);
}

// CREATE of a name that exists already: LOOKUP and OPEN.
ErrnoOrVoid OpenExisting(OperationContext& context, const PinnedInode& parent,
                         const PathComponent& name, int flags, bool kill_privileges,
                         rpc::CreatedFile& created) {
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode, LookUp(context, parent, name, status));
  const ErrnoOrVoid opened =
      OpenInode(context, *inode, flags, kill_privileges, *created.mutable_opened());
  if (!opened.ok()) {
    UndoLookUp(context, inode);
    return opened;
  }
  // O_TRUNC has changed what the lookup saw. If this fails the older attributes have to do: the
  // file is open.
  if ((flags & O_TRUNC) != 0) (void)StatDescriptor(context.reply_file->fd(), status).ok();
  FillEntry(parent.inode->identity(), *inode, status, context.filesystem.ids(),
            *created.mutable_entry());
  return {};
}

}  // namespace

ErrnoOrVoid Open(OperationContext& context, const rpc::OpenRequest& request, rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const int flags, FileOpenFlags(request.flags()));
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           context.session.inodes.Get(NodeId(request.node_id())));
  return OpenInode(context, *inode, flags, request.kill_privileges(), *reply.mutable_opened());
}

ErrnoOrVoid Create(OperationContext& context, const rpc::CreateRequest& request,
                   rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.name()));
  POSTERN_ASSIGN_OR_RETURN(int flags, FileOpenFlags(request.flags()));
  flags &= ~O_DIRECTORY;
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode parent, Pin(context, NodeId(request.parent())));
  // Both shares first: with the budget used up nothing must have been made.
  BudgetedFd file, path;
  POSTERN_ASSIGN_OR_RETURN(file.share, context.filesystem.budget().Take());
  POSTERN_ASSIGN_OR_RETURN(path.share, context.filesystem.budget().Take());
  {
    POSTERN_ASSIGN_OR_RETURN(const ScopedCredentials guard, ActAs(context, request.credentials()));
    ErrnoOr<UniqueFd> made =
        OpenBeneath(parent.fd(), name, flags | O_CREAT | O_EXCL, request.mode() & 07777);
    if (!made.ok() && (made.error() != Errno(EEXIST) || (request.flags() & O_EXCL) != 0)) {
      return made.error();
    }
    if (made.ok()) file.fd = std::move(*made);
  }
  rpc::CreatedFile& created = *reply.mutable_created();
  if (!file.fd) {
    file = {};
    path = {};
    return OpenExisting(context, parent, name, flags, request.kill_privileges(), created);
  }

  // The entry is that of the new file itself: the name may mean another one by now.
  POSTERN_ASSIGN_OR_RETURN(path.fd, context.filesystem.proc_fd().OpenPath(file.fd.get()));
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           AddInode(context, *parent.inode, std::move(path), status));
  const ErrnoOrVoid opened =
      AnswerOpened(context, inode->id(), flags, std::move(file), *created.mutable_opened());
  if (!opened.ok()) {
    UndoLookUp(context, inode);
    return opened;
  }
  FillEntry(parent.inode->identity(), *inode, status, context.filesystem.ids(),
            *created.mutable_entry());
  return {};
}

ErrnoOrVoid Release(OperationContext& context, const rpc::ReleaseRequest& request, rpc::Reply&) {
  const ErrnoOr<OpenFileRef> removed = context.session.open_files.Remove(
      OpenFileId(request.open_file_id()), NodeId(request.node_id()), OpenFile::Kind::kFile);
  return removed.ok() ? ErrnoOrVoid() : removed.error();
}

ErrnoOrVoid SyncFilesystem(OperationContext& context, const rpc::SyncFilesystemRequest& request,
                           rpc::Reply&) {
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           context.session.inodes.Get(NodeId(request.node_id())));
  POSTERN_ASSIGN_OR_RETURN(const UniqueFd fd, Reopen(context, *inode, O_RDONLY | O_NONBLOCK));
  return CheckSyscall(syncfs(fd.get()));
}

}  // namespace postern::operations
