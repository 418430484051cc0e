// The operations that the worker does itself, as decoded.
#ifndef POSTERN_WORKER_FUSE_FILE_OPERATION_H_
#define POSTERN_WORKER_FUSE_FILE_OPERATION_H_

#include <cstdint>
#include <memory>

#include "worker/fuse/open_files.h"

namespace postern {

enum class FileProgress {
  kDone,        // `error` and `result` are final.
  kWouldBlock,  // There is more to do, elsewhere: on another thread, or by the broker.
};

// One READ, WRITE, FLUSH, FSYNC, FALLOCATE, LSEEK or COPY_FILE_RANGE under way. The decoder fills
// it; queue/file_io.h carries it out, or queue/brokered_file.h has the broker do so.
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

  // `result` is what it is to be.
  FileProgress Finish(int with_error) {
    error = with_error;
    return FileProgress::kDone;
  }
};

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FILE_OPERATION_H_
