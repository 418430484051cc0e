// What the kernel keeps for each thread of the service: its umask and its working directory.
#ifndef POSTERN_BROKER_IDENTITY_THREAD_STATE_H_
#define POSTERN_BROKER_IDENTITY_THREAD_STATE_H_

#include "broker/inodes/reopen.h"
#include "common/errno_or.h"

namespace postern {

// Gives the calling thread a umask and a working directory of its own: until then all threads of a
// process share one of each. The umask becomes 0, and the directory that of the descriptors, where
// "N" means what descriptor N is open on; nothing else of the broker uses a path that begins there.
// Every thread that runs operations calls it first, before the seccomp filter, which has no
// unshare(2) and fchdir(2). An error is that of unshare(2), which some containers forbid, or of
// fchdir(2).
ErrnoOrVoid MakeThreadStateOwn(const ProcFd& proc_fd);

}  // namespace postern

#endif  // POSTERN_BROKER_IDENTITY_THREAD_STATE_H_
