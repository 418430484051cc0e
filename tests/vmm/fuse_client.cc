#include "tests/vmm/fuse_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/checked.h"
#include "tests/vmm/fuse_round_trip.h"

namespace postern::vmm {

ErrnoOr<std::unique_ptr<FuseClient>> FuseClient::Create(FuseQueue& queue) {
  POSTERN_ASSIGN_OR_RETURN(
      const GuestBuffer buffer,
      queue.memory().Allocate(kBufferBytes + kGuestPageBytes, kGuestPageBytes));
  return std::unique_ptr<FuseClient>(new FuseClient(queue, buffer));
}

ErrnoOr<FuseRequest*> FuseClient::BeginOrWait() {
  while (true) {
    if (FuseRequest* request = queue_.Begin(); request != nullptr) return request;
    POSTERN_RETURN_IF_ERROR(queue_.Wait(timeout_));
  }
}

ErrnoOrVoid FuseClient::Finish(Pending& pending) {
  while (!pending.done) {
    const auto waited = queue_.Wait(timeout_);
    if (waited.ok()) continue;
    queue_.Abandon(&pending);
    return waited.error();
  }
  if (pending.error != 0) return Errno(pending.error);
  return {};
}

std::string FuseClient::BufferText(size_t size) const {
  // Safe because char aliases everything.
  return std::string(reinterpret_cast<const char*>(buffer_.bytes.data()), size);
}

ErrnoOr<fuse_init_out> FuseClient::Init(const InitOptions& options) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_init_out out,
                           CallFor<fuse_init_out>([&](FuseRequest& r) { EncodeInit(r, options); }));
  enabled_ = out.flags;
  if ((out.flags & FUSE_INIT_EXT) != 0) enabled_ |= uint64_t{out.flags2} << 32;
  enabled_ &= options.flags;
  return out;
}

ErrnoOrVoid FuseClient::Destroy() {
  return CallForNothing([](FuseRequest& r) { EncodeDestroy(r); });
}

ErrnoOr<fuse_entry_out> FuseClient::Lookup(NodeId parent, std::string_view name) {
  return CallFor<fuse_entry_out>([&](FuseRequest& r) { EncodeLookup(r, parent, name); });
}

ErrnoOrVoid FuseClient::Forget(NodeId node, uint64_t count) {
  return CallForNothing([&](FuseRequest& r) { EncodeForget(r, node, count); });
}

ErrnoOrVoid FuseClient::BatchForget(std::span<const fuse_forget_one> items) {
  return CallForNothing([&](FuseRequest& r) { EncodeBatchForget(r, items); });
}

ErrnoOr<fuse_attr> FuseClient::Getattr(NodeId node, std::optional<FuseHandle> handle) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr_out out, CallFor<fuse_attr_out>([&](FuseRequest& r) {
                             EncodeGetattr(r, node, handle);
                           }));
  return out.attr;
}

ErrnoOr<fuse_attr> FuseClient::Setattr(NodeId node, const fuse_setattr_in& arguments) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr_out out, CallFor<fuse_attr_out>([&](FuseRequest& r) {
                             EncodeSetattr(r, node, arguments);
                           }));
  return out.attr;
}

ErrnoOr<std::string> FuseClient::Readlink(NodeId node) {
  POSTERN_ASSIGN_OR_RETURN(const Reply reply, RoundTrip({}, [&](FuseRequest& r) {
                             EncodeReadlink(r, node, buffer_.Part(0, kGuestPageBytes));
                           }));
  return BufferText(reply.data);
}

ErrnoOr<fuse_entry_out> FuseClient::Symlink(NodeId parent, std::string_view name,
                                            std::string_view target) {
  return CallFor<fuse_entry_out>(
      [&](FuseRequest& r) { EncodeSymlink(r, parent, name, target, credentials_); });
}

ErrnoOr<fuse_entry_out> FuseClient::Mknod(NodeId parent, std::string_view name, uint32_t mode,
                                          uint32_t rdev, uint32_t umask) {
  const fuse_mknod_in arguments{.mode = mode, .rdev = rdev, .umask = umask, .padding = 0};
  return CallFor<fuse_entry_out>(
      [&](FuseRequest& r) { EncodeMknod(r, parent, name, arguments, credentials_); });
}

ErrnoOr<fuse_entry_out> FuseClient::Mkdir(NodeId parent, std::string_view name, uint32_t mode,
                                          uint32_t umask) {
  const fuse_mkdir_in arguments{.mode = mode, .umask = umask};
  return CallFor<fuse_entry_out>(
      [&](FuseRequest& r) { EncodeMkdir(r, parent, name, arguments, credentials_); });
}

ErrnoOrVoid FuseClient::Unlink(NodeId parent, std::string_view name) {
  return CallForNothing([&](FuseRequest& r) { EncodeUnlink(r, parent, name); });
}

