// The guest user of a request.
#ifndef POSTERN_BROKER_OPERATIONS_CALLER_H_
#define POSTERN_BROKER_OPERATIONS_CALLER_H_

#include "broker/identity/credentials.h"
#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

namespace postern {

// Translates a request's credentials. As IdMap has it: EIO for an id that the guest may
// not use, EINVAL for none.
ErrnoOr<HostCredentials> ToHost(const IdMap& ids, const rpc::Credentials& credentials);

// Acts as the guest user until the result is destroyed. Only for making objects: everything else
// runs as the broker, since the guest has checked the permissions.
ErrnoOr<ScopedCredentials> ActAs(OperationContext& context, const rpc::Credentials& credentials);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_CALLER_H_
