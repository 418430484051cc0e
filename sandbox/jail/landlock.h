// Landlock (landlock(7)): what a process forbids itself below the namespaces and capabilities, and
// in whose absence they remain. The only user of its calls.
#ifndef POSTERN_SANDBOX_JAIL_LANDLOCK_H_
#define POSTERN_SANDBOX_JAIL_LANDLOCK_H_

#include <cstdint>
#include <vector>

#include "common/status.h"
#include "sandbox/jail/landlock_abi.h"

namespace postern {

// What stays allowed. TCP and abstract sockets of others never do.
struct LandlockDomain {
  struct Rule {
    int directory;    // O_PATH will do; or one file.
    uint64_t rights;  // On what lies at and below it; what the kernel doesn't know is left out.
  };
  // Whether to forbid every right on files but those of `rules`. Descriptors that are open keep
  // what they were opened for.
  bool files = true;
  std::vector<Rule> rules = {};
  // Whether processes outside of this one and its children can be signalled.
  bool signals = false;
};

// The ABI version of the kernel; 0 if it hasn't got Landlock, or it is off.
int LandlockAbi();
// Whether something keeps this process from using it (EPERM), such as a container's seccomp filter:
// unlike its absence that is somebody's doing, and may be unknown to who relies on it.
bool LandlockIsRefused();

// Restricts the calling thread and what it starts later, as far as the kernel knows how, and says
// at debug level how far that is. Preconditions: one thread, no_new_privs.
absl::Status RestrictByLandlock(const LandlockDomain& domain);

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_LANDLOCK_H_
