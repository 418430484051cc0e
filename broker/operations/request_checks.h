// Whether a request keeps the bounds that rpc.proto states in its comments.
#ifndef POSTERN_BROKER_OPERATIONS_REQUEST_CHECKS_H_
#define POSTERN_BROKER_OPERATIONS_REQUEST_CHECKS_H_

#include <cstdint>

#include "proto/rpc.pb.h"

// Each returns what is wrong with a request, for the log, or null. A request that breaks a bound
// doesn't come from an honest worker, whatever the guest sent it, and ends the session. What a
// guest may cause (a bad name, an unknown id) isn't checked here: that gets an errno.
namespace postern::request_checks {

template <typename Request>
const char* Nothing(const Request&) {
  return nullptr;
}
const char* Forget(const rpc::ForgetRequest& request);
const char* SetAttributes(const rpc::SetAttributesRequest& request);
const char* Symlink(const rpc::SymlinkRequest& request);
const char* MakeNode(const rpc::MakeNodeRequest& request);
const char* MakeDirectory(const rpc::MakeDirectoryRequest& request);
const char* Access(const rpc::AccessRequest& request);
const char* Create(const rpc::CreateRequest& request);
const char* CreateTemporaryFile(const rpc::CreateTemporaryFileRequest& request);
const char* WriteFile(const rpc::WriteFileRequest& request);
const char* CopyRange(const rpc::CopyRangeRequest& request);
const char* GetExtendedAttribute(const rpc::GetExtendedAttributeRequest& request);
const char* SetExtendedAttribute(const rpc::SetExtendedAttributeRequest& request);
const char* ListExtendedAttributes(const rpc::ListExtendedAttributesRequest& request);
const char* RemoveExtendedAttribute(const rpc::RemoveExtendedAttributeRequest& request);

}  // namespace postern::request_checks

#endif  // POSTERN_BROKER_OPERATIONS_REQUEST_CHECKS_H_
