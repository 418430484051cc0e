#include <unistd.h>

#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/hardening.h"
#include "sandbox/jail/jail.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/jail/mounts.h"
#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

absl::Status EnterEmptyNamespace() {
  POSTERN_TRY(SetPropagation(Propagation::kNone));
  POSTERN_TRY_ASSIGN(const UniqueFd nothing, CreateEmptyFilesystem());
  return PivotRootInto(nothing.get());
}

absl::Status EnterSandbox(config::SandboxMode mode) {
  switch (mode) {
    case config::SANDBOX_MODE_NAMESPACE:
      return EnterEmptyNamespace();
    case config::SANDBOX_MODE_CHROOT:
      return ChangeRootToNowhere();
    case config::SANDBOX_MODE_NONE:
      if (chdir("/") < 0) return ErrnoStatus("entering the root");
      return absl::OkStatus();
    default:
      return ErrorStatus("the configuration names no sandbox");
  }
}

// Only what the switch itself needs survives until it is done.
absl::Status BecomeNobody(const config::WorkerConfig& config) {
  POSTERN_TRY(LockSecurebits());
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  POSTERN_TRY(KeepOnlyCapabilities(CapabilitySet{CAP_SETUID, CAP_SETGID} & state.permitted));
  if (config.has_uid() != config.has_gid()) {
    return ErrorStatus("the configuration has only half of the worker's user");
  }
  if (config.has_uid()) POSTERN_TRY(SwitchUser(config.uid(), config.gid()));
  return KeepOnlyCapabilities({});
}

}  // namespace

absl::Status EnterWorkerJail(const config::WorkerConfig& config) {
  POSTERN_TRY(DropSupplementaryGroups());
  POSTERN_TRY(EnterSandbox(config.common().sandbox()));
  POSTERN_TRY(LeaveSessionKeyring());
  POSTERN_TRY(BecomeNobody(config));
  POSTERN_TRY(ForbidNewPrivileges());
  POSTERN_TRY(ForbidInspection());
  POSTERN_TRY(RestrictByLandlock({}));
  return DieWithPeer(kControlDescriptor);
}

absl::Status SealWorker(const config::WorkerConfig& config, uint64_t memory_limit) {
  POSTERN_TRY(ForbidProcesses());
  POSTERN_TRY(LimitMemory(memory_limit));
  return LoadSeccompPolicy(WorkerPolicy(), config.common().seccomp());
}

}  // namespace postern
