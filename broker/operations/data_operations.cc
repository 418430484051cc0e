#include "broker/operations/data_operations.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "broker/operations/extended_attributes.h"
#include "common/checked.h"

namespace postern::operations {
namespace {

// A file that is open for writing, and has lost the capability that the write takes from it.
ErrnoOr<OpenFileRef> FileToChange(OperationContext& context, uint64_t node_id,
                                  uint64_t open_file_id) {
  const NodeId node(node_id);
  POSTERN_ASSIGN_OR_RETURN(
      OpenFileRef file,
      context.session.open_files.Get(OpenFileId(open_file_id), node, OpenFile::Kind::kFile));
  // The kernel says the same, but only after the capability has gone.
  if ((file->flags() & O_ACCMODE) == O_RDONLY) return Errno(EBADF);
  POSTERN_RETURN_IF_ERROR(DropCapability(context, S_IFREG, file->fd()));
  return file;
}

// As pwrite(2) has it. -1 in particular must not get through: to pwritev2(2) it means the
// descriptor's own position.
ErrnoOr<off_t> OffsetFrom(uint64_t offset) {
  const auto narrow = NarrowOrNone<off_t>(offset);
  if (!narrow) return Errno(EINVAL);
  return *narrow;
}

}  // namespace

ErrnoOrVoid WriteFile(OperationContext& context, const rpc::WriteFileRequest& request,
                      rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(const off_t offset,
                           request.append() ? ErrnoOr<off_t>(0) : OffsetFrom(request.offset()));
  POSTERN_ASSIGN_OR_RETURN(const OpenFileRef file,
                           FileToChange(context, request.node_id(), request.open_file_id()));
  const std::string& data = request.data();
  iovec part{const_cast<char*>(data.data()), data.size()};  // Read only, by pwritev2(2).
  if ((file->flags() & O_DIRECT) != 0) {
    // Wherever the message's bytes are, the device wants them aligned.
    std::memcpy(context.scratch.bulk.data(), data.data(), data.size());
    part.iov_base = context.scratch.bulk.data();
  }
  POSTERN_ASSIGN_OR_RETURN(
      const ssize_t written,
      FromSyscall(pwritev2(file->fd(), &part, 1, offset, request.append() ? RWF_APPEND : 0)));
  reply.set_bytes_done(static_cast<uint64_t>(written));
  return {};
}

ErrnoOrVoid Allocate(OperationContext& context, const rpc::AllocateRequest& request, rpc::Reply&) {
  POSTERN_ASSIGN_OR_RETURN(const off_t offset, OffsetFrom(request.offset()));
  POSTERN_ASSIGN_OR_RETURN(const off_t length, OffsetFrom(request.length()));
  const auto mode = NarrowOrNone<int>(request.mode());
  if (!mode) return Errno(EOPNOTSUPP);  // As fallocate(2) says to a mode that it doesn't know.
  POSTERN_ASSIGN_OR_RETURN(const OpenFileRef file,
                           FileToChange(context, request.node_id(), request.open_file_id()));
  return CheckSyscall(fallocate(file->fd(), *mode, offset, length));
}

ErrnoOrVoid CopyRange(OperationContext& context, const rpc::CopyRangeRequest& request,
                      rpc::Reply& reply) {
  POSTERN_ASSIGN_OR_RETURN(off_t from_offset, OffsetFrom(request.from_offset()));
  POSTERN_ASSIGN_OR_RETURN(off_t to_offset, OffsetFrom(request.to_offset()));
  POSTERN_ASSIGN_OR_RETURN(
      const OpenFileRef from,
      context.session.open_files.Get(OpenFileId(request.from_open_file_id()),
                                     NodeId(request.from_node_id()), OpenFile::Kind::kFile));
  POSTERN_ASSIGN_OR_RETURN(const OpenFileRef to,
                           FileToChange(context, request.to_node_id(), request.to_open_file_id()));
  POSTERN_ASSIGN_OR_RETURN(const ssize_t copied,
                           FromSyscall(copy_file_range(from->fd(), &from_offset, to->fd(),
                                                       &to_offset, request.length(), 0)));
  reply.set_bytes_done(static_cast<uint64_t>(copied));
  return {};
}

}  // namespace postern::operations
