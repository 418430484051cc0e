// Resource limits that the launcher sets and its children inherit.
#ifndef POSTERN_SANDBOX_LIMITS_H_
#define POSTERN_SANDBOX_LIMITS_H_

#include <sys/resource.h>

namespace postern {

// What to make of the limit of open files: at least min(1,000,000, fs.nr_open), as virtiofsd has
// it; never less than `now`.
rlimit WantedDescriptorLimit(rlimit now, rlim_t nr_open);

// Raises the limit as far as it can. A failure is only logged: a guest with few open files doesn't
// notice.
void RaiseDescriptorLimit();

}  // namespace postern

#endif  // POSTERN_SANDBOX_LIMITS_H_
