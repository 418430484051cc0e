#include "broker/operations/filesystem.h"

#include <fcntl.h>

#include "broker/inodes/file_status.h"

namespace postern {
namespace {

// A descriptor of an inode that has none, neither of its own nor in the cache. If that took a
// statx(2), it went to `status`, which is left alone otherwise.
ErrnoOr<InodeDescriptor> OpenUncached(OperationContext& context, const Inode& inode,
                                      struct statx& status, unsigned more) {
  // Costs no system call; and some filesystems don't open the handle of a deleted file.
  if (OpenFileRef file = context.session.open_files.AnyOf(inode.id())) {
    const int fd = file->fd();
    return InodeDescriptor(fd, std::move(file));
  }
  POSTERN_ASSIGN_OR_RETURN(UniqueFd fd, inode.OpenByHandle());
  POSTERN_RETURN_IF_ERROR(StatDescriptor(fd.get(), status, more));
  // A handle leads to what the filesystem takes it for. Handles have been known to come back (32
  // bits of generation, which a guest can try), and behind this one may now be a device.
  if ((status.stx_mode & S_IFMT) != inode.type()) return Errno(ESTALE);
  // Some filesystems give a file another number over time: that one mustn't be found by it.
  if (IdentityOf(status) != inode.identity()) {
    return InodeDescriptor(std::make_shared<const UniqueFd>(std::move(fd)));
  }
  return InodeDescriptor(context.session.inodes.KeepPath(inode, std::move(fd)));
}

ErrnoOr<PinnedInode> PinWith(OperationContext& context, NodeId id, struct statx& status,
                             unsigned more) {
  POSTERN_ASSIGN_OR_RETURN(InodeTable::InodeAndPath found, context.session.inodes.GetWithPath(id));
  InodeRef& inode = found.inode;
  if (inode->has_descriptor()) {
    const int fd = inode->descriptor();
    return PinnedInode{std::move(inode), InodeDescriptor(fd)};
  }
  if (found.path != nullptr) {
    return PinnedInode{std::move(inode), InodeDescriptor(std::move(found.path))};
  }
  POSTERN_ASSIGN_OR_RETURN(InodeDescriptor descriptor, OpenUncached(context, *inode, status, more));
  return PinnedInode{std::move(inode), std::move(descriptor)};
}

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
  budget_.SetCacheAside();
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
  return std::make_shared<Session>(options, std::move(root), &inode_budget_, &budget_);
}

ErrnoOr<InodeDescriptor> OpenPath(OperationContext& context, const Inode& inode) {
  if (inode.has_descriptor()) return InodeDescriptor(inode.descriptor());
  if (PathRef path = context.session.inodes.CachedPath(inode)) {
    return InodeDescriptor(std::move(path));
  }
  struct statx unused;
  return OpenUncached(context, inode, unused, 0);
}

ErrnoOr<PinnedInode> Pin(OperationContext& context, NodeId id) {
  struct statx unused;
  return PinWith(context, id, unused, 0);
}

ErrnoOr<PinnedInode> PinAndStat(OperationContext& context, NodeId id, struct statx& status,
                                unsigned more) {
  status.stx_mask = 0;  // As long as no statx(2) has filled it in.
  POSTERN_ASSIGN_OR_RETURN(PinnedInode inode, PinWith(context, id, status, more));
  if (status.stx_mask == 0) POSTERN_RETURN_IF_ERROR(StatDescriptor(inode.fd(), status, more));
  return inode;
}

ErrnoOr<UniqueFd> Reopen(OperationContext& context, const PinnedInode& inode, int flags) {
  if (!S_ISREG(inode.inode->type()) && !S_ISDIR(inode.inode->type())) return Errno(EBADF);
  return context.filesystem.proc_fd().ReopenUnchecked(inode.fd(), flags);
}

}  // namespace postern
