// The processor that the calling thread runs on.
#ifndef POSTERN_COMMON_RPC_PROCESSOR_H_
#define POSTERN_COMMON_RPC_PROCESSOR_H_

#include <sched.h>
#ifdef __GLIBC__
#include <sys/rseq.h>
#endif

#include <cstdint>

namespace postern {

// One more than the number of the processor that the calling thread runs on; 0: unknown. Only a
// hint: the next moment it may run on another. Makes no system call, which no filter has a row for:
// unknown, where the C library would have to (other processors' vDSO has no getcpu(2)).
inline uint32_t CurrentProcessor() {
#if !defined(__x86_64__) && defined(__GLIBC__)
  if (__rseq_size == 0) return 0;  // The kernel, or a container's filter, has no rseq(2).
#elif !defined(__x86_64__)
  return 0;
#endif
  const int processor = sched_getcpu();
  return processor < 0 ? 0 : static_cast<uint32_t>(processor) + 1;
}

// Moves the calling thread to a processor, by CurrentProcessor()'s number, if the thread may run
// there; the scheduler may move it again at once. Costs some 20 µs. Who sets the thread's affinity
// from outside in the same microseconds is overruled.
void MoveToProcessor(uint32_t processor);

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_PROCESSOR_H_
