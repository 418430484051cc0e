#include "tests/vmm/fuse_directory.h"

#include <cstring>
#include <utility>

namespace postern::vmm {
namespace {

constexpr size_t kDirentHeader = offsetof(fuse_dirent, name);
constexpr size_t kMaxName = 1024;  // FUSE_NAME_MAX of fs/fuse/fuse_i.h.

}  // namespace

ErrnoOr<std::vector<DirectoryEntry>> ParseDirectoryEntries(std::span<const std::byte> bytes,
                                                           bool plus) {
  std::vector<DirectoryEntry> entries;
  while (!bytes.empty()) {
    const size_t prefix = plus ? sizeof(fuse_entry_out) : 0;
    if (bytes.size() < prefix + kDirentHeader) return Errno(EPROTO);
    DirectoryEntry entry;
    if (plus) std::memcpy(&entry.entry, bytes.data(), sizeof(entry.entry));
    fuse_dirent header;
    std::memcpy(&header, bytes.data() + prefix, kDirentHeader);
    if (header.namelen == 0 || header.namelen > kMaxName) return Errno(EPROTO);
    const size_t record = (prefix + kDirentHeader + header.namelen + 7) & ~size_t{7};
    if (bytes.size() < record) return Errno(EPROTO);
    const auto name = bytes.subspan(prefix + kDirentHeader, header.namelen);
    // Safe because char aliases everything.
    entry.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    if (entry.name.find('/') != std::string::npos) return Errno(EPROTO);
    entry.ino = header.ino;
    entry.next_offset = header.off;
    entry.type = header.type;
    entries.push_back(std::move(entry));
    bytes = bytes.subspan(record);
  }
  return entries;
}

}  // namespace postern::vmm
