// The operations that the worker does itself, on descriptors that the broker handed over.
#ifndef POSTERN_WORKER_FILE_OPERATION_H_
#define POSTERN_WORKER_FILE_OPERATION_H_

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "worker/descriptor_chain.h"
#include "worker/open_files.h"

namespace postern {

// One READ, WRITE, FLUSH, FSYNC, FALLOCATE, LSEEK or COPY_FILE_RANGE under way. The decoder fills
// it; Advance() carries it out in one or two steps: what can be done without blocking on the
// queue's thread, the rest on a pool thread. Some are the broker's: worker/brokered_file.h.
struct FileOperation {
  enum class Kind { kRead, kWrite, kFlush, kSync, kAllocate, kSeek, kCopy };

  Kind kind = Kind::kRead;
  std::shared_ptr<GuestFile> file;
  uint64_t offset = 0;
  uint64_t size = 0;  // kRead, kWrite, kCopy: bytes; kAllocate: length.
  size_t data_offset =
      0;  // kRead, kWrite: where the data lies in the chain's writable or readable part.
  uint32_t flags = 0;  // kWrite: RWF_*; kSync: 1 for data only; kAllocate: mode; kSeek: whence.

  std::shared_ptr<GuestFile> target;  // kCopy: where to, and at
  uint64_t target_offset = 0;         // this offset.

  bool kills_privileges = false;  // kWrite, kAllocate, kCopy: set-id bits are to go (killpriv v2).
  bool at_broker = false;         // The broker has been asked and hasn't answered.

  int error = 0;        // The result: an errno, or 0 and
  uint64_t result = 0;  // bytes moved, or kSeek's offset.
};

enum class FileProgress {
  kDone,        // `error` and `result` are final.
  kWouldBlock,  // Advance() it again with Blocking::kAllowed, on another thread.
};
enum class Blocking { kAvoid, kAllowed };

// Carries `operation` on. Data goes between the file and guest memory without a copy here. `ranges`
// is scratch. With kAvoid a flush is done at once where the filesystem is local: nothing is written
// back. With kAvoid a buffered write may still block where a local filesystem
// doesn't know RWF_NOWAIT (ext4): the page cache takes it, and handing each one to another thread
// would cost more than it saves. Where it may stall (GuestFile) all of them are handed over.
FileProgress Advance(FileOperation& operation, const DescriptorChain& chain, Blocking blocking,
                     std::vector<iovec>& ranges);

}  // namespace postern

#endif  // POSTERN_WORKER_FILE_OPERATION_H_
