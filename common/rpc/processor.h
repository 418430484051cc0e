// Where the calling thread runs.
#ifndef POSTERN_COMMON_RPC_PROCESSOR_H_
#define POSTERN_COMMON_RPC_PROCESSOR_H_

#include <sched.h>

#include <cstdint>

namespace postern {

// One more than the number of the processor that the calling thread runs on; 0: unknown. Only a
// hint: the next moment it may run on another. Costs no system call.
inline uint32_t CurrentProcessor() {
  const int processor = sched_getcpu();
  return processor < 0 ? 0 : static_cast<uint32_t>(processor) + 1;
}

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_PROCESSOR_H_
