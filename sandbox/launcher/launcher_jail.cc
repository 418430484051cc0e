#include "sandbox/launcher/launcher_jail.h"

#include <fcntl.h>

#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/hardening.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/launcher/cgroups.h"
#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

// To end children of another user, which their parent-death signal needs as well; to unlink in a
// directory of another user; to move children between control groups (cpuset asks for the last).
constexpr CapabilitySet kLauncherCapabilities = {CAP_KILL, CAP_DAC_OVERRIDE, CAP_SYS_NICE};

absl::Status GiveUpAllBut(CapabilitySet kept) {
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  POSTERN_TRY(LockSecurebits());
  POSTERN_TRY(KeepOnlyCapabilities(kept & state.permitted));
  return ForbidNewPrivileges();
}

// What isn't there needs no rule.
class Rules {
 public:
  void Add(const std::string& directory, uint64_t rights) {
    UniqueFd fd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return;
    rules_.push_back({fd.get(), rights});
    descriptors_.push_back(std::move(fd));
  }
  void Add(int directory, uint64_t rights) {
    if (directory >= 0) rules_.push_back({directory, rights});
  }
  const std::vector<LandlockDomain::Rule>& rules() const { return rules_; }

 private:
  std::vector<UniqueFd> descriptors_;
  std::vector<LandlockDomain::Rule> rules_;
};

}  // namespace

absl::Status SealLauncher(config::SeccompAction action, int directory) {
  POSTERN_TRY(GiveUpAllBut(kLauncherCapabilities));
  Rules rules;
  rules.Add("/proc", landlock::kReadFile);
  for (const std::string& mount : CgroupMounts()) rules.Add(mount, landlock::kWriteFile);
  rules.Add(directory, landlock::kRemoveFile);
  // Signals: the children's parent-death signal counts as sent by this process.
  POSTERN_TRY(RestrictByLandlock({.files = true, .rules = rules.rules(), .signals = true}));
  return LoadSeccompPolicy(LauncherPolicy(), action);
}

absl::Status SealSweeper(config::SeccompAction action, int directory) {
  POSTERN_TRY(GiveUpAllBut({CAP_DAC_OVERRIDE}));  // To unlink in a directory of another user.
  POSTERN_TRY(ForbidInspection());
  Rules rules;
  rules.Add(directory, landlock::kReadFile | landlock::kRemoveFile);
  POSTERN_TRY(RestrictByLandlock({.files = true, .rules = rules.rules(), .signals = false}));
  return LoadSeccompPolicy(SweeperPolicy(), action);
}

}  // namespace postern
