// The operations that the worker does itself, on descriptors that the broker handed over.
#ifndef POSTERN_WORKER_QUEUE_FILE_IO_H_
#define POSTERN_WORKER_QUEUE_FILE_IO_H_

#include <sys/uio.h>

#include <vector>

#include "worker/fuse/file_operation.h"
#include "worker/virtio/descriptor_chain.h"

namespace postern {

enum class Blocking { kAvoid, kAllowed };

// Carries `operation` on, in one or two steps: what can be done without blocking on the queue's
// thread, the rest on a pool thread (kWouldBlock: call it again there, with kAllowed). Data goes
// between the file and guest memory without a copy here. `ranges` is scratch. kAvoid: a flush is
// done at once where the filesystem is local, as nothing is written back. A buffered write may
// still block where a local filesystem doesn't know RWF_NOWAIT (ext4): the page cache takes it, and
// handing each one to another thread would cost more than it saves. Where it may stall (GuestFile)
// all of them are handed over, and where one has taken long the next ones are.
FileProgress Advance(FileOperation& operation, const DescriptorChain& chain, Blocking blocking,
                     std::vector<iovec>& ranges);

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_FILE_IO_H_
