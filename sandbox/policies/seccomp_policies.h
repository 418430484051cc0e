// What each sealed process may ask of the kernel. The tables stand in worker_policy.cc,
// broker_policy.cc, launcher_policy.cc, sweeper_policy.cc and, for what worker and broker share,
// runtime_policy.cc.
#ifndef POSTERN_SANDBOX_POLICIES_SECCOMP_POLICIES_H_
#define POSTERN_SANDBOX_POLICIES_SECCOMP_POLICIES_H_

#include "sandbox/policies/seccomp_policy.h"

namespace postern {

// All are to be taken in the process that loads them: signals may be sent to itself only.

// No call that takes a path, makes a descriptor of anything, or makes a process or thread.
SeccompPolicy WorkerPolicy();
// The file system calls of the operations, by name below the root or by descriptor.
SeccompPolicy BrokerPolicy();
// posternd once its children run: watching, moving them between control groups, ending, cleaning
// up. It can't start a process any more.
SeccompPolicy LauncherPolicy();
// posternd's helper that removes two files.
SeccompPolicy SweeperPolicy();

// What the C++ run-time needs in any process with threads: memory, locks, time, log lines, the end.
// Never executable memory.
SeccompPolicy RuntimePolicy();
// What the sanitizers need on top, in a build with one; else empty.
SeccompPolicy SanitizerPolicy();

}  // namespace postern

#endif  // POSTERN_SANDBOX_POLICIES_SECCOMP_POLICIES_H_
