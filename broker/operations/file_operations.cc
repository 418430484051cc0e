#include "broker/operations/file_operations.h"

#include <fcntl.h>
#include <unistd.h>

#include "broker/identity/attributes.h"
#include "broker/inodes/file_status.h"
#include "broker/operations/caller.h"
#include "broker/operations/extended_attributes.h"
#include "broker/operations/lookup.h"
#include "broker/operations/open_flags.h"
#include "common/path_component.h"

namespace postern::operations {
namespace {

// Whether what is opened with these flags can change through the descriptor, or by the opening.
bool IsForWriting(int flags) { return (flags & (O_ACCMODE | O_TRUNC)) != O_RDONLY; }

// Puts an open file into the table and its descriptor into the reply. `mode` is the file's, once it
// was open.
ErrnoOrVoid AnswerOpened(OperationContext& context, const Inode& inode, int flags, uint32_t mode,
                         BudgetedFd fd, rpc::OpenedFile& opened) {
  const StallTable::Traits traits = context.filesystem.stalls().Of(fd.fd.get(), inode.identity());
  opened.set_may_stall(traits.may_stall);
  opened.set_in_memory(traits.in_memory);
  // O_TRUNC has been done, and must not be done again by whoever reopens the file.
  auto file = std::make_shared<OpenFile>(inode.id(), OpenFile::Kind::kFile,
                                         static_cast<uint32_t>(flags & ~O_TRUNC), std::move(fd));
  file->set_may_stall(traits.may_stall);
  POSTERN_ASSIGN_OR_RETURN(const OpenFileId id, context.session.open_files.Insert(file));
  context.reply_file = std::move(file);
  opened.set_open_file_id(id.value());
  opened.set_has_set_id_bits((mode & (S_ISUID | S_ISGID)) != 0);
  return {};
}

// Of the flags that the guest opens with, those of which FileOpenFlags() says nothing.
struct OpenRules {
  bool kill_privileges = false;
  bool append = false;
};

template <typename Request>
OpenRules RulesOf(const Request& request) {
  return {.kill_privileges = request.kill_privileges(),
          .append = (request.flags() & O_APPEND) != 0};
}

// `status`, if it isn't null, becomes what the file is once it is open.
ErrnoOrVoid OpenInode(OperationContext& context, const PinnedInode& pinned, int flags,
                      const OpenRules& rules, struct statx* status, rpc::OpenedFile& opened) {
  const Inode& inode = *pinned.inode;
  if (inode.is_directory()) return Errno(EISDIR);
  if (!S_ISREG(inode.type())) return Errno(EBADF);
  BudgetedFd fd;
  POSTERN_ASSIGN_OR_RETURN(fd.share, context.filesystem.budget().Take());
  {
    // Only O_TRUNC takes set-id bits away.
    const ScopedNoFsetid guard(context.filesystem.credentials(),
                               rules.kill_privileges && (flags & O_TRUNC) != 0);
    ErrnoOr<UniqueFd> reopened = Reopen(context, pinned, flags);
    if (reopened.errno_value() == EPERM && rules.append) {
      // What has the append-only attribute (chattr +a) is opened for writing in no other way.
      flags |= O_APPEND;
      reopened = Reopen(context, pinned, flags);
    }
    if (!reopened.ok()) return reopened.error();
    fd.fd = std::move(*reopened);
  }
  // What the worker writes from here on isn't seen here: a capability that the kernel doesn't know
  // of goes when the file is opened for writing. The guest that sets one afterwards and writes
  // through the same open file keeps it.
  if (IsForWriting(flags)) {
    POSTERN_RETURN_IF_ERROR(DropCapability(context, inode.type(), fd.fd.get()));
  }
  // Set-id bits concern writes only. Who reads is spared the call.
  uint32_t mode = 0;
  if (status != nullptr || IsForWriting(flags)) {
    struct statx own;
    if (status == nullptr) status = &own;
    POSTERN_RETURN_IF_ERROR(StatDescriptor(fd.fd.get(), *status));
    mode = status->stx_mode;
  }
  return AnswerOpened(context, inode, flags, mode, std::move(fd), opened);
}

// CREATE of a name that exists already: LOOKUP and OPEN.
ErrnoOrVoid OpenExisting(OperationContext& context, const PinnedInode& parent,
                         const PathComponent& name, int flags, const OpenRules& rules,
                         rpc::CreatedFile& created) {
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           LookUp(context, parent, name, status, Expect::kNew));
  const auto open = [&]() -> ErrnoOrVoid {
    POSTERN_ASSIGN_OR_RETURN(InodeDescriptor path, OpenPath(context, *inode));
    return OpenInode(context, {inode, std::move(path)}, flags, rules, &status,
                     *created.mutable_opened());
  };
  const ErrnoOrVoid opened = open();
  if (!opened.ok()) {
    UndoLookUp(context, inode);
    return opened;
  }
  FillEntry(parent.inode->identity(), *inode, status, context.filesystem.ids(),
            *created.mutable_entry());
  return {};
}

// `otherwise` if `name` isn't there to be opened instead of made.
ErrnoOrVoid CheckExists(const PinnedInode& parent, const PathComponent& name, Errno otherwise) {
  struct statx status;
  const ErrnoOrVoid found = StatName(parent.fd(), name, status);
  return !found.ok() && found.error() == Errno(ENOENT) ? ErrnoOrVoid(otherwise) : found;
}

// What a file that is made takes of the budgets. `file` has no descriptor as long as it isn't made.
struct NewFile {
  BudgetedFd file;
  InodeRoom room;
};

// ENFILE if nothing is left.
ErrnoOr<NewFile> BeginMaking(OperationContext& context) {
  NewFile made;
  POSTERN_ASSIGN_OR_RETURN(made.file.share, context.filesystem.budget().Take());
  POSTERN_ASSIGN_OR_RETURN(made.room, TakeRoom(context));
  return made;
}

// Answers a new file. The entry is that of the file itself: its name may mean another one by now.
ErrnoOrVoid AnswerCreated(OperationContext& context, const PinnedInode& parent, int flags,
                          NewFile made, bool has_name, rpc::CreatedFile& created) {
  struct statx status;
  const int fd = made.file.fd.get();
  const auto add = [&]() -> ErrnoOr<InodeRef> {
    if (has_name) return AddOpened(context, *parent.inode, fd, std::move(made.room), status);
    POSTERN_ASSIGN_OR_RETURN(made.room.path.fd, context.filesystem.proc_fd().OpenPath(fd));
    return AddInode(context, *parent.inode, std::move(made.room), status, /*keep_descriptor=*/true);
  };
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode, add());
  const ErrnoOrVoid opened = AnswerOpened(context, *inode, flags, status.stx_mode,
                                          std::move(made.file), *created.mutable_opened());
  if (!opened.ok()) {
    UndoLookUp(context, inode);
    return opened;
  }
  FillEntry(parent.inode->identity(), *inode, status, context.filesystem.ids(),
            *created.mutable_entry());
  return {};
}

}  // namespace

