// A directory tree that nobody may touch, and the proof that nobody has.
#ifndef POSTERN_TESTS_HOSTILE_WORKER_CANARY_H_
#define POSTERN_TESTS_HOSTILE_WORKER_CANARY_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace postern {

// Watched by fanotify: opening, reading, writing, changing attributes, making, renaming and
// removing in it, by whatever path and from whatever mount namespace. What fanotify can't see (a
// look by O_PATH or statx(2)) changes nothing, and shows itself in what a broker then answers: an
// inode number of the tree.
class Canary {
 public:
  // Makes the tree `path`: files "victim", "file" and "secret", directory "inner" with a "victim",
  // all with the same names as the attackers use in the share.
  explicit Canary(const std::string& path);

  // One line for each thing that has happened or changed since the last call.
  std::vector<std::string> Touches();
  bool HasInode(uint64_t ino) const { return inodes_.contains(ino); }

 private:
  void Watch(const std::string& path) const;
  std::vector<std::string> Snapshot() const;

  const std::string path_;
  std::set<uint64_t> inodes_;
  std::vector<std::string> snapshot_;
  UniqueFd events_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_HOSTILE_WORKER_CANARY_H_
