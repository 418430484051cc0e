#include "broker/operations/namespace_operations.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "broker/identity/attributes.h"
#include "broker/inodes/file_status.h"
#include "broker/operations/caller.h"
#include "broker/operations/departing_name.h"
#include "broker/operations/extended_attributes.h"
#include "broker/operations/lookup.h"
#include "common/path_component.h"

namespace postern::operations {
namespace {

constexpr uint32_t kPermissionBits = 07777;

// Where an object is to be made, and what the guest's knowing it takes.
struct NewObject {
  const PathComponent& name;
  PinnedInode parent;
  InodeRoom room;
};

// The beginning of each request that makes an object.
template <typename Request>
ErrnoOr<NewObject> BeginMaking(OperationContext& context, const PathComponent& name,
                               const Request& request) {
  POSTERN_RETURN_IF_ERROR(CheckSecurityContext(context, request.has_security_context()));
  POSTERN_ASSIGN_OR_RETURN(PinnedInode parent, Pin(context, NodeId(request.parent())));
  POSTERN_ASSIGN_OR_RETURN(InodeRoom room, TakeRoom(context));
  return NewObject{name, std::move(parent), std::move(room)};
}

ErrnoOrVoid AnswerDot(OperationContext& context, const rpc::LookupRequest& request,
                      rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode directory, Pin(context, NodeId(request.parent())));
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           LookUpDot(context, directory, request.name(), status));
  // Whether it is a submount was said where its own name was looked up.
  FillEntry(inode->identity(), *inode, status, context.filesystem.ids(), *reply.mutable_entry());
  return {};
}

// Labels an object of `type`, which has just been made and looked up.
ErrnoOrVoid Label(OperationContext& context, const Inode& inode, mode_t type,
                  const rpc::SecurityContext& security, struct statx& status) {
  // Somebody else who may write to the directory can have exchanged the object for another one's
  // name: that one doesn't get a label which was meant for a new object.
  const bool sole = S_ISDIR(type) || status.stx_nlink == 1;
  if (inode.type() != (type & S_IFMT) || !sole) return Errno(ESTALE);
  POSTERN_ASSIGN_OR_RETURN(const InodeDescriptor path, OpenPath(context, inode));
  POSTERN_RETURN_IF_ERROR(SetSecurityContext(context, security, path.get()));
  return StatDescriptor(path.get(), status);
}

// The end of each of them, which has made an object of `type`. If it is to have a security context
// and can't have it, it goes again: nobody must find it without.
template <typename Request>
ErrnoOrVoid AnswerMade(OperationContext& context, NewObject made, const Request& request,
                       mode_t type, rpc::Reply& reply) {
  struct statx status;
  const auto look_up = [&]() -> ErrnoOr<InodeRef> {
    POSTERN_ASSIGN_OR_RETURN(
        InodeRef inode, LookUpNew(context, made.parent, made.name, std::move(made.room), status));
    if (!request.has_security_context()) return inode;
    const ErrnoOrVoid labelled = Label(context, *inode, type, request.security_context(), status);
    if (labelled.ok()) return inode;
    UndoLookUp(context, inode);
    return labelled.error();
  };
  const ErrnoOr<InodeRef> inode = look_up();
  if (!inode.ok()) {
    if (request.has_security_context() && inode.error() != Errno(ESTALE)) {
      (void)unlinkat(made.parent.fd(), made.name.c_str(), S_ISDIR(type) ? AT_REMOVEDIR : 0);
    }
    return inode.error();
  }
  FillEntry(made.parent.inode->identity(), **inode, status, context.filesystem.ids(),
            *reply.mutable_entry());
  return {};
}

ErrnoOrVoid Remove(OperationContext& context, uint64_t parent_id, const std::string& bytes,
                   int flags) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(bytes));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode parent, Pin(context, NodeId(parent_id)));
  DepartingName departing(context, parent, name);
  POSTERN_RETURN_IF_ERROR(CheckSyscall(unlinkat(parent.fd(), name.c_str(), flags)));
  departing.Gone();
  return {};
}

}  // namespace

ErrnoOrVoid Lookup(OperationContext& context, const rpc::LookupRequest& request,
                   rpc::Reply& reply) {
  if (IsDotName(request.name())) return AnswerDot(context, request, reply);
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.name()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode parent, Pin(context, NodeId(request.parent())));
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           LookUp(context, parent, name, status, ExpectFromLast(context)));
  FillEntry(parent.inode->identity(), *inode, status, context.filesystem.ids(),
            *reply.mutable_entry());
  return {};
}

ErrnoOrVoid Forget(OperationContext& context, const rpc::ForgetRequest& request, rpc::Reply&) {
  for (const rpc::ForgetRequest::Item& item : request.items()) {
    context.session.inodes.Forget(NodeId(item.node_id()), item.count());
  }
  return {};
}

ErrnoOrVoid MakeNode(OperationContext& context, const rpc::MakeNodeRequest& request,
                     rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.name()));
  if (S_ISDIR(request.mode())) return Errno(EPERM);  // As mknod(2).
  const mode_t type = (request.mode() & S_IFMT) == 0 ? S_IFREG : request.mode() & S_IFMT;
  // What the kernel's device numbers have room for (new_encode_dev): beyond, another device would
  // be made.
  if (request.rdev_major() > 0xfff || request.rdev_minor() > 0xfffff) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(NewObject node, BeginMaking(context, name, request));
  {
    POSTERN_ASSIGN_OR_RETURN(const ScopedCredentials guard, ActAs(context, request.credentials()));
    const RequestUmask mask(context, request.umask());
    POSTERN_RETURN_IF_ERROR(CheckSyscall(
        mknodat(node.parent.fd(), name.c_str(), request.mode() & (S_IFMT | kPermissionBits),
                makedev(request.rdev_major(), request.rdev_minor()))));
  }
  return AnswerMade(context, std::move(node), request, type, reply);
}

