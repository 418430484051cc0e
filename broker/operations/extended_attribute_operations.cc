#include "broker/operations/extended_attribute_operations.h"

#include <linux/xattr.h>
#include <sys/stat.h>

#include <cstring>

#include "broker/inodes/file_status.h"
#include "broker/operations/extended_attributes.h"
#include "common/checked.h"

namespace postern::operations {
namespace {

ErrnoOrVoid CheckEnabled(const OperationContext& context) {
  if (!context.filesystem.options().xattr) return Errno(EOPNOTSUPP);
  return {};
}

// The guest's user isn't in the file's group, so that an ACL which changes the mode must not leave
// the set-gid bit. The kernel would see to that for its own caller, who is the broker.
ErrnoOrVoid ClearSetGid(OperationContext& context, const PinnedInode& inode) {
  struct statx status;
  POSTERN_RETURN_IF_ERROR(StatDescriptor(inode.fd(), status));
  if ((status.stx_mode & S_ISGID) == 0) return {};
  return CheckSyscall(fchmodat(context.filesystem.proc_fd().directory(),
                               DescriptorName(inode.fd()).c_str(),
                               status.stx_mode & 07777 & ~S_ISGID, 0));
}

// The names in `list` that the guest may see, by its own names for them.
void AppendVisible(const OperationContext& context, std::span<const std::byte> list,
                   std::string& to) {
  const XattrMap& map = context.filesystem.options().xattr_map;
  const bool acls = ServesAcls(context);
  // Safe because char aliases everything.
  std::string_view rest(reinterpret_cast<const char*>(list.data()), list.size());
  while (!rest.empty()) {
    const std::string_view host = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(host.size() + 1, rest.size()));
    const std::optional<std::string_view> name = map.ToGuest(host);
    if (!name || (!acls && (IsAclName(*name) || IsAclName(host)))) continue;
    to.append(*name);
    to.push_back('\0');
  }
}

}  // namespace

ErrnoOrVoid GetExtendedAttribute(OperationContext& context,
                                 const rpc::GetExtendedAttributeRequest& request,
                                 rpc::Reply& reply) {
  POSTERN_RETURN_IF_ERROR(CheckEnabled(context));
  const ErrnoOr<std::string> name = HostXattrName(context, request.name());
  // What may not be used isn't there.
  if (!name.ok()) return name.error() == Errno(EPERM) ? Errno(ENODATA) : name.error();
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  const std::span<std::byte> buffer = std::span(context.scratch.bulk).first(request.size());
  POSTERN_ASSIGN_OR_RETURN(const size_t size, AttributeHolder(inode.fd()).Get(*name, buffer));
  rpc::ExtendedAttribute& answer = *reply.mutable_extended_attribute();
  if (request.size() == 0) {
    answer.set_size(Narrow<uint32_t>(size));
  } else {
    answer.set_value(buffer.data(), size);
  }
  return {};
}

ErrnoOrVoid SetExtendedAttribute(OperationContext& context,
                                 const rpc::SetExtendedAttributeRequest& request, rpc::Reply&) {
  POSTERN_RETURN_IF_ERROR(CheckEnabled(context));
  POSTERN_ASSIGN_OR_RETURN(const std::string name, HostXattrName(context, request.name()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  // Not before it is replaced itself: XATTR_REPLACE wouldn't find it.
  if (name != context.filesystem.options().xattr_map.remapped_capability()) {
    POSTERN_RETURN_IF_ERROR(DropCapability(context, inode.inode->type(), inode.fd()));
  }
  if (request.kill_setgid() && name == XATTR_NAME_POSIX_ACL_ACCESS) {
    POSTERN_RETURN_IF_ERROR(ClearSetGid(context, inode));
  }
  return AttributeHolder(inode.fd()).Set(name, request.value(), static_cast<int>(request.flags()));
}

ErrnoOrVoid ListExtendedAttributes(OperationContext& context,
                                   const rpc::ListExtendedAttributesRequest& request,
                                   rpc::Reply& reply) {
  POSTERN_RETURN_IF_ERROR(CheckEnabled(context));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  const std::span<std::byte> buffer = std::span(context.scratch.bulk).first(request.size());
  POSTERN_ASSIGN_OR_RETURN(const size_t size, AttributeHolder(inode.fd()).List(buffer));
  rpc::ExtendedAttribute& answer = *reply.mutable_extended_attribute();
  if (request.size() == 0) {
    // Of the host's names. The guest's are a part of them, and take no more.
    answer.set_size(Narrow<uint32_t>(size));
  } else {
    AppendVisible(context, buffer.first(size), *answer.mutable_value());
  }
  return {};
}

ErrnoOrVoid RemoveExtendedAttribute(OperationContext& context,
                                    const rpc::RemoveExtendedAttributeRequest& request,
                                    rpc::Reply&) {
  POSTERN_RETURN_IF_ERROR(CheckEnabled(context));
  POSTERN_ASSIGN_OR_RETURN(const std::string name, HostXattrName(context, request.name()));
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, NodeId(request.node_id())));
  return AttributeHolder(inode.fd()).Remove(name);
}

}  // namespace postern::operations
