#include "worker/fuse_decode.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/path_component.h"

namespace postern {
namespace {

constexpr uint32_t kPermissionBits = 07777;
// The broker takes no more groups of a caller (proto/rpc.proto).
constexpr uint32_t kMaxSupplementaryGroups = 32;

// One COPY_FILE_RANGE, in bytes. Stopping a ring waits for what is in flight, so no request may
// take long by the guest's choice.
constexpr uint64_t kMaxCopyBytes = uint64_t{64} << 20;

// A directory entry's name into `field`. The broker checks it again; here it saves a round trip.
ErrnoOrVoid TakeName(FuseArguments& arguments, std::string* field) {
  const auto name = arguments.TakeString();
  if (!name) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(const PathComponent component, PathComponent::Parse(*name));
  *field = component.str();
  return {};
}

ErrnoOrVoid RequireEnd(const FuseArguments& arguments) {
  if (!arguments.AtEnd()) return Errno(EINVAL);
  return {};
}

ErrnoOrVoid OnlyName(FuseArguments& arguments, std::string* field) {
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, field));
  return RequireEnd(arguments);
}

// A structure that is all of the arguments, or a failure.
template <typename T>
ErrnoOr<T> OnlyStruct(FuseArguments& arguments) {
  const auto value = arguments.Take<T>();
  if (!value || !arguments.AtEnd()) return Errno(EINVAL);
  return *value;
}

// The kernel's encoding of a device number in 32 bits (new_decode_dev(), linux/kdev_t.h).
uint32_t DeviceMajor(uint32_t device) { return (device & 0xfff00) >> 8; }
uint32_t DeviceMinor(uint32_t device) { return (device & 0xff) | ((device >> 12) & 0xfff00); }

// The body of a FUSE_EXT_GROUPS record.
ErrnoOrVoid TakeGroups(FuseArguments body, rpc::Credentials& credentials) {
  const auto groups = body.Take<FuseSupplementaryGroups>();
  if (!groups || groups->nr_groups > kMaxSupplementaryGroups) return Errno(EINVAL);
  for (uint32_t i = 0; i < groups->nr_groups; ++i) {
    const auto gid = body.Take<uint32_t>();
    if (!gid) return Errno(EINVAL);
    credentials.add_supplementary_gids(*gid);
  }
  // What is left can only be padding.
  if (body.remaining() >= kFuseRecordAlignment) return Errno(EINVAL);
  return {};
}

// The caller, and the extension records that follow a creating request's names. A record that
// wasn't negotiated, or that comes twice, is refused.
ErrnoOrVoid TakeCredentials(const DecodeContext& context, FuseArguments& arguments,
                            rpc::Credentials& credentials) {
  credentials.set_uid(context.header.uid);
  credentials.set_gid(context.header.gid);
  bool groups_seen = false;
  while (arguments.remaining() != 0) {
    const auto record = arguments.Take<fuse_ext_header>();
    if (!record || record->size < sizeof(*record) || record->size % kFuseRecordAlignment != 0) {
      return Errno(EINVAL);
    }
    const auto body = arguments.TakeBytes(record->size - sizeof(*record));
    if (!body) return Errno(EINVAL);
    if (record->type != kFuseExtGroups || groups_seen ||
        !context.session.enabled(kFuseCreateSuppGroup)) {
      return Errno(EINVAL);
    }
    groups_seen = true;
    POSTERN_RETURN_IF_ERROR(TakeGroups(FuseArguments(*body), credentials));
  }
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
  POSTERN_ASSIGN_OR_RETURN(const auto read, OnlyStruct<fuse_read_in>(arguments));
  auto& directory = *request.mutable_read_directory();
  directory.set_node_id(context.header.nodeid);
  directory.set_open_file_id(read.fh);
  directory.set_offset(read.offset);
  // A shorter listing than asked for is always right.
  directory.set_budget(
      static_cast<uint32_t>(std::min<size_t>({read.size, context.reply_bytes, kMaxTransferBytes})));
  directory.set_with_entries(with_entries);
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

// A handle that can't be told to the guest is one that it can't release: refused before there is
// one, or a guest with too small buffers would use up the descriptors.
ErrnoOrVoid RequireRoom(const DecodeContext& context, size_t reply_bytes) {
  if (context.reply_bytes < reply_bytes) return Errno(EINVAL);
  return {};
}

bool KillsPrivileges(const DecodeContext& context) {
  return context.session.enabled(FUSE_HANDLE_KILLPRIV_V2);
}

ErrnoOrVoid FindFile(const DecodeContext& context, uint64_t fh, FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(operation.file,
                           context.open_files.Find(OpenFileId(fh), NodeId(context.header.nodeid)));
  return {};
}

}  // namespace

