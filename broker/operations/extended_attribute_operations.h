// Operations on extended attributes: GETXATTR, SETXATTR, LISTXATTR and REMOVEXATTR.
#ifndef POSTERN_BROKER_OPERATIONS_EXTENDED_ATTRIBUTE_OPERATIONS_H_
#define POSTERN_BROKER_OPERATIONS_EXTENDED_ATTRIBUTE_OPERATIONS_H_

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

// As in namespace_operations.h. All four: EOPNOTSUPP if the configuration has them off, and for the
// names of ACLs where those aren't served.
namespace postern::operations {

ErrnoOrVoid GetExtendedAttribute(OperationContext& context,
                                 const rpc::GetExtendedAttributeRequest& request,
                                 rpc::Reply& reply);
ErrnoOrVoid SetExtendedAttribute(OperationContext& context,
                                 const rpc::SetExtendedAttributeRequest& request,
                                 rpc::Reply& reply);
ErrnoOrVoid ListExtendedAttributes(OperationContext& context,
                                   const rpc::ListExtendedAttributesRequest& request,
                                   rpc::Reply& reply);
ErrnoOrVoid RemoveExtendedAttribute(OperationContext& context,
                                    const rpc::RemoveExtendedAttributeRequest& request,
                                    rpc::Reply& reply);

}  // namespace postern::operations

#endif  // POSTERN_BROKER_OPERATIONS_EXTENDED_ATTRIBUTE_OPERATIONS_H_
