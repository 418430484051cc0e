#include "worker/fuse/decode_extensions.h"

#include "worker/fuse/decode_helpers.h"

namespace postern {
namespace {

// What is left of a record behind its parts can only be padding.
ErrnoOrVoid RequirePadding(const FuseArguments& body) {
  if (body.remaining() >= kFuseRecordAlignment) return Errno(EINVAL);
  return {};
}

ErrnoOrVoid TakeGroups(FuseArguments body, rpc::Credentials& credentials) {
  const auto groups = body.Take<FuseSupplementaryGroups>();
  if (!groups || groups->nr_groups > uint32_t{rpc::kMaxSupplementaryGids}) return Errno(EINVAL);
  for (uint32_t i = 0; i < groups->nr_groups; ++i) {
    const auto gid = body.Take<uint32_t>();
    if (!gid) return Errno(EINVAL);
    credentials.add_supplementary_gids(*gid);
  }
  return RequirePadding(body);
}

// `count` is the record's type.
ErrnoOrVoid TakeSecurityContext(uint32_t count, FuseArguments body, rpc::SecurityContext& context) {
  if (count == 0) return RequireEnd(body);  // No security module in the guest.
  if (count > 1) return Errno(EINVAL);      // A file has room for more, Linux doesn't send more.
  const auto header = body.Take<fuse_secctx>();
  if (!header || header->size == 0) return Errno(EINVAL);
  POSTERN_RETURN_IF_ERROR(TakeAttributeName(body, context.mutable_name()));
  const auto value = body.TakeBytes(header->size);
  if (!value) return Errno(EINVAL);
  if (value->size() > rpc::kMaxXattrValueBytes) return Errno(E2BIG);
  context.set_value(value->data(), value->size());
  return RequirePadding(body);
}

}  // namespace

ErrnoOrVoid TakeRecords(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Credentials& credentials, rpc::SecurityContext& security_context) {
  // In units of 8 bytes. The field is older clients' padding, which may hold anything; it came with
  // the supplementary groups, and may be 0 all the same.
  const size_t total = size_t{context.header.total_extlen} * kFuseRecordAlignment;
  if (context.session.enabled(kFuseCreateSuppGroup) && total != 0 &&
      total != arguments.remaining()) {
    return Errno(EINVAL);
  }
  bool groups_seen = false;
  bool security_seen = false;
  while (arguments.remaining() != 0) {
    const auto record = arguments.Take<fuse_ext_header>();
    if (!record || record->size < sizeof(*record) || record->size % kFuseRecordAlignment != 0) {
      return Errno(EINVAL);
    }
    const auto body = arguments.TakeBytes(record->size - sizeof(*record));
    if (!body) return Errno(EINVAL);
    if (record->type == kFuseExtGroups) {
      if (groups_seen || !context.session.enabled(kFuseCreateSuppGroup)) return Errno(EINVAL);
      groups_seen = true;
      POSTERN_RETURN_IF_ERROR(TakeGroups(FuseArguments(*body), credentials));
    } else if (record->type <= FUSE_MAX_NR_SECCTX) {
      if (security_seen || !context.session.enabled(FUSE_SECURITY_CTX)) return Errno(EINVAL);
      security_seen = true;
      POSTERN_RETURN_IF_ERROR(
          TakeSecurityContext(record->type, FuseArguments(*body), security_context));
    } else {
      return Errno(EINVAL);
    }
  }
  POSTERN_RETURN_IF_ERROR(RequireEnd(arguments));
  if (context.session.enabled(FUSE_SECURITY_CTX) && !security_seen) return Errno(EINVAL);
  return {};
}

}  // namespace postern
