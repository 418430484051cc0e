// What the launcher and its sweeper give up once they have nothing more to start.
#ifndef POSTERN_SANDBOX_LAUNCHER_LAUNCHER_JAIL_H_
#define POSTERN_SANDBOX_LAUNCHER_LAUNCHER_JAIL_H_

#include "common/status.h"
#include "proto/config.pb.h"

namespace postern {

// Seals the calling process, which has one thread, when both children run. It keeps what ends them,
// moves them between control groups, and removes names in `directory` (O_PATH; -1: no names).
absl::Status SealLauncher(config::SeccompAction action, int directory);
// The same for the process that removes two names in `directory` after posternd's end.
absl::Status SealSweeper(config::SeccompAction action, int directory);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_LAUNCHER_JAIL_H_
