#include "broker/inodes/inode.h"

#include <algorithm>
#include <new>

namespace postern {
namespace {

size_t HandleRoom(const InodeParts& parts) {
  return parts.key.handle ? parts.key.handle->bytes.size() : parts.handle_room;
}

}  // namespace

Inode* Inode::New(InodeParts parts) {
  void* room = ::operator new(sizeof(Inode) + HandleRoom(parts));
  return new (room) Inode(std::move(parts));
}

Inode::Inode(InodeParts parts)
    : type_(static_cast<uint8_t>((parts.type & S_IFMT) >> kTypeShift)),
      handle_room_(static_cast<uint8_t>(HandleRoom(parts))),
      handle_size_(0),
      handle_type_(0),
      identity_(parts.key.identity),
      path_(parts.path.fd ? std::make_unique<const BudgetedFd>(std::move(parts.path)) : nullptr),
      mount_(std::move(parts.mount)) {
  if (parts.key.handle) SetHandle(*parts.key.handle);
}

bool Inode::SetHandle(const FileHandleView& handle) {
  if (handle.bytes.size() > handle_room_) return false;
  std::ranges::copy(handle.bytes, tail());
  handle_type_ = handle.type;
  handle_size_ = static_cast<uint8_t>(handle.bytes.size());
  return true;
}

ErrnoOr<UniqueFd> Inode::OpenByHandle() const {
  if (!has_handle()) return Errno(ESTALE);
  return mount_->Open({handle_type_, std::span(tail(), size_t{handle_size_})});
}

InodeKey Inode::key() const {
  InodeKey key{identity_, std::nullopt};
  if (has_handle()) key.handle = {handle_type_, std::span(tail(), size_t{handle_size_})};
  return key;
}

}  // namespace postern
