#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <iterator>

#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

using enum RowUse;

// The guest's memory, queues and connection; file I/O on descriptors that the broker opened. No
// call takes a path.
constexpr SeccompRow kWorker[] = {
    {SCMP_SYS(fstat), "size and kind of a region of guest memory"},
    {SCMP_SYS(mmap), Is32(2, PROT_READ | PROT_WRITE), Is32(3, MAP_SHARED | MAP_NORESERVE),
     "guest memory; not to a chosen address"},
#ifdef __NR_poll
    {SCMP_SYS(poll), "waiting"},
#else
    {SCMP_SYS(ppoll), "waiting"},
#endif
    {SCMP_SYS(read), "event descriptors"},
    {SCMP_SYS(fcntl), Is32(1, F_GETFL), "notifications"},
    {SCMP_SYS(fcntl), Is32(1, F_SETFL), Masked32(2, O_NONBLOCK | O_ASYNC, O_NONBLOCK),
     "notifications, which must not block; no signals"},
    {SCMP_SYS(fcntl), Is32(1, F_DUPFD_CLOEXEC), "FLUSH: closing a copy"},
    {SCMP_SYS(preadv2), Without32(5, ~uint32_t{RWF_NOWAIT}), "READ, without waiting first"},
    {SCMP_SYS(pwritev2), Without32(5, ~uint32_t{RWF_NOWAIT | RWF_APPEND}),
     "WRITE, without waiting first; append"},
    {SCMP_SYS(fsync), "FSYNC"},
    {SCMP_SYS(fdatasync), "FSYNC, data only"},
    {SCMP_SYS(fallocate), "FALLOCATE"},
    {SCMP_SYS(lseek), Is32(2, SEEK_DATA), "LSEEK"},
    {SCMP_SYS(lseek), Is32(2, SEEK_HOLE), "LSEEK"},
    {SCMP_SYS(copy_file_range), Is32(5, 0), "COPY_FILE_RANGE"},
};

}  // namespace

SeccompPolicy WorkerPolicy() { return Join({RuntimePolicy(), kWorker}); }

}  // namespace postern
