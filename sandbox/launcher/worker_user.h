// Whom the worker runs as.
#ifndef POSTERN_SANDBOX_LAUNCHER_WORKER_USER_H_
#define POSTERN_SANDBOX_LAUNCHER_WORKER_USER_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/status.h"
#include "sandbox/jail/id_maps.h"

namespace postern {

struct WorkerUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// `name` (--worker-user), or if that is unset the system user "postern", or "nobody". For root's
// worker, and (only the latter) for one in a user namespace with `maps`. Nothing: the worker keeps
// the caller's ids, as nobody else exists for it.
absl::StatusOr<std::optional<WorkerUser>> ChooseWorkerUser(const std::optional<std::string>& name,
                                                           bool is_root, const IdMaps& maps);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_WORKER_USER_H_
