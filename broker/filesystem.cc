#include "broker/filesystem.h"

#include <fcntl.h>

#include "broker/attributes.h"

namespace postern {
namespace {

ErrnoOr<UniqueFd> ReopenAt(OperationContext& context, const Inode& inode, int fd, int flags) {
  if (!inode.has_descriptor()) {
    // A handle leads to what the filesystem takes it for. Handles have been known to come back (32
    // bits of generation, which a guest can try), and behind this one may now be a device.
    struct statx status;
    POSTERN_RETURN_IF_ERROR(StatDescriptor(fd, status));
    if ((status.stx_mode & S_IFMT) != inode.type()) return Errno(ESTALE);
  }
  return context.filesystem.proc_fd().ReopenUnchecked(fd, flags);
}

bool MayBeOpened(const Inode& inode) { return S_ISREG(inode.type()) || S_ISDIR(inode.type()); }

}  // namespace

Filesystem::Filesystem(UniqueFd root, ProcFd proc_fd, ProcessCredentials credentials,
                       size_t descriptor_limit, FilesystemOptions options)
    : root_(std::move(root)),
      proc_fd_(std::move(proc_fd)),
      credentials_(std::move(credentials)),
      options_(std::move(options)),
      budget_(descriptor_limit),
      inode_budget_(options_.max_inodes) {}

ErrnoOrVoid Filesystem::UseFileHandles(MountTable::Policy policy) {
  auto mounts = std::make_unique<MountTable>(proc_fd_, budget_, policy);
  struct statx status;
  POSTERN_RETURN_IF_ERROR(StatDescriptor(root_.get(), status));
  if ((status.stx_mask & STATX_MNT_ID) == 0) return Errno(ENOSYS);  // Linux before 5.8.
  POSTERN_ASSIGN_OR_RETURN(BudgetedFd opened, mounts->Open(root_.get(), status));
  root_mount_ = mounts->Add(IdentityOf(status).mount_id, std::move(opened));
  mounts_ = std::move(mounts);
  return {};
}

ErrnoOr<std::shared_ptr<Session>> Filesystem::StartSession(SessionOptions options) {
  InodeParts root;
  // Not of the guest's budget: a guest that has used it up must still be able to begin anew. There
  // are as many sessions as threads that work in them and one, and the budget leaves each thread
  // room for more (DescriptorBudget::LimitFor).
  root.path.fd.Reset(fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
  if (!root.path.fd) return Errno::Last();
  struct statx status;
  POSTERN_RETURN_IF_ERROR(StatDescriptor(root.path.fd.get(), status));
  root.key.identity = IdentityOf(status);
  root.type = status.stx_mode;
  root.mount = root_mount_;
  return std::make_shared<Session>(options, std::move(root), &inode_budget_);
}

ErrnoOr<InodeDescriptor> OpenPath(OperationContext& context, const Inode& inode) {
  ErrnoOr<InodeDescriptor> path = inode.Descriptor();
  if (path.ok() || path.error() != Errno(ESTALE)) return path;
  OpenFileRef file = context.session.open_files.AnyOf(inode.id());
  if (file == nullptr) return path;
  const int fd = file->fd();
  return InodeDescriptor(fd, std::move(file));
}

ErrnoOr<PinnedInode> Pin(OperationContext& context, NodeId id) {
  POSTERN_ASSIGN_OR_RETURN(InodeRef inode, context.session.inodes.Get(id));
  POSTERN_ASSIGN_OR_RETURN(InodeDescriptor descriptor, OpenPath(context, *inode));
  return PinnedInode{std::move(inode), std::move(descriptor)};
}

ErrnoOr<UniqueFd> Reopen(OperationContext& context, const Inode& inode, int flags) {
  if (!MayBeOpened(inode)) return Errno(EBADF);
  POSTERN_ASSIGN_OR_RETURN(const InodeDescriptor path, OpenPath(context, inode));
  return ReopenAt(context, inode, path.get(), flags);
}

ErrnoOr<UniqueFd> Reopen(OperationContext& context, const PinnedInode& inode, int flags) {
  if (!MayBeOpened(*inode.inode)) return Errno(EBADF);
  return ReopenAt(context, *inode.inode, inode.fd(), flags);
}

}  // namespace postern
