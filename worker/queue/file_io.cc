#include "worker/queue/file_io.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/checked.h"

namespace postern {
namespace {

// After a failed transfer. What a WRITE has moved before counts, as in write(2). A READ has failed
// as a whole: a short one means the end of the file, and the guest would cut its size and take
// zeros for the rest.
FileProgress FinishTransfer(FileOperation& operation, int error) {
  const bool partial = operation.kind == FileOperation::Kind::kWrite && operation.result > 0;
  return operation.Finish(partial ? 0 : error);
}

FileProgress Transfer(FileOperation& operation, const DescriptorChain& chain, Blocking blocking,
                      std::vector<iovec>& ranges) {
  const bool reading = operation.kind == FileOperation::Kind::kRead;
  std::atomic<bool>& nowait = reading ? operation.file->read_nowait : operation.file->write_nowait;
  const int fd = operation.file->fd.get();
  SlowTransfers& slow = operation.file->slow_transfers;
  if (blocking == Blocking::kAvoid && !nowait.load(std::memory_order_relaxed) &&
      (operation.file->may_stall || slow.AreExpected(SlowTransfers::Clock::now()))) {
    return FileProgress::kWouldBlock;
  }
  while (operation.result < operation.size) {
    ranges.clear();
    const size_t done = operation.data_offset + operation.result;
    const size_t left = operation.size - operation.result;
    const bool in_bounds = reading ? chain.AppendWritable(done, left, ranges)
                                   : chain.AppendReadable(done, left, ranges);
    if (!in_bounds) return FinishTransfer(operation, EFAULT);
    const auto offset = NarrowOrNone<off_t>(operation.offset + operation.result);
    if (!offset) return FinishTransfer(operation, EINVAL);
    const int count = static_cast<int>(std::min<size_t>(ranges.size(), IOV_MAX));
    const bool avoid = blocking == Blocking::kAvoid && nowait.load(std::memory_order_relaxed);
    const int flags = static_cast<int>(operation.flags) | (avoid ? RWF_NOWAIT : 0);
    // What is in memory waits for nothing but a processor.
    const bool measured = !avoid && !operation.file->in_memory;
    const auto begin = measured ? SlowTransfers::Clock::now() : SlowTransfers::Clock::time_point();
    const ssize_t moved = reading ? preadv2(fd, ranges.data(), count, *offset, flags)
                                  : pwritev2(fd, ranges.data(), count, *offset, flags);
    const int error = errno;
    if (measured) {
      const auto now = SlowTransfers::Clock::now();
      slow.Took(now - begin, now);
    }
    if (moved > 0) {
      operation.result += static_cast<uint64_t>(moved);
      continue;
    }
    if (moved == 0) break;  // The end of the file.
    if (error == EINTR) continue;
    if (avoid && error == EAGAIN) return FileProgress::kWouldBlock;
    if (avoid && error == EOPNOTSUPP) {
      nowait.store(false, std::memory_order_relaxed);
      if (reading || operation.file->may_stall) return FileProgress::kWouldBlock;
      continue;
    }
    return FinishTransfer(operation, error);
  }
  return operation.Finish(0);
}

// close(2) of a duplicate is what makes NFS and its like write back, and it returns their error.
FileProgress Flush(FileOperation& operation) {
  const int duplicate = fcntl(operation.file->fd.get(), F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) return operation.Finish(errno);
  return operation.Finish(close(duplicate) < 0 ? errno : 0);
}

FileProgress Seek(FileOperation& operation) {
  const int whence = static_cast<int>(operation.flags);
  // Only these mean anything for a file whose position the guest keeps to itself.
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return operation.Finish(EINVAL);
  // Signed on the guest's side: an offset below 0 is for the kernel to refuse, with ENXIO.
  const auto offset = static_cast<off_t>(operation.offset);
  const off_t found = lseek(operation.file->fd.get(), offset, whence);
  if (found < 0) return operation.Finish(errno);
  operation.result = static_cast<uint64_t>(found);
  return operation.Finish(0);
}

FileProgress Sync(FileOperation& operation) {
  const int fd = operation.file->fd.get();
  const int result = operation.flags != 0 ? fdatasync(fd) : fsync(fd);
  return operation.Finish(result < 0 ? errno : 0);
}

FileProgress Allocate(FileOperation& operation) {
  const auto offset = NarrowOrNone<off_t>(operation.offset);
  const auto length = NarrowOrNone<off_t>(operation.size);
  if (!offset || !length) return operation.Finish(EINVAL);
  const int result =
      fallocate(operation.file->fd.get(), static_cast<int>(operation.flags), *offset, *length);
  return operation.Finish(result < 0 ? errno : 0);
}

FileProgress Copy(FileOperation& operation) {
  auto from = NarrowOrNone<off_t>(operation.offset);
  auto to = NarrowOrNone<off_t>(operation.target_offset);
  if (!from || !to) return operation.Finish(EINVAL);
  // One call: less than was asked for is a right answer, and the guest goes on from there.
  const ssize_t copied =
      copy_file_range(operation.file->fd.get(), &*from, operation.target->fd.get(), &*to,
                      operation.size, /*flags=*/0);
  if (copied < 0) return operation.Finish(errno);
  operation.result = static_cast<uint64_t>(copied);
  return operation.Finish(0);
}

}  // namespace

FileProgress Advance(FileOperation& operation, const DescriptorChain& chain, Blocking blocking,
                     std::vector<iovec>& ranges) {
  switch (operation.kind) {
    case FileOperation::Kind::kRead:
    case FileOperation::Kind::kWrite:
      return Transfer(operation, chain, blocking, ranges);
    case FileOperation::Kind::kFlush:
      if (blocking == Blocking::kAvoid && operation.file->may_stall) {
        return FileProgress::kWouldBlock;
      }
      return Flush(operation);
    case FileOperation::Kind::kSeek:
      if (blocking == Blocking::kAvoid) return FileProgress::kWouldBlock;
      return Seek(operation);
    case FileOperation::Kind::kSync:
      if (blocking == Blocking::kAvoid && !operation.file->in_memory) {
        return FileProgress::kWouldBlock;
      }
      return Sync(operation);
    case FileOperation::Kind::kAllocate:
      if (blocking == Blocking::kAvoid) return FileProgress::kWouldBlock;
      return Allocate(operation);
    case FileOperation::Kind::kCopy:
      if (blocking == Blocking::kAvoid) return FileProgress::kWouldBlock;
      return Copy(operation);
  }
  return operation.Finish(EINVAL);
}

}  // namespace postern
