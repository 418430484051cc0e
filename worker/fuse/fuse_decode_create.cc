// The decoders of the requests that make an object.
#include <limits.h>

#include "worker/fuse/decode_extensions.h"
#include "worker/fuse/decode_helpers.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

constexpr uint32_t kUmaskBits = 0777;

// The kernel's encoding of a device number in 32 bits (new_decode_dev(), linux/kdev_t.h).
uint32_t DeviceMajor(uint32_t device) { return (device & 0xfff00) >> 8; }
uint32_t DeviceMinor(uint32_t device) { return (device & 0xff) | ((device >> 12) & 0xfff00); }

}  // namespace

ErrnoOrVoid DecodeSymlink(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  auto& symlink = *request.mutable_symlink();
  symlink.set_parent(context.header.nodeid);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, symlink.mutable_name()));
  const auto target = arguments.TakeString();
  if (!target) return Errno(EINVAL);
  if (target->empty()) return Errno(ENOENT);  // As symlink(2).
  if (target->size() >= PATH_MAX) return Errno(ENAMETOOLONG);
  symlink.mutable_target()->assign(*target);
  return TakeExtensions(context, arguments, symlink);
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
  node.set_umask(in->umask & kUmaskBits);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, node.mutable_name()));
  return TakeExtensions(context, arguments, node);
}

ErrnoOrVoid DecodeMkdir(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Request& request) {
  const auto in = arguments.Take<fuse_mkdir_in>();
  if (!in) return Errno(EINVAL);
  auto& directory = *request.mutable_make_directory();
  directory.set_parent(context.header.nodeid);
  directory.set_mode(in->mode & kPermissionBits);
  directory.set_umask(in->umask & kUmaskBits);
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, directory.mutable_name()));
  return TakeExtensions(context, arguments, directory);
}

ErrnoOrVoid DecodeCreate(const DecodeContext& context, FuseArguments& arguments,
                         rpc::Request& request) {
  const auto in = arguments.Take<fuse_create_in>();
  if (!in) return Errno(EINVAL);
  POSTERN_RETURN_IF_ERROR(
      RequireRoomForFile(context, sizeof(fuse_entry_out) + sizeof(fuse_open_out)));
  auto& create = *request.mutable_create();
  create.set_parent(context.header.nodeid);
  create.set_mode(in->mode & kPermissionBits);
  create.set_flags(OpenFlags(context, in->flags));
  create.set_umask(in->umask & kUmaskBits);
  create.set_kill_privileges((in->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0 &&
                             KillsPrivileges(context));
  POSTERN_RETURN_IF_ERROR(TakeName(arguments, create.mutable_name()));
  return TakeExtensions(context, arguments, create);
}

ErrnoOrVoid DecodeTmpfile(const DecodeContext& context, FuseArguments& arguments,
                          rpc::Request& request) {
  const auto in = arguments.Take<fuse_create_in>();
  if (!in) return Errno(EINVAL);
  POSTERN_RETURN_IF_ERROR(
      RequireRoomForFile(context, sizeof(fuse_entry_out) + sizeof(fuse_open_out)));
  auto& create = *request.mutable_create_temporary_file();
  create.set_parent(context.header.nodeid);
  create.set_mode(in->mode & kPermissionBits);
  create.set_flags(OpenFlags(context, in->flags));
  create.set_umask(in->umask & kUmaskBits);
  // Linux sends the name of its unnamed dentry ("/"), which means nothing.
  if (!arguments.TakeString()) return Errno(EINVAL);
  return TakeExtensions(context, arguments, create);
}

}  // namespace postern
