// Operations on files: OPEN, CREATE, TMPFILE, RELEASE and SYNCFS. Their data the worker moves
// itself.
#ifndef POSTERN_BROKER_OPERATIONS_FILE_OPERATIONS_H_
#define POSTERN_BROKER_OPERATIONS_FILE_OPERATIONS_H_

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

// As in namespace_operations.h.
namespace postern::operations {

ErrnoOrVoid Open(OperationContext& context, const rpc::OpenRequest& request, rpc::Reply& reply);
ErrnoOrVoid Create(OperationContext& context, const rpc::CreateRequest& request, rpc::Reply& reply);
ErrnoOrVoid CreateTemporaryFile(OperationContext& context,
                                const rpc::CreateTemporaryFileRequest& request, rpc::Reply& reply);
ErrnoOrVoid Release(OperationContext& context, const rpc::ReleaseRequest& request,
                    rpc::Reply& reply);
ErrnoOrVoid SyncFilesystem(OperationContext& context, const rpc::SyncFilesystemRequest& request,
                           rpc::Reply& reply);

}  // namespace postern::operations

#endif  // POSTERN_BROKER_OPERATIONS_FILE_OPERATIONS_H_
