// The bounds that rpc.proto states in its comments.
#ifndef POSTERN_BROKER_OPERATIONS_REQUEST_CHECKS_H_
#define POSTERN_BROKER_OPERATIONS_REQUEST_CHECKS_H_

#include <cstdint>

#include "proto/rpc.pb.h"

// Each returns what is wrong with a request, for the log, or null. A request that breaks a bound
// doesn't come from an honest worker, whatever the guest sent it, and ends the session. What a
// guest may cause (a bad name, an unknown id) isn't checked here: that gets an errno.
namespace postern::request_checks {

// At most this many; Linux guests send at most one.
inline constexpr int kMaxSupplementaryGids = 32;
inline constexpr int kMaxForgetItems = 4096;
inline constexpr size_t kMaxSymlinkTargetBytes = 4095;  // PATH_MAX less its NUL.
inline constexpr size_t kMaxWriteBytes = 65536;
inline constexpr uint64_t kMaxCopyBytes = 64 << 20;
inline constexpr size_t kMaxXattrNameBytes = 255;     // XATTR_NAME_MAX
inline constexpr size_t kMaxXattrValueBytes = 65536;  // XATTR_SIZE_MAX, XATTR_LIST_MAX

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