ErrnoOrVoid DecodeLookup(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  request.mutable_lookup()->set_parent(context.header.nodeid);
  return OnlyName(arguments, request.mutable_lookup()->mutable_name());
}

ErrnoOrVoid DecodeForget(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto forget, OnlyStruct<fuse_forget_in>(arguments));
  auto& item = *request.mutable_forget()->add_items();
  item.set_node_id(context.header.nodeid);
  item.set_count(forget.nlookup);
  return {};
}

ErrnoOrVoid DecodeBatchForget(const DecodeContext&, FuseArguments& arguments,
                              rpc::Request& request) {
  const auto batch = arguments.Take<fuse_batch_forget_in>();
  // The count first, so that the product can't overflow; and all before the first item is added,
  // because `request` is sent with what other forgets have put there.
  if (!batch || batch->count > static_cast<uint32_t>(kMaxForgetItems) ||
      arguments.remaining() != batch->count * sizeof(fuse_forget_one)) {
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
                           OnlyStruct<fuse_getattr_in>(arguments));
  request.mutable_get_attributes()->set_node_id(context.header.nodeid);
  return {};
}

ErrnoOrVoid DecodeSetattr(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_setattr_in>(arguments));
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
  return {};
}

ErrnoOrVoid DecodeReadlink(const DecodeContext& context, FuseArguments& arguments,
                           rpc::Request& request) {
  request.mutable_read_link()->set_node_id(context.header.nodeid);
  return RequireEnd(arguments);
}

ErrnoOrVoid DecodeSymlink(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  auto& symlink = *request.mutable_symlink();
  symlink.set_parent(context.header.nodeid);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, symlink.mutable_name()));
  const auto target = arguments.TakeString();
  if (!target) return Errno(EINVAL);
  if (target->empty()) return Errno(ENOENT);  // As symlink(2).
  if (target->size() >= PATH_MAX) return Errno(ENAMETOOLONG);
  symlink.set_target(target->data(), target->size());
  return TakeCredentials(context, arguments, *symlink.mutable_credentials());
}

ErrnoOrVoid DecodeMknod(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Request& request) {
  const auto in = arguments.Take<fuse_mknod_in>();
  if (!in) return Errno(EINVAL);
  auto& node = *request.mutable_make_node();
  node.set_parent(context.header.nodeid);
  node.set_mode(in->mode);
  node.set_rdev_major(DeviceMajor(in->rdev));
  node.set_rdev_minor(DeviceMinor(in->rdev));
  node.set_umask(in->umask);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, node.mutable_name()));
  return TakeCredentials(context, arguments, *node.mutable_credentials());
}

ErrnoOrVoid DecodeMkdir(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Request& request) {
  const auto in = arguments.Take<fuse_mkdir_in>();
  if (!in) return Errno(EINVAL);
  auto& directory = *request.mutable_make_directory();
  directory.set_parent(context.header.nodeid);
  directory.set_mode(in->mode & kPermissionBits);
  directory.set_umask(in->umask);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, directory.mutable_name()));
  return TakeCredentials(context, arguments, *directory.mutable_credentials());
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
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_open_in>(arguments));
  POSTERN_RETURN_IF_ERROR(RequireRoom(context, sizeof(fuse_open_out)));
  auto& open = *request.mutable_open();
  open.set_node_id(context.header.nodeid);
  open.set_flags(in.flags);
  open.set_kill_privileges((in.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0 &&
                           KillsPrivileges(context));
  return {};
}

ErrnoOrVoid DecodeCreate(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  const auto in = arguments.Take<fuse_create_in>();
  if (!in) return Errno(EINVAL);
  POSTERN_RETURN_IF_ERROR(RequireRoom(context, sizeof(fuse_entry_out) + sizeof(fuse_open_out)));
  auto& create = *request.mutable_create();
  create.set_parent(context.header.nodeid);
  create.set_mode(in->mode & kPermissionBits);
  create.set_flags(in->flags);
  create.set_umask(in->umask);
  create.set_kill_privileges((in->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0 &&
                             KillsPrivileges(context));
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, create.mutable_name()));
  return TakeCredentials(context, arguments, *create.mutable_credentials());
}