ErrnoOrVoid FuseClient::Rmdir(NodeId parent, std::string_view name) {
  return CallForNothing([&](FuseRequest& r) { EncodeRmdir(r, parent, name); });
}

ErrnoOrVoid FuseClient::Rename(NodeId parent, std::string_view name, NodeId new_parent,
                               std::string_view new_name) {
  return CallForNothing(
      [&](FuseRequest& r) { EncodeRename(r, parent, name, new_parent, new_name); });
}

ErrnoOrVoid FuseClient::Rename2(NodeId parent, std::string_view name, NodeId new_parent,
                                std::string_view new_name, uint32_t flags) {
  return CallForNothing(
      [&](FuseRequest& r) { EncodeRename2(r, parent, name, new_parent, new_name, flags); });
}

ErrnoOr<fuse_entry_out> FuseClient::Link(NodeId existing, NodeId new_parent,
                                         std::string_view new_name) {
  return CallFor<fuse_entry_out>(
      [&](FuseRequest& r) { EncodeLink(r, new_parent, existing, new_name); });
}

ErrnoOrVoid FuseClient::Access(NodeId node, uint32_t mask) {
  return CallForNothing([&](FuseRequest& r) { EncodeAccess(r, node, mask); });
}

ErrnoOr<fuse_kstatfs> FuseClient::Statfs(NodeId node) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_statfs_out out, CallFor<fuse_statfs_out>([&](FuseRequest& r) {
                             EncodeStatfs(r, node);
                           }));
  return out.st;
}

ErrnoOrVoid FuseClient::Syncfs(NodeId node) {
  return CallForNothing([&](FuseRequest& r) { EncodeSyncfs(r, node); });
}

ErrnoOr<fuse_open_out> FuseClient::Open(NodeId node, uint32_t flags, uint32_t open_flags) {
  return CallFor<fuse_open_out>([&](FuseRequest& r) { EncodeOpen(r, node, flags, open_flags); });
}

ErrnoOr<CreatedFile> FuseClient::Create(NodeId parent, std::string_view name, uint32_t flags,
                                        uint32_t mode, uint32_t umask) {
  const fuse_create_in arguments{.flags = flags, .mode = mode, .umask = umask, .open_flags = 0};
  return CallFor<CreatedFile>(
      [&](FuseRequest& r) { EncodeCreate(r, parent, name, arguments, credentials_); });
}

ErrnoOr<size_t> FuseClient::Read(NodeId node, FuseHandle handle, uint64_t offset,
                                 const GuestBuffer& to) {
  POSTERN_ASSIGN_OR_RETURN(const Reply reply, RoundTrip({}, [&](FuseRequest& r) {
                             EncodeRead(r, node, handle, offset, to);
                           }));
  return reply.data;
}

ErrnoOr<std::string> FuseClient::ReadString(NodeId node, FuseHandle handle, uint64_t offset,
                                            size_t size) {
  if (size > buffer_.size()) return Errno(E2BIG);
  POSTERN_ASSIGN_OR_RETURN(const size_t count, Read(node, handle, offset, buffer_.Part(0, size)));
  return BufferText(count);
}

ErrnoOr<size_t> FuseClient::Write(NodeId node, FuseHandle handle, uint64_t offset,
                                  const GuestBuffer& from, const WriteFlags& flags) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_write_out out, CallFor<fuse_write_out>([&](FuseRequest& r) {
                             EncodeWrite(r, node, handle, offset, from, flags);
                           }));
  return size_t{out.size};
}

ErrnoOr<size_t> FuseClient::WriteString(NodeId node, FuseHandle handle, uint64_t offset,
                                        std::string_view from, const WriteFlags& flags) {
  if (from.size() > buffer_.size()) return Errno(E2BIG);
  std::memcpy(buffer_.bytes.data(), from.data(), from.size());
  return Write(node, handle, offset, buffer_.Part(0, from.size()), flags);
}

ErrnoOrVoid FuseClient::Flush(NodeId node, FuseHandle handle) {
  return CallForNothing([&](FuseRequest& r) { EncodeFlush(r, node, handle); });
}

ErrnoOrVoid FuseClient::Fsync(NodeId node, FuseHandle handle, bool data_only) {
  return CallForNothing([&](FuseRequest& r) { EncodeFsync(r, node, handle, data_only); });
}

ErrnoOrVoid FuseClient::Release(NodeId node, FuseHandle handle) {
  return CallForNothing([&](FuseRequest& r) { EncodeRelease(r, node, handle); });
}

ErrnoOrVoid FuseClient::Fallocate(NodeId node, FuseHandle handle, uint64_t offset, uint64_t length,
                                  uint32_t mode) {
  const fuse_fallocate_in arguments{
      .fh = handle.value(), .offset = offset, .length = length, .mode = mode, .padding = 0};
  return CallForNothing([&](FuseRequest& r) { EncodeFallocate(r, node, arguments); });
}

