#include <fcntl.h>
#include <seccomp.h>

#include "sandbox/seccomp_policies.h"

namespace postern {
namespace {

// File I/O on descriptors that the broker opened. No call with a path: newfstatat is how fstat(2)
// is spelled in newer C libraries, and its flag makes the kernel take the descriptor if the path is
// empty; were it not empty, the empty root and the missing rights remain.
constexpr SeccompRow kWorker[] = {
    {SCMP_SYS(preadv), "READ"},
    {SCMP_SYS(preadv2), "READ, without waiting first"},
    {SCMP_SYS(pwritev), "WRITE"},
    {SCMP_SYS(pwritev2), "WRITE, without waiting first; append"},
    {SCMP_SYS(fsync), "FSYNC, FLUSH"},
    {SCMP_SYS(fdatasync), "FSYNC, data only"},
    {SCMP_SYS(fallocate), "FALLOCATE"},
    {SCMP_SYS(lseek), "LSEEK: holes and data"},
    {SCMP_SYS(copy_file_range), "COPY_FILE_RANGE"},
    {SCMP_SYS(fstat), "size and kind of a guest memory region"},
    {SCMP_SYS(newfstatat), Masked32(3, AT_EMPTY_PATH, AT_EMPTY_PATH), "fstat, where it isn't one"},
};

}  // namespace

SeccompPolicy WorkerPolicy() {
  SeccompPolicy policy = RuntimePolicy();
  policy.insert(policy.end(), std::begin(kWorker), std::end(kWorker));
  return policy;
}

}  // namespace postern
