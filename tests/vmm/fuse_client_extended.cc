// The operations that not every server has: extended attributes, and what Linux added late.
#include <cstring>

#include "common/checked.h"
#include "tests/vmm/fuse_round_trip.h"

namespace postern::vmm {

ErrnoOrVoid FuseClient::Setxattr(NodeId node, std::string_view name, std::string_view value,
                                 const SetxattrOptions& options, std::optional<SetxattrForm> form) {
  if (value.size() > buffer_.size()) return Errno(E2BIG);
  std::memcpy(buffer_.bytes.data(), value.data(), value.size());
  const GuestBuffer data = buffer_.Part(0, value.size());
  const SetxattrForm negotiated =
      (enabled_ & FUSE_SETXATTR_EXT) != 0 ? SetxattrForm::kExtended : SetxattrForm::kShort;
  return CallForNothing([&](FuseRequest& r) {
    EncodeSetxattr(r, node, name, data, options, form.value_or(negotiated));
  });
}

ErrnoOr<std::string> FuseClient::Getxattr(NodeId node, std::string_view name, size_t size) {
  if (size == 0 || size > buffer_.size()) return Errno(E2BIG);
  POSTERN_ASSIGN_OR_RETURN(const Reply reply, RoundTrip({}, [&](FuseRequest& r) {
                             EncodeGetxattr(r, node, name, buffer_.Part(0, size));
                           }));
  return BufferText(reply.data);
}

ErrnoOr<uint32_t> FuseClient::GetxattrSize(NodeId node, std::string_view name) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_getxattr_out out,
                           CallFor<fuse_getxattr_out>([&](FuseRequest& r) {
                             EncodeGetxattr(r, node, name, buffer_.Part(0, 0));
                           }));
  return uint32_t{out.size};
}

ErrnoOr<std::string> FuseClient::Listxattr(NodeId node, size_t size) {
  if (size == 0 || size > buffer_.size()) return Errno(E2BIG);
  POSTERN_ASSIGN_OR_RETURN(const Reply reply, RoundTrip({}, [&](FuseRequest& r) {
                             EncodeListxattr(r, node, buffer_.Part(0, size));
                           }));
  return BufferText(reply.data);
}

ErrnoOr<uint32_t> FuseClient::ListxattrSize(NodeId node) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_getxattr_out out,
                           CallFor<fuse_getxattr_out>([&](FuseRequest& r) {
                             EncodeListxattr(r, node, buffer_.Part(0, 0));
                           }));
  return uint32_t{out.size};
}

ErrnoOrVoid FuseClient::Removexattr(NodeId node, std::string_view name) {
  return CallForNothing([&](FuseRequest& r) { EncodeRemovexattr(r, node, name); });
}

ErrnoOr<CreatedFile> FuseClient::Tmpfile(NodeId parent, uint32_t flags, uint32_t mode,
                                         uint32_t umask, std::string_view name) {
  const fuse_create_in arguments{.flags = flags, .mode = mode, .umask = umask, .open_flags = 0};
  return CallFor<CreatedFile>(
      [&](FuseRequest& r) { EncodeTmpfile(r, parent, name, arguments, credentials_); });
}

ErrnoOr<FuseStatx> FuseClient::Statx(NodeId node, uint32_t flags, uint32_t mask,
                                     std::optional<FuseHandle> handle) {
  POSTERN_ASSIGN_OR_RETURN(const FuseStatxOut out, CallFor<FuseStatxOut>([&](FuseRequest& r) {
                             EncodeStatx(r, node, flags, mask, handle);
                           }));
  return out.stat;
}

ErrnoOr<uint64_t> FuseClient::CopyFileRange64(NodeId from, FuseHandle from_handle,
                                              uint64_t from_offset, NodeId to, FuseHandle to_handle,
                                              uint64_t to_offset, uint64_t length) {
  const fuse_copy_file_range_in arguments =
      CopyArguments(from_handle, from_offset, to, to_handle, to_offset, length);
  POSTERN_ASSIGN_OR_RETURN(const FuseCopyFileRangeOut out,
                           CallFor<FuseCopyFileRangeOut>(
                               [&](FuseRequest& r) { EncodeCopyFileRange64(r, from, arguments); }));
  return out.bytes_copied;
}

}  // namespace postern::vmm