ErrnoOr<uint64_t> FuseClient::Lseek(NodeId node, FuseHandle handle, uint64_t offset,
                                    uint32_t whence) {
  const fuse_lseek_in arguments{
      .fh = handle.value(), .offset = offset, .whence = whence, .padding = 0};
  POSTERN_ASSIGN_OR_RETURN(const fuse_lseek_out out, CallFor<fuse_lseek_out>([&](FuseRequest& r) {
                             EncodeLseek(r, node, arguments);
                           }));
  return out.offset;
}

ErrnoOr<size_t> FuseClient::CopyFileRange(NodeId from, FuseHandle from_handle, uint64_t from_offset,
                                          NodeId to, FuseHandle to_handle, uint64_t to_offset,
                                          uint64_t length) {
  const fuse_copy_file_range_in arguments =
      CopyArguments(from_handle, from_offset, to, to_handle, to_offset, length);
  POSTERN_ASSIGN_OR_RETURN(const fuse_write_out out, CallFor<fuse_write_out>([&](FuseRequest& r) {
                             EncodeCopyFileRange(r, from, arguments);
                           }));
  return size_t{out.size};
}

ErrnoOr<fuse_open_out> FuseClient::Opendir(NodeId node, uint32_t flags) {
  return CallFor<fuse_open_out>([&](FuseRequest& r) { EncodeOpendir(r, node, flags); });
}

ErrnoOr<std::vector<DirectoryEntry>> FuseClient::ReadEntries(uint32_t opcode, NodeId node,
                                                             FuseHandle handle, uint64_t offset,
                                                             size_t size) {
  if (size > buffer_.size()) return Errno(E2BIG);
  POSTERN_ASSIGN_OR_RETURN(const Reply reply, RoundTrip({}, [&](FuseRequest& r) {
                             EncodeReaddir(r, opcode, node, handle, offset, buffer_.Part(0, size));
                           }));
  return ParseDirectoryEntries(buffer_.bytes.first(reply.data), opcode == FUSE_READDIRPLUS);
}

ErrnoOr<std::vector<DirectoryEntry>> FuseClient::Readdir(NodeId node, FuseHandle handle,
                                                         uint64_t offset, size_t size) {
  return ReadEntries(FUSE_READDIR, node, handle, offset, size);
}

ErrnoOr<std::vector<DirectoryEntry>> FuseClient::Readdirplus(NodeId node, FuseHandle handle,
                                                             uint64_t offset, size_t size) {
  return ReadEntries(FUSE_READDIRPLUS, node, handle, offset, size);
}

ErrnoOrVoid FuseClient::Releasedir(NodeId node, FuseHandle handle) {
  return CallForNothing([&](FuseRequest& r) { EncodeReleasedir(r, node, handle); });
}

ErrnoOrVoid FuseClient::Fsyncdir(NodeId node, FuseHandle handle, bool data_only) {
  return CallForNothing([&](FuseRequest& r) { EncodeFsyncdir(r, node, handle, data_only); });
}

ErrnoOr<std::string> FuseClient::Call(uint32_t opcode, NodeId node,
                                      std::span<const std::byte> arguments, size_t reply_bytes) {
  if (reply_bytes > buffer_.size()) return Errno(E2BIG);
  POSTERN_ASSIGN_OR_RETURN(const Reply reply, RoundTrip({}, [&](FuseRequest& r) {
                             r.Start(opcode, node);
                             r.AppendBytes(arguments);
                             r.ReceiveData(buffer_.Part(0, reply_bytes));
                           }));
  return BufferText(reply.data);
}

ErrnoOr<std::string> FuseClient::CallRaw(std::span<const std::byte> request, size_t reply_bytes) {
  // The request goes into the first half of the buffer, the reply into the second.
  const size_t half = buffer_.size() / 2;
  if (request.size() > half || reply_bytes > half) return Errno(E2BIG);
  std::ranges::copy(request, buffer_.bytes.begin());
  const Segment readable{buffer_.address, Narrow<uint32_t>(request.size())};
  const GuestBuffer reply = buffer_.Part(half, reply_bytes);
  const Segment writable{reply.address, Narrow<uint32_t>(reply_bytes)};
  Pending pending;
  POSTERN_RETURN_IF_ERROR(queue_.SubmitRaw(std::span(&readable, request.empty() ? 0 : 1),
                                           std::span(&writable, reply_bytes == 0 ? 0 : 1),
                                           &Pending::Complete, &pending));
  POSTERN_RETURN_IF_ERROR(Finish(pending));
  if (pending.sizes.data > reply_bytes) return Errno(EPROTO);
  return std::string(reinterpret_cast<const char*>(reply.bytes.data()), pending.sizes.data);
}

}  // namespace postern::vmm
