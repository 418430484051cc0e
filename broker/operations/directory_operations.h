// Operations on directories: OPENDIR, READDIR and READDIRPLUS, RELEASEDIR, FSYNCDIR.
#ifndef POSTERN_BROKER_OPERATIONS_DIRECTORY_OPERATIONS_H_
#define POSTERN_BROKER_OPERATIONS_DIRECTORY_OPERATIONS_H_

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

// As in namespace_operations.h.
namespace postern::operations {

ErrnoOrVoid OpenDirectory(OperationContext& context, const rpc::OpenDirectoryRequest& request,
                          rpc::Reply& reply);
ErrnoOrVoid ReadDirectory(OperationContext& context, const rpc::ReadDirectoryRequest& request,
                          rpc::Reply& reply);
ErrnoOrVoid ReleaseDirectory(OperationContext& context, const rpc::ReleaseDirectoryRequest& request,
                             rpc::Reply& reply);
ErrnoOrVoid SyncDirectory(OperationContext& context, const rpc::SyncDirectoryRequest& request,
                          rpc::Reply& reply);

}  // namespace postern::operations

#endif  // POSTERN_BROKER_OPERATIONS_DIRECTORY_OPERATIONS_H_
