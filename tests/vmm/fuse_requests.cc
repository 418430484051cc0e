#include "tests/vmm/fuse_requests.h"

#include <fcntl.h>

#include "common/checked.h"

namespace postern::vmm {
namespace {

void StartNamed(FuseRequest& request, uint32_t opcode, NodeId node, std::string_view name) {
  request.Start(opcode, node);
  request.AppendName(name);
}

// fuse_getxattr_in, and room for what it asks.
void StartSized(FuseRequest& request, uint32_t opcode, NodeId node, const GuestBuffer& data) {
  request.Start(opcode, node);
  request.Append(fuse_getxattr_in{.size = Narrow<uint32_t>(data.size()), .padding = 0});
  if (data.size() == 0) {
    request.ReceiveArguments(sizeof(fuse_getxattr_out));
  } else {
    request.ReceiveData(data);
  }
}

void EncodeCreateOf(FuseRequest& request, uint32_t opcode, NodeId node, std::string_view name,
                    const fuse_create_in& arguments, const Credentials& who) {
  request.Start(opcode, node);
  request.Append(arguments);
  request.AppendName(name);
  request.AppendExtensions(who);
  request.ReceiveArguments(sizeof(fuse_entry_out) + sizeof(fuse_open_out));
}

void EncodeReleaseOf(FuseRequest& request, uint32_t opcode, NodeId node, FuseHandle handle) {
  request.Start(opcode, node);
  fuse_release_in arguments{};
  arguments.fh = handle.value();
  request.Append(arguments);
}

void EncodeSyncOf(FuseRequest& request, uint32_t opcode, NodeId node, FuseHandle handle,
                  bool data_only) {
  request.Start(opcode, node);
  fuse_fsync_in arguments{};
  arguments.fh = handle.value();
  arguments.fsync_flags = data_only ? FUSE_FSYNC_FDATASYNC : 0;
  request.Append(arguments);
}

void EncodeReadOf(FuseRequest& request, uint32_t opcode, NodeId node, FuseHandle handle,
                  uint64_t offset, const GuestBuffer& data) {
  request.Start(opcode, node);
  fuse_read_in arguments{};
  arguments.fh = handle.value();
  arguments.offset = offset;
  arguments.size = Narrow<uint32_t>(data.size());
  request.Append(arguments);
  request.ReceiveData(data);
}

}  // namespace

void EncodeInit(FuseRequest& request, const InitOptions& options) {
  request.Start(FUSE_INIT, NodeId(0));
  fuse_init_in arguments{};
  arguments.major = options.major;
  arguments.minor = options.minor;
  arguments.max_readahead = options.max_readahead;
  arguments.flags = static_cast<uint32_t>(options.flags);
  arguments.flags2 = static_cast<uint32_t>(options.flags >> 32);
  const bool extended = (options.flags & FUSE_INIT_EXT) != 0;
  // Before FUSE 7.36 the structure ended with the first flags.
  request.AppendBytes(std::as_bytes(std::span(&arguments, 1)).first(extended ? 64 : 16));
  request.ReceiveArguments(sizeof(fuse_init_out));
}

void EncodeDestroy(FuseRequest& request) { request.Start(FUSE_DESTROY, NodeId(0)); }

void EncodeLookup(FuseRequest& request, NodeId node, std::string_view name) {
  StartNamed(request, FUSE_LOOKUP, node, name);
  request.ReceiveArguments(sizeof(fuse_entry_out));
}

void EncodeForget(FuseRequest& request, NodeId node, uint64_t count) {
  request.Start(FUSE_FORGET, node);
  request.Append(fuse_forget_in{.nlookup = count});
  request.NoReply();
}

void EncodeBatchForget(FuseRequest& request, std::span<const fuse_forget_one> items) {
  request.Start(FUSE_BATCH_FORGET, NodeId(0));
  request.Append(fuse_batch_forget_in{.count = Narrow<uint32_t>(items.size()), .dummy = 0});
  request.AppendBytes(std::as_bytes(items));
  request.NoReply();
}

void EncodeSymlink(FuseRequest& request, NodeId node, std::string_view name,
                   std::string_view target, const Credentials& who) {
  StartNamed(request, FUSE_SYMLINK, node, name);
  request.AppendName(target);
  request.AppendExtensions(who);
  request.ReceiveArguments(sizeof(fuse_entry_out));
}

void EncodeMknod(FuseRequest& request, NodeId node, std::string_view name,
                 const fuse_mknod_in& arguments, const Credentials& who) {
  request.Start(FUSE_MKNOD, node);
  request.Append(arguments);
  request.AppendName(name);
  request.AppendExtensions(who);
  request.ReceiveArguments(sizeof(fuse_entry_out));
}

void EncodeMkdir(FuseRequest& request, NodeId node, std::string_view name,
                 const fuse_mkdir_in& arguments, const Credentials& who) {
  request.Start(FUSE_MKDIR, node);
  request.Append(arguments);
  request.AppendName(name);
  request.AppendExtensions(who);
  request.ReceiveArguments(sizeof(fuse_entry_out));
}

void EncodeUnlink(FuseRequest& request, NodeId node, std::string_view name) {
  StartNamed(request, FUSE_UNLINK, node, name);
}

void EncodeRmdir(FuseRequest& request, NodeId node, std::string_view name) {
  StartNamed(request, FUSE_RMDIR, node, name);
}

void EncodeRename(FuseRequest& request, NodeId node, std::string_view name, NodeId new_parent,
                  std::string_view new_name) {
  request.Start(FUSE_RENAME, node);
  request.Append(fuse_rename_in{.newdir = new_parent.value()});
  request.AppendName(name);
  request.AppendName(new_name);
}

void EncodeRename2(FuseRequest& request, NodeId node, std::string_view name, NodeId new_parent,
                   std::string_view new_name, uint32_t flags) {
  request.Start(FUSE_RENAME2, node);
  request.Append(fuse_rename2_in{.newdir = new_parent.value(), .flags = flags, .padding = 0});
  request.AppendName(name);
  request.AppendName(new_name);
}

void EncodeLink(FuseRequest& request, NodeId node, NodeId existing, std::string_view new_name) {
  request.Start(FUSE_LINK, node);
  request.Append(fuse_link_in{.oldnodeid = existing.value()});
  request.AppendName(new_name);
  request.ReceiveArguments(sizeof(fuse_entry_out));
}

void EncodeCreate(FuseRequest& request, NodeId node, std::string_view name,
                  const fuse_create_in& arguments, const Credentials& who) {
  EncodeCreateOf(request, FUSE_CREATE, node, name, arguments, who);
}

void EncodeTmpfile(FuseRequest& request, NodeId node, std::string_view name,
                   const fuse_create_in& arguments, const Credentials& who) {
  EncodeCreateOf(request, FUSE_TMPFILE, node, name, arguments, who);
}

void EncodeGetattr(FuseRequest& request, NodeId node, std::optional<FuseHandle> handle) {
  request.Start(FUSE_GETATTR, node);
  fuse_getattr_in arguments{};
  if (handle.has_value()) {
    arguments.getattr_flags = FUSE_GETATTR_FH;
    arguments.fh = handle->value();
  }
  request.Append(arguments);
  request.ReceiveArguments(sizeof(fuse_attr_out));
}

void EncodeStatx(FuseRequest& request, NodeId node, uint32_t flags, uint32_t mask,
                 std::optional<FuseHandle> handle) {
  request.Start(kFuseStatx, node);
  FuseStatxIn arguments{};
  if (handle.has_value()) {
    arguments.getattr_flags = FUSE_GETATTR_FH;
    arguments.fh = handle->value();
  }
  arguments.sx_flags = flags;
  arguments.sx_mask = mask;
  request.Append(arguments);
  request.ReceiveArguments(sizeof(FuseStatxOut));
}

void EncodeSetattr(FuseRequest& request, NodeId node, const fuse_setattr_in& arguments) {
  request.Start(FUSE_SETATTR, node);
  request.Append(arguments);
  request.ReceiveArguments(sizeof(fuse_attr_out));
}

void EncodeReadlink(FuseRequest& request, NodeId node, const GuestBuffer& data) {
  request.Start(FUSE_READLINK, node);
  request.ReceiveData(data);
}

void EncodeAccess(FuseRequest& request, NodeId node, uint32_t mask) {
  request.Start(FUSE_ACCESS, node);
  request.Append(fuse_access_in{.mask = mask, .padding = 0});
}

void EncodeStatfs(FuseRequest& request, NodeId node) {
  request.Start(FUSE_STATFS, node);
  request.ReceiveArguments(sizeof(fuse_statfs_out));
}

void EncodeSyncfs(FuseRequest& request, NodeId node) {
  request.Start(FUSE_SYNCFS, node);
  request.Append(fuse_syncfs_in{.padding = 0});
}

void EncodeOpen(FuseRequest& request, NodeId node, uint32_t flags, uint32_t open_flags) {
  request.Start(FUSE_OPEN, node);
  request.Append(fuse_open_in{.flags = flags, .open_flags = open_flags});
  request.ReceiveArguments(sizeof(fuse_open_out));
}

void EncodeRead(FuseRequest& request, NodeId node, FuseHandle handle, uint64_t offset,
                const GuestBuffer& data) {
  EncodeReadOf(request, FUSE_READ, node, handle, offset, data);
}

void EncodeWrite(FuseRequest& request, NodeId node, FuseHandle handle, uint64_t offset,
                 const GuestBuffer& data, const WriteFlags& flags) {
  request.Start(FUSE_WRITE, node);
  fuse_write_in arguments{};
  arguments.fh = handle.value();
  arguments.offset = offset;
  arguments.size = Narrow<uint32_t>(data.size());
  arguments.write_flags = flags.write_flags;
  arguments.flags = flags.open_flags;
  request.Append(arguments);
  request.SendData(data);
  request.ReceiveArguments(sizeof(fuse_write_out));
}

void EncodeFlush(FuseRequest& request, NodeId node, FuseHandle handle) {
  request.Start(FUSE_FLUSH, node);
  fuse_flush_in arguments{};
  arguments.fh = handle.value();
  request.Append(arguments);
}

void EncodeFsync(FuseRequest& request, NodeId node, FuseHandle handle, bool data_only) {
  EncodeSyncOf(request, FUSE_FSYNC, node, handle, data_only);
}

void EncodeRelease(FuseRequest& request, NodeId node, FuseHandle handle) {
  EncodeReleaseOf(request, FUSE_RELEASE, node, handle);
}

void EncodeFallocate(FuseRequest& request, NodeId node, const fuse_fallocate_in& arguments) {
  request.Start(FUSE_FALLOCATE, node);
  request.Append(arguments);
}

void EncodeLseek(FuseRequest& request, NodeId node, const fuse_lseek_in& arguments) {
  request.Start(FUSE_LSEEK, node);
  request.Append(arguments);
  request.ReceiveArguments(sizeof(fuse_lseek_out));
}

fuse_copy_file_range_in CopyArguments(FuseHandle from, uint64_t from_offset, NodeId to_node,
                                      FuseHandle to, uint64_t to_offset, uint64_t length) {
  return {.fh_in = from.value(),
          .off_in = from_offset,
          .nodeid_out = to_node.value(),
          .fh_out = to.value(),
          .off_out = to_offset,
          .len = length,
          .flags = 0};
}

void EncodeCopyFileRange(FuseRequest& request, NodeId node,
                         const fuse_copy_file_range_in& arguments) {
  request.Start(FUSE_COPY_FILE_RANGE, node);
  request.Append(arguments);
  request.ReceiveArguments(sizeof(fuse_write_out));
}

void EncodeCopyFileRange64(FuseRequest& request, NodeId node,
                           const fuse_copy_file_range_in& arguments) {
  request.Start(kFuseCopyFileRange64, node);
  request.Append(arguments);
  request.ReceiveArguments(sizeof(FuseCopyFileRangeOut));
}

void EncodeSetxattr(FuseRequest& request, NodeId node, std::string_view name,
                    const GuestBuffer& value, const SetxattrOptions& options, SetxattrForm form) {
  request.Start(FUSE_SETXATTR, node);
  fuse_setxattr_in arguments{};
  arguments.size = Narrow<uint32_t>(value.size());
  arguments.flags = options.flags;
  arguments.setxattr_flags = options.setxattr_flags;
  const size_t bytes =
      form == SetxattrForm::kShort ? FUSE_COMPAT_SETXATTR_IN_SIZE : sizeof(arguments);
  request.AppendBytes(std::as_bytes(std::span(&arguments, 1)).first(bytes));
  request.AppendName(name);
  request.SendData(value);
}

void EncodeGetxattr(FuseRequest& request, NodeId node, std::string_view name,
                    const GuestBuffer& data) {
  StartSized(request, FUSE_GETXATTR, node, data);
  request.AppendName(name);
}

void EncodeListxattr(FuseRequest& request, NodeId node, const GuestBuffer& data) {
  StartSized(request, FUSE_LISTXATTR, node, data);
}

void EncodeRemovexattr(FuseRequest& request, NodeId node, std::string_view name) {
  StartNamed(request, FUSE_REMOVEXATTR, node, name);
}

void EncodeOpendir(FuseRequest& request, NodeId node, uint32_t flags) {
  request.Start(FUSE_OPENDIR, node);
  request.Append(fuse_open_in{.flags = flags, .open_flags = 0});
  request.ReceiveArguments(sizeof(fuse_open_out));
}

void EncodeReaddir(FuseRequest& request, uint32_t opcode, NodeId node, FuseHandle handle,
                   uint64_t offset, const GuestBuffer& data) {
  EncodeReadOf(request, opcode, node, handle, offset, data);
}

void EncodeReleasedir(FuseRequest& request, NodeId node, FuseHandle handle) {
  EncodeReleaseOf(request, FUSE_RELEASEDIR, node, handle);
}

void EncodeFsyncdir(FuseRequest& request, NodeId node, FuseHandle handle, bool data_only) {
  EncodeSyncOf(request, FUSE_FSYNCDIR, node, handle, data_only);
}

}  // namespace postern::vmm
