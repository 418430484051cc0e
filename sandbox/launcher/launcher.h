// posternd from its options to its end.
#ifndef POSTERN_SANDBOX_LAUNCHER_LAUNCHER_H_
#define POSTERN_SANDBOX_LAUNCHER_LAUNCHER_H_

#include "common/status.h"
#include "sandbox/launcher/supervisor.h"
#include "sandbox/options/options.h"

namespace postern {

// Serves one front end. An error: nothing was served, and nothing is left behind. Preconditions:
// one thread, logging is initialized, descriptors 0 to 2 are open.
absl::StatusOr<Outcome> Launch(const Options& options);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_LAUNCHER_H_
