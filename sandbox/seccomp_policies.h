// What each sealed process may ask of the kernel. The tables stand in worker_policy.cc,
// broker_policy.cc and runtime_policy.cc.
#ifndef POSTERN_SANDBOX_SECCOMP_POLICIES_H_
#define POSTERN_SANDBOX_SECCOMP_POLICIES_H_

#include "sandbox/seccomp_policy.h"

namespace postern {

// No call that takes a path, makes a descriptor of anything but an event, or makes a process or
// thread.
SeccompPolicy WorkerPolicy();
// The file system calls of the operations, by name below the root or by descriptor.
SeccompPolicy BrokerPolicy();
// posternd's helper that removes two files.
SeccompPolicy SweeperPolicy();
// What the C++ run-time needs in any process: memory, locks, time, signals, the end. Never
// executable memory. To be taken in the process that loads it: signals may be sent to itself only.
SeccompPolicy RuntimePolicy();

}  // namespace postern

#endif  // POSTERN_SANDBOX_SECCOMP_POLICIES_H_
