// Decoders: from a FUSE request's arguments to what the broker is asked, or to an operation of the
// worker's own.
#ifndef POSTERN_WORKER_FUSE_FUSE_DECODE_H_
#define POSTERN_WORKER_FUSE_FUSE_DECODE_H_

#include "common/errno_or.h"
#include "proto/bounds.h"
#include "proto/rpc.pb.h"
#include "worker/fuse/file_operation.h"
#include "worker/fuse/fuse_abi.h"
#include "worker/fuse/fuse_arguments.h"
#include "worker/fuse/fuse_session.h"
#include "worker/fuse/open_files.h"
#include "worker/fuse/request_notes.h"

namespace postern {

// What a decoder may know of its request besides the arguments.
struct DecodeContext {
  const fuse_in_header& header;  // A checked copy.
  const FuseOptions& options;
  const FuseSession& session;
  OpenFiles& open_files;
  size_t data_bytes;   // Readable bytes after the argument structure: a WRITE's data.
  size_t reply_bytes;  // Writable bytes after the reply's header.
  RequestNotes& notes;
};

// All of them: EINVAL for arguments that are too short or break FUSE's rules (ENAMETOOLONG for a
// name over 1,024 bytes), EBADF for a handle that isn't the inode's, EMFILE if there is no room for
// the file that is to be opened. `request` is then left in an unspecified state and not sent.
ErrnoOrVoid DecodeLookup(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeGetattr(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeStatx(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeSetattr(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeReadlink(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeSymlink(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeMknod(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeMkdir(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeUnlink(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeRmdir(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeRename(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeRename2(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeLink(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeOpen(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeCreate(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeTmpfile(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeRelease(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeOpendir(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeReaddir(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeReaddirplus(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeReleasedir(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeFsyncdir(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeStatfs(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeAccess(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeSyncfs(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeDestroy(const DecodeContext&, FuseArguments&, rpc::Request& request);

// Extended attributes. ENOSYS if they aren't served; ERANGE for a name that is empty or over 255
// bytes; E2BIG for a value over 64 KiB; ENOMEM for a buffer over 1 MiB.
ErrnoOrVoid DecodeSetxattr(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeGetxattr(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeListxattr(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeRemovexattr(const DecodeContext&, FuseArguments&, rpc::Request& request);

// These add to the items of `request`, which may hold some already; a failed one adds nothing. A
// BATCH_FORGET adds as many as it brings.
ErrnoOrVoid DecodeForget(const DecodeContext&, FuseArguments&, rpc::Request& request);
ErrnoOrVoid DecodeBatchForget(const DecodeContext&, FuseArguments&, rpc::Request& request);

// EROFS, where they change a file, if the device is read-only.
ErrnoOrVoid DecodeRead(const DecodeContext&, FuseArguments&, FileOperation& operation);
ErrnoOrVoid DecodeWrite(const DecodeContext&, FuseArguments&, FileOperation& operation);
ErrnoOrVoid DecodeFlush(const DecodeContext&, FuseArguments&, FileOperation& operation);
ErrnoOrVoid DecodeFsync(const DecodeContext&, FuseArguments&, FileOperation& operation);
ErrnoOrVoid DecodeFallocate(const DecodeContext&, FuseArguments&, FileOperation& operation);
ErrnoOrVoid DecodeCopyFileRange(const DecodeContext&, FuseArguments&, FileOperation& operation);
ErrnoOrVoid DecodeLseek(const DecodeContext&, FuseArguments&, FileOperation& operation);

// The most items that are added to a ForgetRequest at a time; half of what the broker takes
// (proto/rpc.proto), so that they leave room for others in its message.
inline constexpr int kMaxForgetItems = rpc::kMaxForgetItems / 2;

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_DECODE_H_
