#include "worker/fuse/fuse_decode.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "worker/fuse/decode_helpers.h"

namespace postern {
namespace {

ErrnoOrVoid OnlyName(FuseArguments& arguments, std::string* field) {
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, field));
  return RequireEnd(arguments);
}

ErrnoOrVoid TakeRename(const DecodeContext& context, FuseArguments& arguments, uint64_t new_parent,
                       uint32_t flags, rpc::Request& request) {
  auto& rename = *request.mutable_rename();
  rename.set_old_parent(context.header.nodeid);
  rename.set_new_parent(new_parent);
  rename.set_flags(flags);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, rename.mutable_old_name()));
  return OnlyName(arguments, rename.mutable_new_name());
}

ErrnoOrVoid TakeReadDirectory(const DecodeContext& context, FuseArguments& arguments,
                              bool with_entries, rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto read, TakeStruct<fuse_read_in>(arguments));
  auto& directory = *request.mutable_read_directory();
  directory.set_node_id(context.header.nodeid);
  directory.set_open_file_id(read.fh);
  directory.set_offset(read.offset);
  // A shorter listing than asked for is always right.
  directory.set_budget(
      static_cast<uint32_t>(std::min<size_t>({read.size, context.reply_bytes, kMaxTransferBytes})));
  directory.set_with_entries(with_entries);
  directory.set_with_dots(with_entries && !context.session.enabled(FUSE_READDIRPLUS_AUTO));
  return {};
}

void SetTime(uint64_t seconds, uint32_t nanoseconds, bool now,
             rpc::SetAttributesRequest::Time& time) {
  if (now) {
    time.set_now(true);
  } else {
    // Signed on the guest's side (struct timespec64), whatever the header says.
    time.mutable_at()->set_seconds(static_cast<int64_t>(seconds));
    time.mutable_at()->set_nanoseconds(nanoseconds);
  }
}

}  // namespace

ErrnoOrVoid DecodeLookup(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  request.mutable_lookup()->set_parent(context.header.nodeid);
  POSTERN_RETURN_IF_ERROR(TakeNameOrDot(arguments, request.mutable_lookup()->mutable_name()));
  return RequireEnd(arguments);
}

ErrnoOrVoid DecodeForget(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto forget, TakeStruct<fuse_forget_in>(arguments));
  auto& item = *request.mutable_forget()->add_items();
  item.set_node_id(context.header.nodeid);
  item.set_count(forget.nlookup);
  return {};
}

ErrnoOrVoid DecodeBatchForget(const DecodeContext&, FuseArguments& arguments,
                              rpc::Request& request) {
  const auto batch = arguments.Take<fuse_batch_forget_in>();
  // All before the first item is added, because `request` is sent with what other forgets have put
  // there.
  if (!batch || arguments.remaining() != uint64_t{batch->count} * sizeof(fuse_forget_one)) {
    return Errno(EINVAL);
  }
  for (uint32_t i = 0; i < batch->count; ++i) {
    const auto one = arguments.Take<fuse_forget_one>();
    if (!one) return Errno(EINVAL);
    auto& item = *request.mutable_forget()->add_items();
    item.set_node_id(one->nodeid);
    item.set_count(one->nlookup);
  }
  return RequireEnd(arguments);
}

ErrnoOrVoid DecodeGetattr(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN([[maybe_unused]] const auto getattr,
                           TakeStruct<fuse_getattr_in>(arguments));
  request.mutable_get_attributes()->set_node_id(context.header.nodeid);
  return {};
}

ErrnoOrVoid DecodeStatx(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<FuseStatxIn>(arguments));
  // More than was asked for is a right answer, and the rest is always there.
  auto& get = *request.mutable_get_attributes();
  get.set_node_id(context.header.nodeid);
  get.set_with_birth_time((in.sx_mask & STATX_BTIME) != 0);
  return {};
}

