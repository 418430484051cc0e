#include "worker/queue/brokered_file.h"

#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "common/checked.h"
#include "worker/fuse/fuse_encode.h"

namespace postern {
namespace {

using Kind = FileOperation::Kind;

bool Keeps(const GuestFile& file) { return file.has_set_id_bits.load(std::memory_order_relaxed); }

size_t NextPartSize(const FileOperation& operation) {
  return std::min<size_t>(operation.size - operation.result, rpc::kMaxWriteBytes);
}

}  // namespace

bool NeedsBroker(const FileOperation& operation) {
  if (operation.kills_privileges) return false;
  switch (operation.kind) {
    case Kind::kWrite:
      return Keeps(*operation.file) && operation.size > 0;
    case Kind::kAllocate:
      return Keeps(*operation.file);
    case Kind::kCopy:
      return Keeps(*operation.target);
    default:
      return false;
  }
}

bool MayUseReservedRoom(FileOperation& operation, uint32_t uid) {
  // The broker would keep the bits that are to go; and what is beyond root's room is, for root,
  // too.
  if (operation.error != ENOSPC || uid != 0 || operation.kills_privileges) return false;
  switch (operation.kind) {
    case Kind::kWrite:
    case Kind::kAllocate:
    case Kind::kCopy:
      operation.error = 0;
      return true;
    default:
      return false;
  }
}

ErrnoOrVoid CheckBrokered(const FileOperation& operation) {
  const auto end = CheckedAdd(operation.offset, operation.size);
  if (!end || !NarrowOrNone<off_t>(*end)) return Errno(EINVAL);
  if (!NarrowOrNone<off_t>(operation.target_offset)) return Errno(EINVAL);
  return {};
}

void AskForPart(const FileOperation& operation, const DescriptorChain& chain,
                rpc::Request& request) {
  const GuestFile& file = *operation.file;
  if (operation.kind == Kind::kAllocate) {
    auto& allocate = *request.mutable_allocate();
    allocate.set_node_id(file.node_id.value());
    allocate.set_open_file_id(file.id.value());
    allocate.set_offset(operation.offset);
    allocate.set_length(operation.size);
    allocate.set_mode(operation.flags);
    return;
  }
  if (operation.kind == Kind::kCopy) {
    auto& copy = *request.mutable_copy_range();
    copy.set_from_node_id(file.node_id.value());
    copy.set_from_open_file_id(file.id.value());
    copy.set_from_offset(operation.offset);
    copy.set_to_node_id(operation.target->node_id.value());
    copy.set_to_open_file_id(operation.target->id.value());
    copy.set_to_offset(operation.target_offset);
    copy.set_length(operation.size);
    return;
  }
  auto& write = *request.mutable_write_file();
  write.set_node_id(file.node_id.value());
  write.set_open_file_id(file.id.value());
  write.set_offset(operation.offset + operation.result);
  write.set_append((operation.flags & RWF_APPEND) != 0);
  std::string& data = *write.mutable_data();
  data.resize(NextPartSize(operation));
  // The decoder has checked the size against the chain, which doesn't change.
  if (!chain.CopyFromGuest(operation.data_offset + operation.result,
                           std::as_writable_bytes(std::span(data)))) {
    std::abort();
  }
}

FileProgress TakePart(FileOperation& operation, const rpc::Reply& reply) {
  if (reply.error() != 0) {
    // What was written before counts.
    return operation.Finish(operation.result > 0 ? 0 : GuestError(reply).value());
  }
  if (operation.kind == Kind::kAllocate) {
    return operation.Finish(reply.result_case() == rpc::Reply::RESULT_NOT_SET ? 0 : EIO);
  }
  const size_t asked = operation.kind == Kind::kCopy ? operation.size : NextPartSize(operation);
  if (reply.result_case() != rpc::Reply::kBytesDone || reply.bytes_done() > asked) {
    return operation.Finish(EIO);
  }
  operation.result += reply.bytes_done();
  if (operation.kind == Kind::kCopy || reply.bytes_done() < asked ||
      operation.result == operation.size) {
    return operation.Finish(0);
  }
  return FileProgress::kWouldBlock;
}

}  // namespace postern
