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
    : type_(static_cast<uint16_t>(parts.type & S_IFMT)),
      handle_size_(static_cast<uint16_t>(HandleSize(parts.key))),
      handle_type_(parts.key.handle ? parts.key.handle->type : 0),
      identity_(parts.key.identity),
      path_(parts.path.fd ? std::make_unique<const BudgetedFd>(std::move(parts.path)) : nullptr),
      mount_(std::move(parts.mount)) {
  if (parts.key.handle) std::ranges::copy(parts.key.handle->bytes, tail());
}

InodeKey Inode::key() const {
  InodeKey key{identity_, std::nullopt};
  if (handle_size_ != 0) key.handle = {handle_type_, std::span(tail(), handle_size_)};
  return key;
}

}  // namespace postern
