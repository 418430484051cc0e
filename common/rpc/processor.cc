#include "common/rpc/processor.h"

namespace postern {

void MoveToProcessor(uint32_t processor) {
  cpu_set_t allowed;
  // Fails where there are more processors than fit in there: then the thread stays where it is.
  if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0) return;
  if (processor == 0 || processor > CPU_SETSIZE || !CPU_ISSET(processor - 1, &allowed)) return;
  cpu_set_t there;
  CPU_ZERO(&there);
  CPU_SET(processor - 1, &there);
  if (sched_setaffinity(0, sizeof(there), &there) == 0) {
    sched_setaffinity(0, sizeof(allowed), &allowed);
  }
}

}  // namespace postern
