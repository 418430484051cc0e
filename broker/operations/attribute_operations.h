// Operations on attributes: GETATTR, SETATTR, ACCESS and STATFS.
#ifndef POSTERN_BROKER_OPERATIONS_ATTRIBUTE_OPERATIONS_H_
#define POSTERN_BROKER_OPERATIONS_ATTRIBUTE_OPERATIONS_H_

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

// As in namespace_operations.h.
namespace postern::operations {

ErrnoOrVoid GetAttributes(OperationContext& context, const rpc::GetAttributesRequest& request,
                          rpc::Reply& reply);
ErrnoOrVoid SetAttributes(OperationContext& context, const rpc::SetAttributesRequest& request,
                          rpc::Reply& reply);
ErrnoOrVoid Access(OperationContext& context, const rpc::AccessRequest& request, rpc::Reply& reply);
ErrnoOrVoid StatFilesystem(OperationContext& context, const rpc::StatFilesystemRequest& request,
                           rpc::Reply& reply);

}  // namespace postern::operations

#endif  // POSTERN_BROKER_OPERATIONS_ATTRIBUTE_OPERATIONS_H_
