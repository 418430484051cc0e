// Operations on names: what FUSE's LOOKUP, FORGET, MKNOD, MKDIR, SYMLINK, UNLINK, RMDIR, RENAME,
// LINK and READLINK ask for.
#ifndef POSTERN_BROKER_OPERATIONS_NAMESPACE_OPERATIONS_H_
#define POSTERN_BROKER_OPERATIONS_NAMESPACE_OPERATIONS_H_

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

// Each operation answers into `reply`'s result what rpc.proto says, or returns the error.
// Precondition: request_checks.h found the request well-formed. Names and ids are checked here.
namespace postern::operations {

ErrnoOrVoid Lookup(OperationContext& context, const rpc::LookupRequest& request, rpc::Reply& reply);
ErrnoOrVoid Forget(OperationContext& context, const rpc::ForgetRequest& request, rpc::Reply& reply);
ErrnoOrVoid MakeNode(OperationContext& context, const rpc::MakeNodeRequest& request,
                     rpc::Reply& reply);
ErrnoOrVoid MakeDirectory(OperationContext& context, const rpc::MakeDirectoryRequest& request,
                          rpc::Reply& reply);
ErrnoOrVoid Symlink(OperationContext& context, const rpc::SymlinkRequest& request,
                    rpc::Reply& reply);
ErrnoOrVoid Unlink(OperationContext& context, const rpc::UnlinkRequest& request, rpc::Reply& reply);
ErrnoOrVoid RemoveDirectory(OperationContext& context, const rpc::RemoveDirectoryRequest& request,
                            rpc::Reply& reply);
ErrnoOrVoid Rename(OperationContext& context, const rpc::RenameRequest& request, rpc::Reply& reply);
ErrnoOrVoid Link(OperationContext& context, const rpc::LinkRequest& request, rpc::Reply& reply);
ErrnoOrVoid ReadLink(OperationContext& context, const rpc::ReadLinkRequest& request,
                     rpc::Reply& reply);

}  // namespace postern::operations

#endif  // POSTERN_BROKER_OPERATIONS_NAMESPACE_OPERATIONS_H_
