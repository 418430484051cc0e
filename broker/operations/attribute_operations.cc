#include "broker/operations/attribute_operations.h"

#include <absl/container/inlined_vector.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "broker/identity/attributes.h"
#include "broker/inodes/file_status.h"
#include "broker/operations/extended_attributes.h"
#include "common/checked.h"

namespace postern::operations {
namespace {

// The two ways to reach what SETATTR changes: the guest's open file, if it named one, or the inode.
struct Target {
  PinnedInode inode;
  OpenFileRef file;
};

ErrnoOrVoid SetMode(OperationContext& context, const Target& target, mode_t mode) {
  if (target.file) return CheckSyscall(fchmod(target.file->fd(), mode));
  // fchmod(2) refuses O_PATH. The magic link leads to the inode itself; a symlink gets EOPNOTSUPP.
  return CheckSyscall(fchmodat(context.filesystem.proc_fd().directory(),
                               DescriptorName(target.inode.fd()).c_str(), mode, 0));
}

ErrnoOrVoid SetOwner(OperationContext& context, const Target& target,
                     const rpc::SetAttributesRequest& request) {
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  const IdMap& ids = context.filesystem.ids();
  if (request.has_uid()) {
    POSTERN_ASSIGN_OR_RETURN(const HostUid host, ids.ToHost(GuestUid(request.uid())));
    uid = host.value();
  }
  if (request.has_gid()) {
    POSTERN_ASSIGN_OR_RETURN(const HostGid host, ids.ToHost(GuestGid(request.gid())));
    gid = host.value();
  }
  POSTERN_RETURN_IF_ERROR(DropCapability(context, target.inode.inode->type(), target.inode.fd()));
  // Linux takes set-id bits away from whoever changes the owner, CAP_FSETID or not, but for a
  // set-gid bit without group execution. A guest sends kill_privileges with every change of owner,
  // root's too, so it doesn't count here.
  const ErrnoOrVoid changed =
      CheckSyscall(fchownat(target.inode.fd(), "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
  // An id that our user namespace doesn't map: who isn't root can't give a file away.
  return changed.errno_value() == EINVAL ? ErrnoOrVoid(Errno(EPERM)) : changed;
}

ErrnoOrVoid SetSize(OperationContext& context, const Target& target,
                    const rpc::SetAttributesRequest& request) {
  const auto size = NarrowOrNone<off_t>(request.size());
  if (!size) return Errno(EFBIG);
  POSTERN_RETURN_IF_ERROR(DropCapability(context, target.inode.inode->type(), target.inode.fd()));
  const ScopedNoFsetid guard(context.filesystem.credentials(), request.kill_privileges());
  if (target.file) return CheckSyscall(ftruncate(target.file->fd(), *size));
  // O_NONBLOCK: a lease of somebody on the host must not hold the thread.
  POSTERN_ASSIGN_OR_RETURN(const UniqueFd fd, Reopen(context, target.inode, O_WRONLY | O_NONBLOCK));
  return CheckSyscall(ftruncate(fd.get(), *size));
}

timespec ToTimespec(bool set, const rpc::SetAttributesRequest::Time& time) {
  if (!set) return {0, UTIME_OMIT};
  if (time.value_case() == rpc::SetAttributesRequest::Time::kNow) return {0, UTIME_NOW};
  return {static_cast<time_t>(time.at().seconds()), static_cast<long>(time.at().nanoseconds())};
}

ErrnoOrVoid SetTimes(OperationContext& context, const Target& target,
                     const rpc::SetAttributesRequest& request) {
  const timespec times[2] = {ToTimespec(request.has_atime(), request.atime()),
                             ToTimespec(request.has_mtime(), request.mtime())};
  if (target.file) return CheckSyscall(futimens(target.file->fd(), times));
  return CheckSyscall(utimensat(context.filesystem.proc_fd().directory(),
                                DescriptorName(target.inode.fd()).c_str(), times, 0));
}

// A user as the host's permission checks see it.
struct AccessCaller {
  std::optional<HostUid> uid;
  std::optional<HostGid> gid;
  absl::InlinedVector<gid_t, 4> groups;
};

// Like ToHost() (caller.h), but an id that is none belongs to no class instead of being an error: a
// guest with idmapped mounts sends it in requests that make nothing.
ErrnoOr<AccessCaller> AccessCallerFrom(const IdMap& ids, const rpc::Credentials& credentials) {
  AccessCaller caller;
  if (credentials.uid() != kNoId) {
    POSTERN_ASSIGN_OR_RETURN(caller.uid, ids.ToHost(GuestUid(credentials.uid())));
  }
  if (credentials.gid() != kNoId) {
    POSTERN_ASSIGN_OR_RETURN(caller.gid, ids.ToHost(GuestGid(credentials.gid())));
  }
  for (const uint32_t gid : credentials.supplementary_gids()) {
    POSTERN_ASSIGN_OR_RETURN(const HostGid group, ids.ToHost(GuestGid(gid)));
    caller.groups.push_back(group.value());
  }
  return caller;
}

// POSIX's rule: the first class that matches decides.
uint32_t PermissionBits(const struct statx& status, const AccessCaller& caller) {
  const uint32_t mode = status.stx_mode;
  if (caller.uid == HostUid(status.stx_uid)) return (mode >> 6) & 7;
  const auto& more = caller.groups;
  if (caller.gid == HostGid(status.stx_gid) ||
      std::find(more.begin(), more.end(), status.stx_gid) != more.end()) {
    return (mode >> 3) & 7;
  }
  return mode & 7;
}

}  // namespace

ErrnoOrVoid GetAttributes(OperationContext& context, const rpc::GetAttributesRequest& request,
                          rpc::Reply& reply) {
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode,
                           PinAndStat(context, NodeId(request.node_id()), status,
                                      request.with_birth_time() ? STATX_BTIME : 0));
  FillAttributes(status, context.filesystem.ids(), *reply.mutable_attributes());
  // The kernel may fill in what it wasn't asked for.
  if (request.with_birth_time() && (status.stx_mask & STATX_BTIME) != 0) {
    FillTimestamp(status.stx_btime, *reply.mutable_attributes()->mutable_birth_time());
  }
  return {};
}

ErrnoOrVoid SetAttributes(OperationContext& context, const rpc::SetAttributesRequest& request,
                          rpc::Reply& reply) {
  const NodeId id(request.node_id());
  POSTERN_ASSIGN_OR_RETURN(PinnedInode inode, Pin(context, id));
  Target target{std::move(inode), nullptr};
  if (request.open_file_id() != 0) {
    POSTERN_ASSIGN_OR_RETURN(
        target.file, context.session.open_files.Get(OpenFileId(request.open_file_id()), id));
  }
  if (request.has_mode()) POSTERN_RETURN_IF_ERROR(SetMode(context, target, request.mode()));
  if (request.has_uid() || request.has_gid()) {
    POSTERN_RETURN_IF_ERROR(SetOwner(context, target, request));
  }
  if (request.has_size()) POSTERN_RETURN_IF_ERROR(SetSize(context, target, request));
  if (request.has_atime() || request.has_mtime()) {
    POSTERN_RETURN_IF_ERROR(SetTimes(context, target, request));
  }
  struct statx status;
  POSTERN_RETURN_IF_ERROR(StatDescriptor(target.inode.fd(), status));
  FillAttributes(status, context.filesystem.ids(), *reply.mutable_attributes());
  return {};
}

ErrnoOrVoid Access(OperationContext& context, const rpc::AccessRequest& request, rpc::Reply&) {
  const uint32_t wanted = request.mask() & (R_OK | W_OK | X_OK);
  if ((wanted & W_OK) != 0 && context.filesystem.options().readonly) return Errno(EROFS);
  struct statx status;
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode,
                           PinAndStat(context, NodeId(request.node_id()), status));
  POSTERN_ASSIGN_OR_RETURN(const AccessCaller caller,
                           AccessCallerFrom(context.filesystem.ids(), request.credentials()));
  // The guest's root, whoever that is here, reads and writes everything, and executes what anybody
  // may execute.
  if (request.credentials().uid() == 0) {
    const bool executable = S_ISDIR(status.stx_mode) || (status.stx_mode & 0111) != 0;
    return (wanted & X_OK) != 0 && !executable ? ErrnoOrVoid(Errno(EACCES)) : ErrnoOrVoid();
  }
  return (wanted & ~PermissionBits(status, caller)) != 0 ? ErrnoOrVoid(Errno(EACCES))
                                                         : ErrnoOrVoid();
}

ErrnoOrVoid StatFilesystem(OperationContext& context, const rpc::StatFilesystemRequest& request,
                           rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  struct statfs status;
  if (fstatfs(inode.fd(), &status) < 0) return Errno::Last();
  const auto block_size = static_cast<uint32_t>(status.f_bsize);
  rpc::FilesystemStatistics& statistics = *reply.mutable_statistics();
  statistics.set_blocks(status.f_blocks);
  statistics.set_blocks_free(status.f_bfree);
  statistics.set_blocks_available(status.f_bavail);
  statistics.set_files(status.f_files);
  statistics.set_files_free(status.f_ffree);
  statistics.set_block_size(block_size);
  statistics.set_fragment_size(status.f_frsize != 0 ? static_cast<uint32_t>(status.f_frsize)
                                                    : block_size);
  statistics.set_name_max(static_cast<uint32_t>(status.f_namelen));
  return {};
}

}  // namespace postern::operations