ErrnoOrVoid DecodeRelease(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_release_in>(arguments));
  POSTERN_ASSIGN_OR_RETURN(
      [[maybe_unused]] const auto file,
      context.open_files.Remove(OpenFileId(in.fh), NodeId(context.header.nodeid)));
  request.mutable_release()->set_node_id(context.header.nodeid);
  request.mutable_release()->set_open_file_id(in.fh);
  return {};
}

ErrnoOrVoid DecodeOpendir(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_open_in>(arguments));
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
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_release_in>(arguments));
  request.mutable_release_directory()->set_node_id(context.header.nodeid);
  request.mutable_release_directory()->set_open_file_id(in.fh);
  return {};
}

ErrnoOrVoid DecodeFsyncdir(const DecodeContext& context, FuseArguments& arguments,
                           rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_fsync_in>(arguments));
  auto& sync = *request.mutable_sync_directory();
  sync.set_node_id(context.header.nodeid);
  sync.set_open_file_id(in.fh);
  sync.set_data_only((in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0);
  return {};
}

ErrnoOrVoid DecodeStatfs(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  request.mutable_stat_filesystem()->set_node_id(context.header.nodeid);
  return RequireEnd(arguments);
}

ErrnoOrVoid DecodeAccess(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_access_in>(arguments));
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
  POSTERN_ASSIGN_OR_RETURN([[maybe_unused]] const auto in, OnlyStruct<fuse_syncfs_in>(arguments));
  request.mutable_sync_filesystem()->set_node_id(context.header.nodeid);
  return {};
}

ErrnoOrVoid DecodeDestroy(const DecodeContext&, FuseArguments& arguments, rpc::Request& request) {
  request.mutable_reset();
  return RequireEnd(arguments);
}

ErrnoOrVoid DecodeRead(const DecodeContext& context, FuseArguments& arguments,
                       FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_read_in>(arguments));
  // A short read means the end of the file, so less room than was asked for is an error, not a
  // reason to read less.
  if (in.size > context.reply_bytes || in.size > kMaxTransferBytes) return Errno(EINVAL);
  operation.kind = FileOperation::Kind::kRead;
  operation.offset = in.offset;
  operation.size = in.size;
  operation.data_offset = sizeof(fuse_out_header);
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeWrite(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_write_in>(arguments));
  if (in.size > context.data_bytes || in.size > kMaxTransferBytes) return Errno(EINVAL);
  operation.kind = FileOperation::Kind::kWrite;
  operation.offset = in.offset;
  operation.size = in.size;
  operation.data_offset = sizeof(fuse_in_header) + sizeof(fuse_write_in);
  // Other hosts and guests may append to the same file. Write-back from the guest's page cache
  // knows its offset, though.
  const bool append = (in.flags & O_APPEND) != 0 && (in.write_flags & FUSE_WRITE_CACHE) == 0;
  operation.flags = append ? RWF_APPEND : 0;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeFlush(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_flush_in>(arguments));
  operation.kind = FileOperation::Kind::kFlush;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeFsync(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_fsync_in>(arguments));
  operation.kind = FileOperation::Kind::kSync;
  operation.flags = (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0 ? 1 : 0;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeFallocate(const DecodeContext& context, FuseArguments& arguments,
                            FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_fallocate_in>(arguments));
  operation.kind = FileOperation::Kind::kAllocate;
  operation.offset = in.offset;
  operation.size = in.length;
  operation.flags = in.mode;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeCopyFileRange(const DecodeContext& context, FuseArguments& arguments,
                                FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_copy_file_range_in>(arguments));
  if (in.flags != 0) return Errno(EINVAL);  // None is defined.
  operation.kind = FileOperation::Kind::kCopy;
  operation.offset = in.off_in;
  operation.target_offset = in.off_out;
  // The answer has 32 bits for the count.
  operation.size = std::min<uint64_t>(in.len, kMaxCopyBytes);
  POSTERN_ASSIGN_OR_RETURN(operation.target,
                           context.open_files.Find(OpenFileId(in.fh_out), NodeId(in.nodeid_out)));
  return FindFile(context, in.fh_in, operation);
}

ErrnoOrVoid DecodeLseek(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, OnlyStruct<fuse_lseek_in>(arguments));
  operation.kind = FileOperation::Kind::kSeek;
  operation.offset = in.offset;
  operation.flags = in.whence;
  return FindFile(context, in.fh, operation);
}

}  // namespace postern
