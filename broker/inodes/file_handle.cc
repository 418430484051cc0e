#include "broker/inodes/file_handle.h"

#include <cstring>

namespace postern {

FileHandle::FileHandle() {
  header().handle_bytes = 0;
  header().handle_type = 0;
}

FileHandle::FileHandle(const FileHandleView& from) {
  header().handle_bytes = static_cast<unsigned>(from.bytes.size());
  header().handle_type = from.type;
  std::ranges::copy(from.bytes, storage_.begin() + sizeof(file_handle));
}

ErrnoOr<uint64_t> FileHandle::Set(int directory, const PathComponent& name) {
  return SetFrom(directory, name.c_str(), 0);
}

ErrnoOr<uint64_t> FileHandle::Set(int fd) { return SetFrom(fd, "", AT_EMPTY_PATH); }

ErrnoOr<uint64_t> FileHandle::SetFrom(int directory, const char* name, int flags) {
  header().handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (name_to_handle_at(directory, name, &header(), &mount_id, flags) < 0) return Errno::Last();
  return static_cast<uint64_t>(mount_id);
}

ErrnoOr<UniqueFd> FileHandle::Open(int mount) const {
  // The kernel only reads the handle.
  UniqueFd fd(open_by_handle_at(mount, const_cast<file_handle*>(&header()),
                                O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return Errno::Last();
  return fd;
}

FileHandleView FileHandle::view() const {
  return {header().handle_type,
          std::span(storage_).subspan(sizeof(file_handle), header().handle_bytes)};
}

}  // namespace postern
