// Extended attributes of inodes, and what other operations do with them.
#ifndef POSTERN_BROKER_OPERATIONS_EXTENDED_ATTRIBUTES_H_
#define POSTERN_BROKER_OPERATIONS_EXTENDED_ATTRIBUTES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "common/mutex_lock.h"
#include "common/scoped_umask.h"
#include "proto/rpc.pb.h"

namespace postern {

// An inode as the path-taking calls of xattr(7) see it. "N", relative to the working directory
// /proc/self/fd (thread_state.h), is a magic link to what descriptor N is open on, of whatever
// type: an O_PATH descriptor will do, nothing is opened, and what the kernel checks and answers is
// the same as for a local user.
class AttributeHolder {
 public:
  // `fd` is borrowed.
  explicit AttributeHolder(int fd) : name_(fd) {}

  // The size of the value, or of the list of names. With an empty `to` nothing is copied.
  ErrnoOr<size_t> Get(const std::string& name, std::span<std::byte> to) const;
  ErrnoOr<size_t> List(std::span<std::byte> to) const;
  ErrnoOrVoid Set(const std::string& name, std::string_view value, int flags) const;
  ErrnoOrVoid Remove(const std::string& name) const;

 private:
  DescriptorName name_;
};

// The kernel drops security.capability when a file's data or owner changes: the file isn't what the
// capability was given to any more. Where the guest's is kept under another name the kernel doesn't
// know it, and this does the same. `fd` is
// a descriptor of the inode, and `type` its type. Does nothing where it isn't
// kept so, or if there is none.
ErrnoOrVoid DropCapability(OperationContext& context, mode_t type, int fd);

// Whether the names of ACLs mean something to this session.
bool ServesAcls(const OperationContext& context);

// While it lives an object is made with the guest's umask, if the guest leaves that to this side:
// the kernel applies it where the parent directory has no default ACL. The umask is 0 in between
// (MakeThreadStateOwn()). Where the threads share one, only one of them makes an object at a time,
// so one whose server doesn't answer holds up the others: the price of ACLs in a container that
// forbids unshare(2).
class RequestUmask {
 public:
  RequestUmask(const OperationContext& context, uint32_t guest_umask);

 private:
  std::optional<MutexLock> alone_;  // Before the mask: released after that is taken back.
  std::optional<ScopedUmask> mask_;
};

// system.posix_acl_access and system.posix_acl_default.
bool IsAclName(std::string_view name);
// The host's name for what the guest calls `name`, wherever a request names an extended attribute.
// EPERM and ENOTSUP as XattrMap::ToHost() has it; ENOTSUP for an ACL that means nothing to the
// session.
ErrnoOr<std::string> HostXattrName(const OperationContext& context, std::string_view name);

// EOPNOTSUPP if the request brings a security context and the configuration knows of none: an
// object mustn't be made without the label that it was to get.
ErrnoOrVoid CheckSecurityContext(const OperationContext& context, bool present);
// Gives the new object that `fd` is open on the context that its request brought.
ErrnoOrVoid SetSecurityContext(OperationContext& context, const rpc::SecurityContext& security,
                               int fd);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_EXTENDED_ATTRIBUTES_H_
