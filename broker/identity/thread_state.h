// What the kernel keeps for each thread of the service: its umask and its working directory.
#ifndef POSTERN_BROKER_IDENTITY_THREAD_STATE_H_
#define POSTERN_BROKER_IDENTITY_THREAD_STATE_H_

#include "broker/inodes/reopen.h"
#include "common/errno_or.h"

namespace postern {

// Whether a thread has them for itself, or all threads of the process the same.
enum class ThreadStateOwner { kThread, kProcess };

// Gives the calling thread a umask and a working directory of its own: until then all threads of a
// process share one of each. The umask becomes 0, and the directory that of the descriptors, where
// "N" means what descriptor N is open on; nothing else of the broker uses a path that begins there.
// Every thread that runs operations calls it first, before the seccomp filter, which has no
// unshare(2) and fchdir(2). Where a container forbids unshare(2) the same holds for all threads at
// once: the directory is the same for all anyway, and who needs another umask for a while must keep
// the others from making files meanwhile (Filesystem::shared_umask()).
ErrnoOr<ThreadStateOwner> MakeThreadStateOwn(const ProcFd& proc_fd);

}  // namespace postern

#endif  // POSTERN_BROKER_IDENTITY_THREAD_STATE_H_
