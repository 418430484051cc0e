// What posternd is going to do, worked out from its options and its caller before it does anything.
#ifndef POSTERN_SANDBOX_LAUNCHER_LAUNCH_PLAN_H_
#define POSTERN_SANDBOX_LAUNCHER_LAUNCH_PLAN_H_

#include <sys/types.h>

#include <optional>

#include "common/status.h"
#include "proto/config.pb.h"
#include "sandbox/jail/id_maps.h"
#include "sandbox/launcher/worker_user.h"
#include "sandbox/options/options.h"

namespace postern {

// Effective ids.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct LaunchPlan {
  config::BrokerConfig broker;
  config::WorkerConfig worker;
  // Each child gets a user namespace of its own with these maps. Unset: the caller's.
  std::optional<IdMaps> user_namespace;
};

// An error, in the order of virtiofsd's checks: migration options that exclude each other, a
// sandbox or id map that the caller may not have, capabilities, translated ids. Sets everything but
// shared_dir.
absl::StatusOr<LaunchPlan> MakeLaunchPlan(const Options& options, const Caller& caller);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_LAUNCH_PLAN_H_
