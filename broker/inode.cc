#include "broker/inode.h"

#include <algorithm>
#include <new>

namespace postern {
namespace {

size_t HandleSize(const InodeKey& key) { return key.handle ? key.handle->bytes.size() : 0; }

}  // namespace

Inode* Inode::New(InodeParts parts) {
  void* room = ::operator new(sizeof(Inode) + HandleSize(parts.key));
  return new (room) Inode(std::move(parts));
}

Inode::Inode(InodeParts parts)
    : type_(parts.type & S_IFMT),
      identity_(parts.key.identity),
      path_(std::move(parts.path)),
      mount_(std::move(parts.mount)),
      handle_type_(parts.key.handle ? parts.key.handle->type : 0),
      handle_size_(static_cast<uint32_t>(HandleSize(parts.key))) {
  if (parts.key.handle) std::ranges::copy(parts.key.handle->bytes, tail());
}

InodeKey Inode::key() const {
  InodeKey key{identity_, std::nullopt};
  if (handle_size_ != 0) key.handle = {handle_type_, std::span(tail(), handle_size_)};
  return key;
}

ErrnoOr<InodeDescriptor> Inode::Descriptor() const {
  if (has_descriptor()) return InodeDescriptor(path_.fd.get());
  POSTERN_ASSIGN_OR_RETURN(UniqueFd fd, mount_->Open(*key().handle));
  return InodeDescriptor(std::move(fd));
}

}  // namespace postern
