// Reading an open directory in portions of any size.
#ifndef POSTERN_BROKER_INODES_DIRECTORY_STREAM_H_
#define POSTERN_BROKER_INODES_DIRECTORY_STREAM_H_

#include <absl/base/thread_annotations.h>
#include <absl/functional/function_ref.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "common/budget.h"
#include "common/errno_or.h"
#include "common/path_component.h"

namespace postern {

// One record of getdents64(2)'s answer.
struct DirectoryRecord {
  uint64_t ino;
  uint64_t next_offset;
  uint8_t type;
  std::string_view name;  // A NUL follows.

  bool is_dot() const { return IsDotName(name); }

  // Takes the first record off `records`. The host's kernel wrote them: trusted.
  static DirectoryRecord Take(std::span<const std::byte>& records);
};

// The position of an open directory, and the records that were read and didn't fit the last answer.
// A guest reads a directory in small portions, one after the other: each takes what the last one
// left, and one call of the kernel serves many. Reading from anywhere else, and from the beginning
// above all, asks the kernel anew. Thread-safe.
class DirectoryStream {
 public:
  struct Portion {
    std::span<const std::byte> records;
    bool cut = false;  // There was at least one more.
  };

  // `budget`, which is borrowed, says how many bytes all streams may keep: a guest may open any
  // number of directories and read the first name of each.
  explicit DirectoryStream(Budget& budget) : budget_(budget) {}
  DirectoryStream(const DirectoryStream&) = delete;
  DirectoryStream& operator=(const DirectoryStream&) = delete;

  // Reads the directory `fd` from `offset` on: 0, or the next_offset of any record. Into `buffer`
  // go the records up to the first that `fits` refuses, or less; none without a cut means the end.
  // `buffer` has room for one record at least and is aligned for it. `fd` is always the same.
  ErrnoOr<Portion> Read(int fd, uint64_t offset, std::span<std::byte> buffer,
                        absl::FunctionRef<bool(const DirectoryRecord&)> fits);

 private:
  // The bytes of those records that `fits` takes; moves next_ past them.
  size_t TakeFitting(std::span<const std::byte> records,
                     absl::FunctionRef<bool(const DirectoryRecord&)> fits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As many of `records`, which follow next_, as `fits` takes; the others are kept.
  Portion TakeAndKeep(std::span<const std::byte> records,
                      absl::FunctionRef<bool(const DirectoryRecord&)> fits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reads from the start up to the record whose next_offset is `offset`: NFSv4's and others' use
  // all 64 bits, and lseek(2) takes 63. Answers what was read behind it. If there is no such record
  // nothing is left to be read.
  ErrnoOr<std::span<const std::byte>> FindFromStart(int fd, uint64_t offset,
                                                    std::span<std::byte> buffer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps `records`, which follow next_. If that can't be they are read again.
  void Keep(std::span<const std::byte> records) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropKept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::span<const std::byte> kept() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::span(kept_.get(), kept_size_).subspan(kept_begin_);
  }

  Budget& budget_;

  // Held over lseek(2) and getdents64(2), which share the file position. The one lock of the broker
  // that is held over a system call that may block; what can wait for it is another READDIR of the
  // same handle, and no other lock is taken under it.
  absl::Mutex mutex_;
  // Whether the kernel's position is that after the kept records, and these follow next_.
  bool in_place_ ABSL_GUARDED_BY(mutex_) = true;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<std::byte[]> kept_ ABSL_GUARDED_BY(mutex_);
  size_t kept_begin_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t kept_size_ ABSL_GUARDED_BY(mutex_) = 0;  // Of all of `kept_`.
  Budget::Share kept_share_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_DIRECTORY_STREAM_H_
