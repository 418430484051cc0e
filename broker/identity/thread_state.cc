#include "broker/identity/thread_state.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postern {

ErrnoOr<ThreadStateOwner> MakeThreadStateOwn(const ProcFd& proc_fd) {
  ThreadStateOwner owner = ThreadStateOwner::kThread;
  const ErrnoOrVoid unshared = CheckSyscall(unshare(CLONE_FS));
  if (!unshared.ok()) {
    if (unshared.error() != Errno(EPERM) && unshared.error() != Errno(ENOSYS)) {
      return unshared.error();
    }
    owner = ThreadStateOwner::kProcess;
  }
  umask(0);
  POSTERN_RETURN_IF_ERROR(CheckSyscall(fchdir(proc_fd.directory())));
  return owner;
}

}  // namespace postern
