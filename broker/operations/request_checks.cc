#include "broker/operations/request_checks.h"

#include <cstdint>
#include <string>

#include "proto/bounds.h"

namespace postern::request_checks {
namespace {

constexpr uint32_t kMaxMode = 07777;
constexpr uint32_t kMaxUmask = 0777;
constexpr uint32_t kNanosecondsPerSecond = 1'000'000'000;

// Absent credentials would read as root's.
template <typename Request>
const char* CheckCredentials(const Request& request) {
  if (!request.has_credentials()) return "no credentials";
  if (request.credentials().supplementary_gids_size() > rpc::kMaxSupplementaryGids) {
    return "too many supplementary groups";
  }
  return nullptr;
}

// UTIME_NOW and UTIME_OMIT lie above the bound: they can't be smuggled in as nanoseconds.
const char* CheckTime(const rpc::SetAttributesRequest::Time& time) {
  switch (time.value_case()) {
    case rpc::SetAttributesRequest::Time::VALUE_NOT_SET:
      return "a time without a value";
    case rpc::SetAttributesRequest::Time::kNow:
      return nullptr;
    case rpc::SetAttributesRequest::Time::kAt:
      return time.at().nanoseconds() < kNanosecondsPerSecond ? nullptr : "too many nanoseconds";
  }
  return "a time of an unknown kind";
}

const char* CheckXattrName(const std::string& name) {
  if (name.empty() || name.size() > rpc::kMaxXattrNameBytes) return "an extended attribute's name";
  if (name.find('\0') != std::string::npos) return "a NUL in an extended attribute's name";
  return nullptr;
}

const char* CheckSecurityContext(const rpc::SecurityContext& context) {
  const size_t size = context.value().size();
  if (size < 1 || size > rpc::kMaxXattrValueBytes) return "a security context's size";
  return CheckXattrName(context.name());
}

// What all requests that make something have in common.
template <typename Request>
const char* CheckMaking(const Request& request) {
  if (const char* wrong = CheckCredentials(request)) return wrong;
  return request.has_security_context() ? CheckSecurityContext(request.security_context())
                                        : nullptr;
}
template <typename Request>
const char* CheckMakingWithUmask(const Request& request) {
  if (request.umask() > kMaxUmask) return "a umask with more than permissions";
  return CheckMaking(request);
}

const char* CheckXattrRoom(uint32_t size) {
  return size <= rpc::kMaxXattrValueBytes ? nullptr : "too much room for an extended attribute";
}

}  // namespace

const char* Forget(const rpc::ForgetRequest& request) {
  if (request.items_size() < 1) return "nothing to forget";
  if (request.items_size() > rpc::kMaxForgetItems) return "too many items to forget";
  return nullptr;
}

const char* SetAttributes(const rpc::SetAttributesRequest& request) {
  if (request.has_mode() && request.mode() > kMaxMode) return "a mode with more than permissions";
  if (request.has_atime()) {
    if (const char* wrong = CheckTime(request.atime())) return wrong;
  }
  if (request.has_mtime()) {
    if (const char* wrong = CheckTime(request.mtime())) return wrong;
  }
  return nullptr;
}

const char* Symlink(const rpc::SymlinkRequest& request) {
  const std::string& target = request.target();
  if (target.empty() || target.size() > rpc::kMaxSymlinkTargetBytes)
    return "a symlink target's size";
  if (target.find('\0') != std::string::npos) return "a NUL in a symlink target";
  return CheckMaking(request);
}

const char* MakeNode(const rpc::MakeNodeRequest& request) { return CheckMakingWithUmask(request); }

const char* MakeDirectory(const rpc::MakeDirectoryRequest& request) {
  return CheckMakingWithUmask(request);
}

const char* Access(const rpc::AccessRequest& request) { return CheckCredentials(request); }

const char* Create(const rpc::CreateRequest& request) { return CheckMakingWithUmask(request); }

const char* CreateTemporaryFile(const rpc::CreateTemporaryFileRequest& request) {
  return CheckMakingWithUmask(request);
}

const char* WriteFile(const rpc::WriteFileRequest& request) {
  const size_t size = request.data().size();
  return size >= 1 && size <= rpc::kMaxWriteBytes ? nullptr : "a write's size";
}

const char* CopyRange(const rpc::CopyRangeRequest& request) {
  return request.length() <= rpc::kMaxCopyBytes ? nullptr : "the length of a copy";
}

const char* GetExtendedAttribute(const rpc::GetExtendedAttributeRequest& request) {
  if (const char* wrong = CheckXattrName(request.name())) return wrong;
  return CheckXattrRoom(request.size());
}

const char* SetExtendedAttribute(const rpc::SetExtendedAttributeRequest& request) {
  if (request.value().size() > rpc::kMaxXattrValueBytes) return "an extended attribute's size";
  return CheckXattrName(request.name());
}

const char* ListExtendedAttributes(const rpc::ListExtendedAttributesRequest& request) {
  return CheckXattrRoom(request.size());
}

const char* RemoveExtendedAttribute(const rpc::RemoveExtendedAttributeRequest& request) {
  return CheckXattrName(request.name());
}

}  // namespace postern::request_checks
