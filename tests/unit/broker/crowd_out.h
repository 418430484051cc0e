// Makes an InodeTable give up the descriptors in its cache.
#ifndef POSTERN_TESTS_UNIT_BROKER_CROWD_OUT_H_
#define POSTERN_TESTS_UNIT_BROKER_CROWD_OUT_H_

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "broker/inodes/inode_table.h"

namespace postern {

// Other files come, so many that they take every place in the cache, and go. What was there has no
// descriptor afterwards, unless it can't do without.
inline void CrowdOut(InodeTable& table) {
  constexpr uint64_t kDevice = 0xc504d;  // None of a test's.
  std::vector<NodeId> crowd;
  for (uint64_t number = 0; number < 4096; ++number) {
    std::array<std::byte, sizeof(number)> bytes;
    std::memcpy(bytes.data(), &number, sizeof(number));
    InodeParts parts;
    parts.key = {{kDevice, number, 1}, FileHandleView{1, bytes}};
    parts.type = S_IFREG;
    parts.spare.Reset(open("/", O_PATH | O_CLOEXEC));
    crowd.push_back((*table.InsertOrFind(std::move(parts)))->id());
  }
  for (const NodeId id : crowd) table.Forget(id, 1);
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_CROWD_OUT_H_
