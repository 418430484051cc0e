// Who makes an object, and what else a creating request says behind its names.
#ifndef POSTERN_WORKER_FUSE_DECODE_EXTENSIONS_H_
#define POSTERN_WORKER_FUSE_DECODE_EXTENSIONS_H_

#include "common/errno_or.h"
#include "proto/rpc.pb.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {

// Reads the extension records that are the rest of the arguments: supplementary groups
// (FUSE_CREATE_SUPP_GROUP) and a security context (FUSE_SECURITY_CTX), which is mandatory if it was
// negotiated, though it may say that there is none: then the name stays empty. EINVAL for a record
// that wasn't negotiated, that comes twice, or whose length isn't exactly that of its parts, and
// for a length of them all in the header that isn't theirs. Linux: get_create_ext(), fs/fuse/dir.c.
ErrnoOrVoid TakeRecords(const DecodeContext& context, FuseArguments& arguments,
                        rpc::Credentials& credentials, rpc::SecurityContext& security_context);

// The same, and the caller's ids, into `request`, which is one of the RPC's creating requests.
template <typename CreatingRequest>
ErrnoOrVoid TakeExtensions(const DecodeContext& context, FuseArguments& arguments,
                           CreatingRequest& request) {
  rpc::Credentials& credentials = *request.mutable_credentials();
  credentials.set_uid(context.header.uid);
  credentials.set_gid(context.header.gid);
  rpc::SecurityContext& security_context = *request.mutable_security_context();
  POSTERN_RETURN_IF_ERROR(TakeRecords(context, arguments, credentials, security_context));
  if (security_context.name().empty()) request.clear_security_context();
  return {};
}

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_DECODE_EXTENSIONS_H_
