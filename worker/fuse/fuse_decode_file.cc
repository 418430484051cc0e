// The decoders of what the worker does itself, on open files.
#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>

#include "worker/fuse/decode_helpers.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

// The answer's header has 32 bits for its whole length.
constexpr uint32_t kMaxReadBytes = UINT32_MAX - uint32_t{sizeof(fuse_out_header)};

ErrnoOrVoid FindFile(const DecodeContext& context, uint64_t fh, FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(operation.file,
                           context.open_files.Find(OpenFileId(fh), NodeId(context.header.nodeid)));
  return {};
}

}  // namespace

ErrnoOrVoid DecodeRead(const DecodeContext& context, FuseArguments& arguments,
                       FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_read_in>(arguments));
  // A short read means the end of the file, so less room than was asked for is an error, not a
  // reason to read less. Nothing else bounds it: max_pages counts pages of the guest's, which may
  // have 64 KiB, and firmware reads a kernel at once.
  if (in.size > context.reply_bytes || in.size > kMaxReadBytes) return Errno(EINVAL);
  operation.kind = FileOperation::Kind::kRead;
  operation.offset = in.offset;
  operation.size = in.size;
  operation.data_offset = sizeof(fuse_out_header);
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeWrite(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  if (context.options.readonly) return Errno(EROFS);
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_write_in>(arguments));
  if (in.size > context.data_bytes || in.size > kMaxTransferBytes) return Errno(EINVAL);
  operation.kind = FileOperation::Kind::kWrite;
  operation.offset = in.offset;
  operation.size = in.size;
  operation.data_offset = sizeof(fuse_in_header) + sizeof(fuse_write_in);
  // Other hosts and guests may append to the same file. Write-back from the guest's page cache
  // knows its offset, though.
  const bool append = (in.flags & O_APPEND) != 0 && (in.write_flags & FUSE_WRITE_CACHE) == 0;
  operation.flags = append ? RWF_APPEND : 0;
  // Whatever was negotiated: a guest without the page cache (--cache=never) leaves it to us, and
  // says of each WRITE whether its writer may keep the bits.
  operation.kills_privileges = (in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeFlush(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_flush_in>(arguments));
  operation.kind = FileOperation::Kind::kFlush;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeFsync(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_fsync_in>(arguments));
  operation.kind = FileOperation::Kind::kSync;
  operation.flags = (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0 ? 1 : 0;
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeFallocate(const DecodeContext& context, FuseArguments& arguments,
                            FileOperation& operation) {
  if (context.options.readonly) return Errno(EROFS);
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_fallocate_in>(arguments));
  operation.kind = FileOperation::Kind::kAllocate;
  operation.offset = in.offset;
  operation.size = in.length;
  operation.flags = in.mode;
  // Killpriv v2 leaves it to us, and there is no flag by which to tell who may keep set-id bits: a
  // user must not change what a set-user-ID file holds and leave it one.
  operation.kills_privileges = KillsPrivileges(context);
  return FindFile(context, in.fh, operation);
}

ErrnoOrVoid DecodeCopyFileRange(const DecodeContext& context, FuseArguments& arguments,
                                FileOperation& operation) {
  if (context.options.readonly) return Errno(EROFS);
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_copy_file_range_in>(arguments));
  if (in.flags != 0) return Errno(EINVAL);  // None is defined.
  operation.kind = FileOperation::Kind::kCopy;
  operation.offset = in.off_in;
  operation.target_offset = in.off_out;
  // FUSE_COPY_FILE_RANGE's answer has 32 bits for the count.
  operation.size = std::min<uint64_t>(in.len, rpc::kMaxCopyBytes);
  POSTERN_ASSIGN_OR_RETURN(operation.target,
                           context.open_files.Find(OpenFileId(in.fh_out), NodeId(in.nodeid_out)));
  operation.kills_privileges = KillsPrivileges(context);  // As in FALLOCATE.
  return FindFile(context, in.fh_in, operation);
}

ErrnoOrVoid DecodeLseek(const DecodeContext& context, FuseArguments& arguments,
                        FileOperation& operation) {
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_lseek_in>(arguments));
  operation.kind = FileOperation::Kind::kSeek;
  operation.offset = in.offset;
  operation.flags = in.whence;
  return FindFile(context, in.fh, operation);
}

}  // namespace postern
