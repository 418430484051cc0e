// What libraries do at first use and could not do in a jail.
#ifndef POSTERN_COMMON_WARM_UP_H_
#define POSTERN_COMMON_WARM_UP_H_

namespace postern {

// Call it while the process can still open files: before its root is changed and its seccomp filter
// loaded. Warms up the calling thread, too. Starts two threads and ends them. Precondition: one
// thread, /proc is mounted.
void WarmUpLibraries();

// To be called by every other thread before the filter is loaded.
void WarmUpThread();

}  // namespace postern

#endif  // POSTERN_COMMON_WARM_UP_H_
