// The front end's socket as a file: made in a directory that somebody else may own.
#ifndef POSTERN_SANDBOX_LAUNCHER_SOCKET_FILE_H_
#define POSTERN_SANDBOX_LAUNCHER_SOCKET_FILE_H_

#include <sys/types.h>

#include <string>

#include "common/status.h"
#include "common/unique_fd.h"
#include "sandbox/launcher/runtime_files.h"

namespace postern {

// A socket bound to `name` in `directory` (O_PATH), whatever the path of that means by now, in
// place of what lies there; its mode is 0777 less `mask`. Not listening yet. Its address, which
// ss(8) and /proc/net/unix show, is the whole path, without links, where nobody but root and this
// process's user can make that lead elsewhere, else the name alone. For a process with one thread:
// changes its working directory for the moment.
absl::StatusOr<UniqueFd> BindSocket(int directory, const std::string& name, mode_t mask);

// Gives `socket` to `group`, and nothing else that may have taken its place meanwhile.
absl::Status GiveSocketTo(gid_t group, int directory, const RuntimeFile& socket);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_SOCKET_FILE_H_
