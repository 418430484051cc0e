// Operations on a file's data that need the broker's rights: the WRITE, FALLOCATE and
// COPY_FILE_RANGE that keep set-uid and set-gid bits. All others are the worker's.
#ifndef POSTERN_BROKER_OPERATIONS_DATA_OPERATIONS_H_
#define POSTERN_BROKER_OPERATIONS_DATA_OPERATIONS_H_

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

// As in namespace_operations.h. EBADF for a file that isn't open, or not for what is asked.
namespace postern::operations {

ErrnoOrVoid WriteFile(OperationContext& context, const rpc::WriteFileRequest& request,
                      rpc::Reply& reply);
ErrnoOrVoid Allocate(OperationContext& context, const rpc::AllocateRequest& request,
                     rpc::Reply& reply);
ErrnoOrVoid CopyRange(OperationContext& context, const rpc::CopyRangeRequest& request,
                      rpc::Reply& reply);

}  // namespace postern::operations

#endif  // POSTERN_BROKER_OPERATIONS_DATA_OPERATIONS_H_