ErrnoOrVoid DecodeSetattr(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_setattr_in>(arguments));
  auto& set = *request.mutable_set_attributes();
  set.set_node_id(context.header.nodeid);
  if (in.valid & FATTR_FH) set.set_open_file_id(in.fh);
  if (in.valid & FATTR_MODE) set.set_mode(in.mode & kPermissionBits);
  if (in.valid & FATTR_UID) set.set_uid(in.uid);
  if (in.valid & FATTR_GID) set.set_gid(in.gid);
  if (in.valid & FATTR_SIZE) set.set_size(in.size);
  if (in.valid & FATTR_ATIME) {
    const bool now = (in.valid & FATTR_ATIME_NOW) != 0;
    if (!now && in.atimensec >= 1'000'000'000) return Errno(EINVAL);
    SetTime(in.atime, in.atimensec, now, *set.mutable_atime());
  }
  if (in.valid & FATTR_MTIME) {
    const bool now = (in.valid & FATTR_MTIME_NOW) != 0;
    if (!now && in.mtimensec >= 1'000'000'000) return Errno(EINVAL);
    SetTime(in.mtime, in.mtimensec, now, *set.mutable_mtime());
  }
  set.set_kill_privileges((in.valid & FATTR_KILL_SUIDGID) != 0 && KillsPrivileges(context));
  if (set.mode() & (S_ISUID | S_ISGID)) {
    context.notes.set_id_change =
        context.open_files.BeginSetIdChange(NodeId(context.header.nodeid));
  }
  return {};
}

ErrnoOrVoid DecodeReadlink(const DecodeContext& context, FuseArguments&, rpc::Request& request) {
  request.mutable_read_link()->set_node_id(context.header.nodeid);
  return {};
}

ErrnoOrVoid DecodeUnlink(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  request.mutable_unlink()->set_parent(context.header.nodeid);
  return OnlyName(arguments, request.mutable_unlink()->mutable_name());
}

ErrnoOrVoid DecodeRmdir(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Request& request) {
  request.mutable_remove_directory()->set_parent(context.header.nodeid);
  return OnlyName(arguments, request.mutable_remove_directory()->mutable_name());
}

ErrnoOrVoid DecodeRename(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  const auto in = arguments.Take<fuse_rename_in>();
  if (!in) return Errno(EINVAL);
  return TakeRename(context, arguments, in->newdir, /*flags=*/0, request);
}

ErrnoOrVoid DecodeRename2(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  const auto in = arguments.Take<fuse_rename2_in>();
  if (!in) return Errno(EINVAL);
  return TakeRename(context, arguments, in->newdir, in->flags, request);
}

ErrnoOrVoid DecodeLink(const DecodeContext& context, FuseArguments& arguments,
                       rpc::Request& request) {
  const auto in = arguments.Take<fuse_link_in>();
  if (!in) return Errno(EINVAL);
  auto& link = *request.mutable_link();
  link.set_node_id(in->oldnodeid);
  link.set_new_parent(context.header.nodeid);
  return OnlyName(arguments, link.mutable_new_name());
}

ErrnoOrVoid DecodeOpen(const DecodeContext& context, FuseArguments& arguments,
                       rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_open_in>(arguments));
  POSTERN_RETURN_IF_ERROR(RequireRoomForFile(context, sizeof(fuse_open_out)));
  auto& open = *request.mutable_open();
  open.set_node_id(context.header.nodeid);
  open.set_flags(OpenFlags(context, in.flags));
  open.set_kill_privileges((in.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0 &&
                           KillsPrivileges(context));
  return {};
}

ErrnoOrVoid DecodeRelease(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_release_in>(arguments));
  // Closed here and now, so that the file isn't in use any more when the guest gets its answer (a
  // host that runs the program just written would get ETXTBSY). It doesn't wait for a server: the
  // guest's FLUSH has, and the broker's descriptor of the same open file is the last.
  POSTERN_ASSIGN_OR_RETURN(
      const auto file, context.open_files.Remove(OpenFileId(in.fh), NodeId(context.header.nodeid)));
  context.notes.may_stall = file->may_stall;
  request.mutable_release()->set_node_id(context.header.nodeid);
  request.mutable_release()->set_open_file_id(in.fh);
  return {};
}

ErrnoOrVoid DecodeOpendir(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_open_in>(arguments));
  POSTERN_RETURN_IF_ERROR(RequireRoom(context, sizeof(fuse_open_out)));
  request.mutable_open_directory()->set_node_id(context.header.nodeid);
  request.mutable_open_directory()->set_flags(in.flags);
  return {};
}

ErrnoOrVoid DecodeReaddir(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  return TakeReadDirectory(context, arguments, /*with_entries=*/false, request);
}

ErrnoOrVoid DecodeReaddirplus(const DecodeContext& context, FuseArguments& arguments,
                              rpc::Request& request) {
  return TakeReadDirectory(context, arguments, /*with_entries=*/true, request);
}

ErrnoOrVoid DecodeReleasedir(const DecodeContext& context, FuseArguments& arguments,
                             rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_release_in>(arguments));
  request.mutable_release_directory()->set_node_id(context.header.nodeid);
  request.mutable_release_directory()->set_open_file_id(in.fh);
  return {};
}

ErrnoOrVoid DecodeFsyncdir(const DecodeContext& context, FuseArguments& arguments,
                           rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_fsync_in>(arguments));
  auto& sync = *request.mutable_sync_directory();
  sync.set_node_id(context.header.nodeid);
  sync.set_open_file_id(in.fh);
  sync.set_data_only((in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0);
  return {};
}

ErrnoOrVoid DecodeStatfs(const DecodeContext& context, FuseArguments&, rpc::Request& request) {
  request.mutable_stat_filesystem()->set_node_id(context.header.nodeid);
  return {};
}

ErrnoOrVoid DecodeAccess(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_access_in>(arguments));
  if (in.mask & ~uint32_t{R_OK | W_OK | X_OK}) return Errno(EINVAL);
  auto& access = *request.mutable_access();
  access.set_node_id(context.header.nodeid);
  access.set_mask(in.mask);
  access.mutable_credentials()->set_uid(context.header.uid);
  access.mutable_credentials()->set_gid(context.header.gid);
  return {};
}

ErrnoOrVoid DecodeSyncfs(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN([[maybe_unused]] const auto in, TakeStruct<fuse_syncfs_in>(arguments));
  request.mutable_sync_filesystem()->set_node_id(context.header.nodeid);
  return {};
}

ErrnoOrVoid DecodeDestroy(const DecodeContext&, FuseArguments&, rpc::Request& request) {
  request.mutable_reset();
  return {};
}

}  // namespace postern