ErrnoOrVoid MakeDirectory(OperationContext& context, const rpc::MakeDirectoryRequest& request,
                          rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.name()));
  POSTERN_ASSIGN_OR_RETURN(NewObject directory, BeginMaking(context, name, request));
  {
    POSTERN_ASSIGN_OR_RETURN(const ScopedCredentials guard, ActAs(context, request.credentials()));
    const RequestUmask mask(context, request.umask());
    POSTERN_RETURN_IF_ERROR(CheckSyscall(
        mkdirat(directory.parent.fd(), name.c_str(), request.mode() & kPermissionBits)));
  }
  return AnswerMade(context, std::move(directory), request, S_IFDIR, reply);
}

ErrnoOrVoid Symlink(OperationContext& context, const rpc::SymlinkRequest& request,
                    rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.name()));
  POSTERN_ASSIGN_OR_RETURN(NewObject link, BeginMaking(context, name, request));
  {
    POSTERN_ASSIGN_OR_RETURN(const ScopedCredentials guard, ActAs(context, request.credentials()));
    // The target may be anything: nobody follows it on this side.
    POSTERN_RETURN_IF_ERROR(
        CheckSyscall(symlinkat(request.target().c_str(), link.parent.fd(), name.c_str())));
  }
  return AnswerMade(context, std::move(link), request, S_IFLNK, reply);
}

ErrnoOrVoid Unlink(OperationContext& context, const rpc::UnlinkRequest& request, rpc::Reply&) {
  return Remove(context, request.parent(), request.name(), 0);
}

ErrnoOrVoid RemoveDirectory(OperationContext& context, const rpc::RemoveDirectoryRequest& request,
                            rpc::Reply&) {
  return Remove(context, request.parent(), request.name(), AT_REMOVEDIR);
}

ErrnoOrVoid Rename(OperationContext& context, const rpc::RenameRequest& request, rpc::Reply&) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent old_name, PathComponent::Parse(request.old_name()));
  POSTERN_ASSIGN_OR_RETURN(const PathComponent new_name, PathComponent::Parse(request.new_name()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode old_parent,
                           Pin(context, NodeId(request.old_parent())));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode new_parent,
                           Pin(context, NodeId(request.new_parent())));
  // As the kernel, which the filter doesn't let see others.
  constexpr uint32_t kKnown = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
  if ((request.flags() & ~kKnown) != 0) return Errno(EINVAL);
  const auto move = [&](uint32_t flags) {
    return CheckSyscall(
        renameat2(old_parent.fd(), old_name.c_str(), new_parent.fd(), new_name.c_str(), flags));
  };
  if ((request.flags() & (RENAME_EXCHANGE | RENAME_NOREPLACE)) != 0) return move(request.flags());
  // Most new names are free, and then none departs. Any error but EEXIST shows again.
  if (context.filesystem.mounts() != nullptr && move(request.flags() | RENAME_NOREPLACE).ok()) {
    return {};
  }
  DepartingName departing(context, new_parent, new_name);
  POSTERN_RETURN_IF_ERROR(move(request.flags()));
  departing.Gone();
  return {};
}

ErrnoOrVoid Link(OperationContext& context, const rpc::LinkRequest& request, rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.new_name()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode parent, Pin(context, NodeId(request.new_parent())));
  // Counted before it has the name: a guest that forgets it meanwhile is refused, and nothing done.
  POSTERN_RETURN_IF_ERROR(context.session.inodes.Count(inode.inode->id()));
  struct statx status;
  const auto link = [&]() -> ErrnoOrVoid {
    // AT_SYMLINK_FOLLOW follows the magic link only: if the inode is a symlink it gets the new name
    // itself. AT_EMPTY_PATH would do without /proc, but needs CAP_DAC_READ_SEARCH.
    POSTERN_RETURN_IF_ERROR(CheckSyscall(linkat(context.filesystem.proc_fd().directory(),
                                                DescriptorName(inode.fd()).c_str(), parent.fd(),
                                                name.c_str(), AT_SYMLINK_FOLLOW)));
    return StatDescriptor(inode.fd(), status);
  };
  const ErrnoOrVoid linked = link();
  if (!linked.ok()) {
    UndoLookUp(context, inode.inode);
    return linked;
  }
  FillEntry(parent.inode->identity(), *inode.inode, status, context.filesystem.ids(),
            *reply.mutable_entry());
  return {};
}

ErrnoOrVoid ReadLink(OperationContext& context, const rpc::ReadLinkRequest& request,
                     rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  // Linux gives ENOENT for an empty path on anything else.
  if (!S_ISLNK(inode.inode->type())) return Errno(EINVAL);
  char target[PATH_MAX];
  const ssize_t size = readlinkat(inode.fd(), "", target, sizeof(target));
  if (size < 0) return Errno::Last();
  reply.mutable_link_target()->assign(target, static_cast<size_t>(size));
  return {};
}

}  // namespace postern::operations
