#include "broker/filesystem.h"

#include <fcntl.h>

#include "broker/attributes.h"

namespace postern {

Filesystem::Filesystem(UniqueFd root, ProcFd proc_fd, ProcessCredentials credentials,
                       size_t descriptor_limit, FilesystemOptions options)
    : root_(std::move(root)),
      proc_fd_(std::move(proc_fd)),
      credentials_(std::move(credentials)),
      options_(std::move(options)),
      budget_(descriptor_limit) {}

ErrnoOr<std::shared_ptr<Session>> Filesystem::StartSession(SessionOptions options) {
  BudgetedFd root;
  POSTERN_ASSIGN_OR_RETURN(root.share, budget_.Take());
  root.fd.Reset(fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
  if (!root.fd) return Errno::Last();
  struct statx status;
  POSTERN_RETURN_IF_ERROR(StatDescriptor(root.fd.get(), status));
  return std::make_shared<Session>(options, IdentityOf(status), status.stx_mode, std::move(root));
}

ErrnoOr<PinnedInode> Pin(OperationContext& context, NodeId id) {
  POSTERN_ASSIGN_OR_RETURN(InodeRef inode, context.session.inodes.Get(id));
  POSTERN_ASSIGN_OR_RETURN(InodeDescriptor descriptor, inode->Descriptor());
  return PinnedInode{std::move(inode), std::move(descriptor)};
}

}  // namespace postern
