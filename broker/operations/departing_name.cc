#include "broker/operations/departing_name.h"

#include <sys/stat.h>

#include <memory>
#include <utility>

#include "broker/inodes/file_status.h"

namespace postern {
namespace {

// A descriptor of the inode that lasts longer than its open files, or none.
UniqueFd OpenLasting(OperationContext& context, const Inode& inode) {
  if (const OpenFileRef file = context.session.open_files.AnyOf(inode.id())) {
    ErrnoOr<UniqueFd> path = context.filesystem.proc_fd().OpenPath(file->fd());
    return path.ok() ? std::move(*path) : UniqueFd();
  }
  ErrnoOr<UniqueFd> path = inode.OpenByHandle();
  return path.ok() ? std::move(*path) : UniqueFd();
}

}  // namespace

DepartingName::DepartingName(OperationContext& context, const PinnedInode& parent,
                             const PathComponent& name)
    : context_(context) {
  if (context.filesystem.mounts() == nullptr) return;  // Each inode has a descriptor.
  struct statx status;
  if (!StatName(parent.fd(), name, status).ok()) return;
  if (!S_ISDIR(status.stx_mode) && status.stx_nlink > 1) return;
  InodeTable::InodeAndPath found = context.session.inodes.FindAny(IdentityOf(status));
  if (!found.inode || found.inode->has_descriptor()) return;
  path_ = std::move(found.path);
  if (path_ == nullptr) {
    UniqueFd opened = OpenLasting(context, *found.inode);
    // The inode of a number that was given away again leads nowhere, or to another file.
    struct statx own;
    if (!opened || !StatDescriptor(opened.get(), own).ok() ||
        IdentityOf(own) != found.inode->identity() ||
        (own.stx_mode & S_IFMT) != found.inode->type()) {
      return;
    }
    path_ = std::make_shared<const UniqueFd>(std::move(opened));
  }
  inode_ = std::move(found.inode);
}

void DepartingName::Gone() {
  if (inode_) context_.session.inodes.RetainPath(*inode_, std::move(path_));
}

}  // namespace postern
