#include "sandbox/launcher/missing_parts.h"

#include <unistd.h>

#include "sandbox/jail/landlock.h"

namespace postern {
namespace {

// Why the worker has no user of its own. A plain user's has a user namespace of its own instead,
// where there are namespaces.
std::string WhyNoWorkerUser(const LaunchPlan& plan, const Surroundings& here) {
  if (plan.worker.has_uid() || plan.user_namespace) return "";
  if (!here.is_root) return "posternd isn't root";
  const CapabilitySet missing = CapabilitySet{CAP_SETUID, CAP_SETGID} - here.permitted;
  if (!missing.empty()) return "posternd hasn't got " + missing.ToString();
  return "posternd's user namespace has no other";
}

}  // namespace

absl::StatusOr<Surroundings> LookAtSurroundings() {
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  return Surroundings{geteuid() == 0, state.permitted, getgroups(0, nullptr) > 0,
                      LandlockIsRefused()};
}

std::vector<std::string> MissingJailParts(const LaunchPlan& plan, const Surroundings& here) {
  const config::SandboxMode mode = plan.worker.common().sandbox();
  std::vector<std::string> missing;
  if (mode == config::SANDBOX_MODE_NONE) {
    missing.emplace_back("namespaces and a root of its own (--sandbox=none)");
    // Behind an empty root they mean nothing.
    if (here.groups && !here.permitted.Contains(CAP_SETGID)) {
      missing.emplace_back("giving up the caller's groups (posternd hasn't got setgid)");
    }
  }
  if (mode == config::SANDBOX_MODE_CHROOT) {
    missing.emplace_back("namespaces (--sandbox=chroot)");
    if (!here.permitted.Contains(CAP_SYS_ADMIN)) {
      missing.emplace_back(
          "a broker that doesn't reach the rest of /proc (posternd hasn't got sys_admin)");
    }
  }
  const std::string no_user = WhyNoWorkerUser(plan, here);
  if (!no_user.empty()) missing.push_back("a user of the worker's own (" + no_user + ")");
  if (here.landlock_refused) {
    missing.emplace_back(
        "Landlock (something refuses it, a container's seccomp profile most likely)");
  }
  if (plan.worker.common().seccomp() == config::SECCOMP_ACTION_NONE) {
    missing.emplace_back("a seccomp filter (--seccomp=none)");
  }
  if (plan.worker.common().seccomp() == config::SECCOMP_ACTION_LOG) {
    missing.emplace_back("a seccomp filter that does more than to log (--seccomp=log)");
  }
  return missing;
}

}  // namespace postern
