#include "broker/identity/thread_state.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postern {

ErrnoOrVoid MakeThreadStateOwn(const ProcFd& proc_fd) {
  POSTERN_RETURN_IF_ERROR(CheckSyscall(unshare(CLONE_FS)));
  umask(0);
  return CheckSyscall(fchdir(proc_fd.directory()));
}

}  // namespace postern
