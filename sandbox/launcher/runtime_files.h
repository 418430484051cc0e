// Files that posternd makes beside its socket, and removes again.
#ifndef POSTERN_SANDBOX_LAUNCHER_RUNTIME_FILES_H_
#define POSTERN_SANDBOX_LAUNCHER_RUNTIME_FILES_H_

#include <sys/types.h>

#include <string>

#include "common/status.h"
#include "common/unique_fd.h"

namespace postern {

// A directory (O_PATH) and a name in it: what a path stands for, once and for all.
struct FilePlace {
  UniqueFd directory;
  std::string name;
};
absl::StatusOr<FilePlace> OpenPlace(const std::string& path);

// A file that we have made. The inode tells it from what somebody else may make under its name
// later.
struct RuntimeFile {
  std::string name;
  dev_t device = 0;
  ino_t inode = 0;
};
// What we have just made as `name`, of `type` (S_IFSOCK). An error if it is of another type or
// another user's: whoever may write to the directory can have put something else in its place.
absl::StatusOr<RuntimeFile> Identify(int directory, const std::string& name, mode_t type);
bool IsStillThere(int directory, const RuntimeFile& file);
// Async-signal-safe, like the one above.
void RemoveIfStillThere(int directory, const RuntimeFile& file);

// The locked pid file: a second daemon on the same socket path fails.
struct PidFile {
  UniqueFd lock;
  RuntimeFile file;
};
// Creates or takes over `name`, mode 0600, locks it with flock(2) as virtiofsd does, and writes the
// caller's pid. Where it is locked it waits for up to two seconds, with a line in the log: a
// restart may come before its predecessor is quite gone.
absl::StatusOr<PidFile> CreatePidFile(int directory, const std::string& name);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_RUNTIME_FILES_H_
