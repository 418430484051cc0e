// Capability sets (capabilities(7)). The only user of libcap-ng.
#ifndef POSTERN_SANDBOX_JAIL_CAPABILITIES_H_
#define POSTERN_SANDBOX_JAIL_CAPABILITIES_H_

#include <linux/capability.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "common/status.h"

namespace postern {

// A set of capability numbers (CAP_*).
class CapabilitySet {
 public:
  constexpr CapabilitySet() = default;
  constexpr CapabilitySet(std::initializer_list<int> capabilities) {
    for (const int capability : capabilities) bits_ |= uint64_t{1} << capability;
  }
  // Bit n is capability n, as in capget(2) and the configuration.
  static constexpr CapabilitySet FromBits(uint64_t bits) {
    CapabilitySet set;
    set.bits_ = bits;
    return set;
  }
  constexpr uint64_t bits() const { return bits_; }
  constexpr bool Contains(int capability) const { return bits_ >> capability & 1; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr void Add(int capability) { bits_ |= uint64_t{1} << capability; }
  // Names separated by blanks: "chown setuid".
  std::string ToString() const;

  friend constexpr CapabilitySet operator|(CapabilitySet a, CapabilitySet b) {
    a.bits_ |= b.bits_;
    return a;
  }
  friend constexpr CapabilitySet operator&(CapabilitySet a, CapabilitySet b) {
    a.bits_ &= b.bits_;
    return a;
  }
  // Those of `a` that aren't in `b`.
  friend constexpr CapabilitySet operator-(CapabilitySet a, CapabilitySet b) {
    a.bits_ &= ~b.bits_;
    return a;
  }
  friend constexpr bool operator==(CapabilitySet, CapabilitySet) = default;

 private:
  uint64_t bits_ = 0;
};

// The number of "chown" or "CHOWN"; nothing for "CAP_CHOWN".
std::optional<int> FindCapability(const std::string& name);

// What a broker does to files on behalf of any user, and no more: to read them, and to make and
// change them.
inline constexpr CapabilitySet kReadingCapabilities = {CAP_DAC_OVERRIDE};
inline constexpr CapabilitySet kWritingCapabilities = {CAP_CHOWN,  CAP_FOWNER, CAP_FSETID,
                                                       CAP_SETGID, CAP_SETUID, CAP_MKNOD};

// The five sets of the calling thread.
struct CapabilityState {
  CapabilitySet effective;
  CapabilitySet permitted;
  CapabilitySet inheritable;
  CapabilitySet bounding;
  CapabilitySet ambient;
};
absl::StatusOr<CapabilityState> CurrentCapabilities();

// Permitted and effective become `kept`, inheritable and ambient are emptied: this is guaranteed,
// or an error. The bounding set is emptied by a caller with CAP_SETPCAP, and that is guaranteed,
// too; without it nobody can (a plain user, a container's root), and no_new_privs, which every jail
// sets, makes it meaningless. Reads the result back. Precondition: one thread; `kept` is permitted.
absl::Status KeepOnlyCapabilities(CapabilitySet kept);

// Locks the securebits: uid 0 means nothing to execve and no ambient capability can be raised, for
// good. Does nothing without CAP_SETPCAP.
absl::Status LockSecurebits();

// All permitted capabilities become inheritable and ambient, so that they survive an execve by
// another user than root.
absl::Status KeepCapabilitiesAcrossExec();

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_CAPABILITIES_H_
