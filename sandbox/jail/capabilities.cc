#include "sandbox/jail/capabilities.h"

#include <absl/strings/match.h>
#include <cap-ng.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace postern {
namespace {

// More than any kernel has, and what fits the 64 bits of capget(2).
constexpr unsigned kCapabilities = 64;

CapabilitySet Read(capng_type_t type) {
  CapabilitySet set;
  for (unsigned i = 0; i < kCapabilities; ++i) {
    if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) < 0) break;  // EINVAL: beyond this kernel's last one.
    if (capng_have_capability(type, i) == 1) set.Add(static_cast<int>(i));
  }
  return set;
}

absl::Status EmptyBoundingSet() {
  for (unsigned i = 0; i < kCapabilities; ++i) {
    if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) < 0) break;  // EINVAL: beyond this kernel's last one.
    if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) return ErrnoStatus("emptying the bounding set");
  }
  return absl::OkStatus();
}

}  // namespace

std::string CapabilitySet::ToString() const {
  std::string names;
  for (unsigned i = 0; i < kCapabilities; ++i) {
    if (!Contains(static_cast<int>(i))) continue;
    if (!names.empty()) names += ' ';
    const char* name = capng_capability_to_name(i);
    names += name != nullptr ? std::string(name) : std::to_string(i);
  }
  return names;
}

std::optional<int> FindCapability(const std::string& name) {
  // Newer versions of the library also take this prefix.
  if (absl::StartsWithIgnoreCase(name, "cap_")) return std::nullopt;
  const int capability = capng_name_to_capability(name.c_str());
  if (capability < 0 || capability >= static_cast<int>(kCapabilities)) return std::nullopt;
  return capability;
}

absl::StatusOr<CapabilityState> CurrentCapabilities() {
  // The library keeps the number that it has met first, which after a fork is somebody else's.
  capng_setpid(static_cast<int>(gettid()));
  if (capng_get_caps_process() != 0) return ErrorStatus("can't read the capability sets");
  CapabilityState state{
      Read(CAPNG_EFFECTIVE), Read(CAPNG_PERMITTED), Read(CAPNG_INHERITABLE), {}, {}};
  // libcap-ng reads these two from /proc/PID, which a jail hasn't got, and which is somebody else's
  // between the start in a new pid namespace and the jail.
  for (unsigned i = 0; i < kCapabilities; ++i) {
    const int bounding = prctl(PR_CAPBSET_READ, i, 0, 0, 0);
    if (bounding < 0) break;
    if (bounding == 1) state.bounding.Add(static_cast<int>(i));
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) {
      state.ambient.Add(static_cast<int>(i));
    }
  }
  return state;
}

absl::Status KeepOnlyCapabilities(CapabilitySet kept) {
  POSTERN_TRY_ASSIGN(const CapabilityState before, CurrentCapabilities());
  // First: it needs CAP_SETPCAP, which is given up below. Not the library's: without the right its
  // versions differ (nothing done and no error up to 0.8.3, an error from 0.8.5 on).
  const bool bounding_is_ours = before.effective.Contains(CAP_SETPCAP);
  if (bounding_is_ours) POSTERN_TRY(EmptyBoundingSet());

  capng_clear(CAPNG_SELECT_ALL);
  for (unsigned i = 0; i < kCapabilities; ++i) {
    if (!kept.Contains(static_cast<int>(i))) continue;
    if (capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED), i)) {
      return ErrorStatus("can't keep capability " + std::to_string(i));
    }
  }
  for (const capng_select_t sets : {CAPNG_SELECT_CAPS, CAPNG_SELECT_AMBIENT}) {
    if (const int error = capng_apply(sets); error != 0) {
      return ErrorStatus("can't set the capability sets (libcap-ng: " + std::to_string(error) +
                         ")");
    }
  }

  POSTERN_TRY_ASSIGN(const CapabilityState after, CurrentCapabilities());
  if (!(after.permitted == kept) || !(after.effective == kept) || !after.inheritable.empty() ||
      !after.ambient.empty() || (bounding_is_ours && !after.bounding.empty())) {
    return ErrorStatus("the capability sets aren't what was set");
  }
  return absl::OkStatus();
}

absl::Status LockSecurebits() {
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  if (!state.effective.Contains(CAP_SETPCAP)) return absl::OkStatus();
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                  SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) < 0) return ErrnoStatus("locking the securebits");
  return absl::OkStatus();
}

absl::Status KeepCapabilitiesAcrossExec() {
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  for (const capng_type_t type : {CAPNG_INHERITABLE, CAPNG_AMBIENT}) {
    for (unsigned i = 0; i < kCapabilities; ++i) {
      if (state.permitted.Contains(static_cast<int>(i))) capng_update(CAPNG_ADD, type, i);
    }
    const capng_select_t set = type == CAPNG_AMBIENT ? CAPNG_SELECT_AMBIENT : CAPNG_SELECT_CAPS;
    if (capng_apply(set) != 0) return ErrorStatus("can't raise the ambient capabilities");
  }
  POSTERN_TRY_ASSIGN(const CapabilityState after, CurrentCapabilities());
  if (!(after.ambient == state.permitted)) {
    return ErrorStatus("the ambient capabilities aren't what was set");
  }
  return absl::OkStatus();
}

}  // namespace postern
