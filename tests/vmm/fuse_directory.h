// What READDIR and READDIRPLUS answer.
#ifndef POSTERN_TESTS_VMM_FUSE_DIRECTORY_H_
#define POSTERN_TESTS_VMM_FUSE_DIRECTORY_H_

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/errno_or.h"

namespace postern::vmm {

struct DirectoryEntry {
  std::string name;
  uint64_t ino = 0;
  uint64_t next_offset = 0;  // To continue after this entry.
  uint32_t type = 0;         // DT_*
  fuse_entry_out entry{};    // READDIRPLUS only; nodeid 0 if it counted no lookup.
};

// All entries of one reply. EPROTO if a record is cut, isn't padded as FUSE wants it, or has a name
// that Linux would refuse (empty, with a '/', or longer than 1024 bytes).
ErrnoOr<std::vector<DirectoryEntry>> ParseDirectoryEntries(std::span<const std::byte> bytes,
                                                           bool plus);

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_DIRECTORY_H_
