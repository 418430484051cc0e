// The decoders of the requests about extended attributes.
#include <sys/xattr.h>

#include <algorithm>

#include "worker/fuse/decode_helpers.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

// virtiofsd takes no larger buffer of a guest's.
constexpr uint32_t kMaxAttributeBuffer = 1024 * 1024;

// The guest remembers this answer, and then answers EOPNOTSUPP itself.
ErrnoOrVoid RequireAttributes(const DecodeContext& context) {
  if (!context.options.xattr) return Errno(ENOSYS);
  return {};
}

// The buffer of GETXATTR and LISTXATTR. A larger one than the largest value changes nothing: the
// value still fits.
ErrnoOr<uint32_t> BufferSize(const DecodeContext& context, uint32_t size) {
  if (size > kMaxAttributeBuffer) return Errno(ENOMEM);
  context.notes.size_only = size == 0;
  return std::min(size, uint32_t{rpc::kMaxXattrValueBytes});
}

}  // namespace

ErrnoOrVoid DecodeSetxattr(const DecodeContext& context, FuseArguments& arguments,
                           rpc::Request& request) {
  POSTERN_RETURN_IF_ERROR(RequireAttributes(context));
  // The first 8 bytes are those that there always were.
  fuse_setxattr_in in{};
  if (context.session.enabled(FUSE_SETXATTR_EXT)) {
    const auto extended = arguments.Take<fuse_setxattr_in>();
    if (!extended) return Errno(EINVAL);
    in = *extended;
  } else {
    const auto size = arguments.Take<uint32_t>();
    const auto flags = arguments.Take<uint32_t>();
    if (!size || !flags) return Errno(EINVAL);
    in.size = *size;
    in.flags = *flags;
  }
  auto& set = *request.mutable_set_extended_attribute();
  set.set_node_id(context.header.nodeid);
  POSTERN_RETURN_IF_ERROR(TakeAttributeName(arguments, set.mutable_name()));
  const auto value = arguments.TakeBytes(in.size);
  if (!value || !arguments.AtEnd()) return Errno(EINVAL);
  if (value->size() > rpc::kMaxXattrValueBytes) return Errno(E2BIG);  // As setxattr(2).
  if (in.flags & ~uint32_t{XATTR_CREATE | XATTR_REPLACE}) return Errno(EINVAL);
  set.set_value(value->data(), value->size());
  set.set_flags(in.flags);
  set.set_kill_setgid((in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID) != 0);
  return {};
}

ErrnoOrVoid DecodeGetxattr(const DecodeContext& context, FuseArguments& arguments,
                           rpc::Request& request) {
  POSTERN_RETURN_IF_ERROR(RequireAttributes(context));
  const auto in = arguments.Take<fuse_getxattr_in>();
  if (!in) return Errno(EINVAL);
  auto& get = *request.mutable_get_extended_attribute();
  get.set_node_id(context.header.nodeid);
  POSTERN_RETURN_IF_ERROR(TakeAttributeName(arguments, get.mutable_name()));
  POSTERN_RETURN_IF_ERROR(RequireEnd(arguments));
  POSTERN_ASSIGN_OR_RETURN(const uint32_t size, BufferSize(context, in->size));
  get.set_size(size);
  return {};
}

ErrnoOrVoid DecodeListxattr(const DecodeContext& context, FuseArguments& arguments,
                            rpc::Request& request) {
  POSTERN_RETURN_IF_ERROR(RequireAttributes(context));
  POSTERN_ASSIGN_OR_RETURN(const auto in, TakeStruct<fuse_getxattr_in>(arguments));
  POSTERN_ASSIGN_OR_RETURN(const uint32_t size, BufferSize(context, in.size));
  request.mutable_list_extended_attributes()->set_node_id(context.header.nodeid);
  request.mutable_list_extended_attributes()->set_size(size);
  return {};
}

ErrnoOrVoid DecodeRemovexattr(const DecodeContext& context, FuseArguments& arguments,
                              rpc::Request& request) {
  POSTERN_RETURN_IF_ERROR(RequireAttributes(context));
  auto& remove = *request.mutable_remove_extended_attribute();
  remove.set_node_id(context.header.nodeid);
  POSTERN_RETURN_IF_ERROR(TakeAttributeName(arguments, remove.mutable_name()));
  return RequireEnd(arguments);
}

}  // namespace postern
