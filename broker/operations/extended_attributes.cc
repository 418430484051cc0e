#include "broker/operations/extended_attributes.h"

#include <linux/xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace postern {

ErrnoOr<size_t> AttributeHolder::Get(const std::string& name, std::span<std::byte> to) const {
  const ssize_t size = getxattr(name_.c_str(), name.c_str(), to.data(), to.size());
  if (size < 0) return Errno::Last();
  return static_cast<size_t>(size);
}

ErrnoOr<size_t> AttributeHolder::List(std::span<std::byte> to) const {
  // Safe because char aliases everything.
  const ssize_t size = listxattr(name_.c_str(), reinterpret_cast<char*>(to.data()), to.size());
  if (size < 0) return Errno::Last();
  return static_cast<size_t>(size);
}

ErrnoOrVoid AttributeHolder::Set(const std::string& name, std::string_view value, int flags) const {
  return CheckSyscall(setxattr(name_.c_str(), name.c_str(), value.data(), value.size(), flags));
}

ErrnoOrVoid AttributeHolder::Remove(const std::string& name) const {
  return CheckSyscall(removexattr(name_.c_str(), name.c_str()));
}

ErrnoOrVoid DropCapability(OperationContext& context, mode_t type, int fd) {
  const std::string& name = context.filesystem.options().xattr_map.remapped_capability();
  // Nothing else is executed, and Linux refuses user.* on most other types.
  if (name.empty() || !S_ISREG(type)) return {};
  const ErrnoOrVoid removed = AttributeHolder(fd).Remove(name);
  if (!removed.ok() && removed.error() != Errno(ENODATA) && removed.error() != Errno(ENOTSUP)) {
    return removed;
  }
  return {};
}

bool ServesAcls(const OperationContext& context) {
  return context.session.options.posix_acl && context.filesystem.options().posix_acl;
}

RequestUmask::RequestUmask(const OperationContext& context, uint32_t guest_umask) {
  if (absl::Mutex* shared = context.filesystem.shared_umask()) alone_.emplace(*shared);
  if (ServesAcls(context)) mask_.emplace(static_cast<mode_t>(guest_umask));
}

bool IsAclName(std::string_view name) {
  return name == XATTR_NAME_POSIX_ACL_ACCESS || name == XATTR_NAME_POSIX_ACL_DEFAULT;
}

ErrnoOr<std::string> HostXattrName(const OperationContext& context, std::string_view name) {
  POSTERN_ASSIGN_OR_RETURN(std::string host, context.filesystem.options().xattr_map.ToHost(name));
  // By either name: one would make an ACL that nobody in the guest enforces, by the other the guest
  // would believe in one that isn't.
  if (!ServesAcls(context) && (IsAclName(name) || IsAclName(host))) return Errno(ENOTSUP);
  return host;
}

ErrnoOrVoid CheckSecurityContext(const OperationContext& context, bool present) {
  if (present && !context.filesystem.options().security_label) return Errno(EOPNOTSUPP);
  return {};
}

ErrnoOrVoid SetSecurityContext(OperationContext& context, const rpc::SecurityContext& security,
                               int fd) {
  POSTERN_ASSIGN_OR_RETURN(const std::string name, HostXattrName(context, security.name()));
  return AttributeHolder(fd).Set(name, security.value(), 0);
}

}  // namespace postern