ErrnoOrVoid Open(OperationContext& context, const rpc::OpenRequest& request, rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const int flags,
                           FileOpenFlags(request.flags(), context.filesystem.options()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  return OpenInode(context, inode, flags, RulesOf(request), /*status=*/nullptr,
                   *reply.mutable_opened());
}

ErrnoOrVoid Create(OperationContext& context, const rpc::CreateRequest& request,
                   rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PathComponent name, PathComponent::Parse(request.name()));
  POSTERN_RETURN_IF_ERROR(CheckSecurityContext(context, request.has_security_context()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode parent, Pin(context, NodeId(request.parent())));
  const bool readonly = context.filesystem.options().readonly;
  if (readonly) POSTERN_RETURN_IF_ERROR(CheckExists(parent, name, Errno(EROFS)));
  POSTERN_ASSIGN_OR_RETURN(int flags, FileOpenFlags(request.flags(), context.filesystem.options()));
  flags &= ~O_DIRECTORY;
  rpc::CreatedFile& created = *reply.mutable_created();
  if (readonly) return OpenExisting(context, parent, name, flags, OpenRules(), created);
  const bool exclusive = (request.flags() & O_EXCL) != 0;
  ErrnoOr<NewFile> room = BeginMaking(context);
  if (!room.ok()) {
    // What is there, and known, may still be opened.
    if (exclusive) return room.error();
    POSTERN_RETURN_IF_ERROR(CheckExists(parent, name, room.error()));
    return OpenExisting(context, parent, name, flags, RulesOf(request), created);
  }
  NewFile made = std::move(*room);
  {
    POSTERN_ASSIGN_OR_RETURN(const ScopedCredentials guard, ActAs(context, request.credentials()));
    const RequestUmask mask(context, request.umask());
    ErrnoOr<UniqueFd> opened =
        OpenBeneath(parent.fd(), name, flags | O_CREAT | O_EXCL, request.mode() & 07777);
    if (!opened.ok() && (opened.error() != Errno(EEXIST) || exclusive)) return opened.error();
    if (opened.ok()) made.file.fd = std::move(*opened);
  }
  if (!made.file.fd) {
    made = {};
    return OpenExisting(context, parent, name, flags, RulesOf(request), created);
  }
  if (request.has_security_context()) {
    const ErrnoOrVoid labelled =
        SetSecurityContext(context, request.security_context(), made.file.fd.get());
    if (!labelled.ok()) {
      (void)unlinkat(parent.fd(), name.c_str(), 0);
      return labelled;
    }
  }
  return AnswerCreated(context, parent, flags, std::move(made), /*has_name=*/true, created);
}

ErrnoOrVoid CreateTemporaryFile(OperationContext& context,
                                const rpc::CreateTemporaryFileRequest& request, rpc::Reply& reply) {
  POSTERN_RETURN_IF_ERROR(CheckSecurityContext(context, request.has_security_context()));
  POSTERN_ASSIGN_OR_RETURN(int flags, FileOpenFlags(request.flags(), context.filesystem.options()));
  flags &= ~(O_DIRECTORY | O_TRUNC);
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode parent, Pin(context, NodeId(request.parent())));
  POSTERN_ASSIGN_OR_RETURN(NewFile made, BeginMaking(context));
  {
    POSTERN_ASSIGN_OR_RETURN(const ScopedCredentials guard, ActAs(context, request.credentials()));
    const RequestUmask mask(context, request.umask());
    // "." of an O_PATH descriptor is the directory itself, or ENOTDIR. O_EXCL means here that the
    // file never gets a name.
    const int exclusive = static_cast<int>(request.flags() & O_EXCL);
    made.file.fd.Reset(openat(parent.fd(), ".", flags | exclusive | O_TMPFILE | O_CLOEXEC,
                              request.mode() & 07777));
    if (!made.file.fd) return Errno::Last();
  }
  if (request.has_security_context()) {
    POSTERN_RETURN_IF_ERROR(
        SetSecurityContext(context, request.security_context(), made.file.fd.get()));
  }
  return AnswerCreated(context, parent, flags, std::move(made), /*has_name=*/false,
                       *reply.mutable_created());
}

ErrnoOrVoid Release(OperationContext& context, const rpc::ReleaseRequest& request, rpc::Reply&) {
  POSTERN_ASSIGN_OR_RETURN(
      const OpenFileRef file,
      context.session.open_files.Remove(OpenFileId(request.open_file_id()),
                                        NodeId(request.node_id()), OpenFile::Kind::kFile));
  if (file->may_stall() && context.before_slow != nullptr) (*context.before_slow)();
  return {};  // The file is closed with its last reference, most likely here.
}

ErrnoOrVoid SyncFilesystem(OperationContext& context, const rpc::SyncFilesystemRequest& request,
                           rpc::Reply&) {
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  POSTERN_ASSIGN_OR_RETURN(const UniqueFd fd, Reopen(context, inode, O_RDONLY | O_NONBLOCK));
  return CheckSyscall(syncfs(fd.get()));
}

}  // namespace postern::operations
