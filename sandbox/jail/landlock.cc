#include "sandbox/jail/landlock.h"

#include <unistd.h>

#include <cerrno>

#include "common/errno_or.h"
#include "common/logging.h"
#include "common/unique_fd.h"

namespace postern {
namespace {

uint64_t KnownFileRights(int abi) {
  if (abi >= 5) return landlock::kFilesAbi5;
  if (abi >= 3) return landlock::kFilesAbi3;
  return abi == 2 ? landlock::kFilesAbi2 : landlock::kFilesAbi1;
}

landlock::RulesetAttributes Handled(const LandlockDomain& domain, int abi) {
  landlock::RulesetAttributes handled{};
  if (domain.files) handled.handled_access_fs = KnownFileRights(abi);
  if (abi >= 4) handled.handled_access_net = landlock::kTcp;
  if (abi >= 6) {
    handled.scoped = landlock::kAbstractSockets | (domain.signals ? 0 : landlock::kSignals);
  }
  return handled;
}

}  // namespace

int LandlockAbi() {
  const long abi =
      syscall(landlock::kCreateRuleset, nullptr, size_t{0}, landlock::kCreateRulesetVersion);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

bool LandlockIsRefused() { return LandlockAbi() == 0 && errno == EPERM; }

absl::Status RestrictByLandlock(const LandlockDomain& domain) {
  const int abi = LandlockAbi();
  if (abi == 0) {
    // ENOSYS: built without it. EOPNOTSUPP: not in the boot's list. EPERM: LandlockIsRefused().
    VLOG(1) << "No Landlock: " << Errno::Last().Message();
    return absl::OkStatus();
  }
  const landlock::RulesetAttributes handled = Handled(domain, abi);
  if (handled.handled_access_fs == 0 && handled.handled_access_net == 0 && handled.scoped == 0) {
    VLOG(1) << "Landlock ABI " << abi << " can forbid nothing that is to be forbidden";
    return absl::OkStatus();
  }
  const UniqueFd ruleset(
      static_cast<int>(syscall(landlock::kCreateRuleset, &handled, sizeof(handled), 0)));
  if (!ruleset) return ErrnoStatus("making a Landlock ruleset");
  for (const LandlockDomain::Rule& rule : domain.rules) {
    // What the kernel doesn't know it doesn't forbid.
    const landlock::PathBeneathAttributes beneath{rule.rights & handled.handled_access_fs,
                                                  rule.directory};
    if (syscall(landlock::kAddRule, ruleset.get(), landlock::kRulePathBeneath, &beneath, 0) < 0) {
      return ErrnoStatus("adding a Landlock rule");
    }
  }
  if (syscall(landlock::kRestrictSelf, ruleset.get(), 0) < 0) return ErrnoStatus("Landlock");
  VLOG(1) << "Landlock ABI " << abi << " in force";
  return absl::OkStatus();
}

}  // namespace postern
