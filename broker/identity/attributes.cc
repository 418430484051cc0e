#include "broker/identity/attributes.h"

namespace postern {

void FillTimestamp(const struct statx_timestamp& time, rpc::Timestamp& to) {
  to.set_seconds(time.tv_sec);
  to.set_nanoseconds(time.tv_nsec);
}

void FillAttributes(const struct statx& status, const IdMap& ids, rpc::Attributes& attributes) {
  attributes.set_ino(status.stx_ino);
  attributes.set_size(status.stx_size);
  attributes.set_blocks(status.stx_blocks);
  attributes.set_atime_seconds(status.stx_atime.tv_sec);
  attributes.set_mtime_seconds(status.stx_mtime.tv_sec);
  attributes.set_ctime_seconds(status.stx_ctime.tv_sec);
  attributes.set_atime_nanoseconds(status.stx_atime.tv_nsec);
  attributes.set_mtime_nanoseconds(status.stx_mtime.tv_nsec);
  attributes.set_ctime_nanoseconds(status.stx_ctime.tv_nsec);
  attributes.set_mode(status.stx_mode);
  attributes.set_nlink(status.stx_nlink);
  attributes.set_uid(ids.ToGuest(HostUid(status.stx_uid)).value());
  attributes.set_gid(ids.ToGuest(HostGid(status.stx_gid)).value());
  attributes.set_rdev_major(status.stx_rdev_major);
  attributes.set_rdev_minor(status.stx_rdev_minor);
  attributes.set_block_size(status.stx_blksize);
}

void FillEntry(const InodeIdentity& parent, const Inode& inode, const struct statx& status,
               const IdMap& ids, rpc::Entry& entry) {
  entry.set_node_id(inode.id().value());
  FillAttributes(status, ids, *entry.mutable_attributes());
  // Inode numbers are unique within a mount only: the guest gives a submount a device of its own.
  const InodeIdentity& own = inode.identity();
  if (inode.is_directory() && (own.device != parent.device || own.mount_id != parent.mount_id)) {
    entry.set_is_submount(true);
  }
}

}  // namespace postern
