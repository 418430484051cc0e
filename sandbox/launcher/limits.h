// Resource limits that the launcher sets and its children inherit.
#ifndef POSTERN_SANDBOX_LAUNCHER_LIMITS_H_
#define POSTERN_SANDBOX_LAUNCHER_LIMITS_H_

#include <sys/resource.h>

#include <cstdint>
#include <optional>

#include "common/status.h"

namespace postern {

// What to make of the limit of open files where no option says so: at least min(1,000,000,
// fs.nr_open), as virtiofsd has it; never less than `now`.
rlimit WantedDescriptorLimit(rlimit now, rlim_t nr_open);

// Sets the limit to `wanted` (--rlimit-nofile; 0: leaves it), soft and hard, or fails. Unset:
// raises it as far as it goes, and a failure is only logged, as a guest with few open files doesn't
// notice.
absl::Status SetDescriptorLimit(std::optional<uint64_t> wanted);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_LIMITS_H_
