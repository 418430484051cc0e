#include "broker/inodes/directory_stream.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "common/checked.h"
#include "common/mutex_lock.h"

namespace postern {
namespace {

// struct linux_dirent64 (getdents64(2)): ino, off, reclen, type, name. glibc's dirent64 has the
// same layout but for the fixed size of its last member.
constexpr size_t kInoOffset = 0;
constexpr size_t kOffOffset = 8;
constexpr size_t kReclenOffset = 16;
constexpr size_t kTypeOffset = 18;
constexpr size_t kNameOffset = 19;

// The most that one record takes: its name and a NUL, rounded up to 8.
constexpr size_t kMaxRecordBytes = (kNameOffset + kMaxNameBytes + 1 + 7) / 8 * 8;

template <typename Integer>
Integer LoadAt(std::span<const std::byte> from, size_t offset) {
  Integer value;
  std::memcpy(&value, from.data() + offset, sizeof(value));
  return value;
}

}  // namespace

DirectoryRecord DirectoryRecord::Take(std::span<const std::byte>& records) {
  const auto size = LoadAt<uint16_t>(records, kReclenOffset);
  // Safe because the name is a NUL-terminated string of char inside the record.
  const char* name = reinterpret_cast<const char*>(records.data()) + kNameOffset;
  const DirectoryRecord record{LoadAt<uint64_t>(records, kInoOffset),
                               LoadAt<uint64_t>(records, kOffOffset),
                               LoadAt<uint8_t>(records, kTypeOffset), std::string_view(name)};
  records = records.subspan(size);
  return record;
}

size_t DirectoryStream::TakeFitting(std::span<const std::byte> records,
                                    absl::FunctionRef<bool(const DirectoryRecord&)> fits) {
  std::span<const std::byte> rest = records;
  while (!rest.empty()) {
    std::span<const std::byte> after = rest;
    const DirectoryRecord record = DirectoryRecord::Take(after);
    if (!fits(record)) break;
    next_ = record.next_offset;
    rest = after;
  }
  return records.size() - rest.size();
}

void DirectoryStream::Keep(std::span<const std::byte> records) {
  kept_share_ = budget_.Take(records.size());
  if (!kept_share_) {
    in_place_ = false;
    return;
  }
  kept_ = std::make_unique_for_overwrite<std::byte[]>(records.size());
  kept_begin_ = 0;
  kept_size_ = records.size();
  std::ranges::copy(records, kept_.get());
}

void DirectoryStream::DropKept() {
  kept_ = nullptr;
  kept_share_ = Budget::Share();
  kept_begin_ = 0;
  kept_size_ = 0;
}

ErrnoOr<std::span<const std::byte>> DirectoryStream::FindFromStart(int fd, uint64_t offset,
                                                                   std::span<std::byte> buffer) {
  if (lseek(fd, 0, SEEK_SET) < 0) return Errno::Last();
  for (;;) {
    const long size = syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (size < 0) return Errno::Last();
    std::span<const std::byte> records = buffer.first(static_cast<size_t>(size));
    if (records.empty()) return records;
    while (!records.empty()) {
      if (DirectoryRecord::Take(records).next_offset == offset) return records;
    }
  }
}

DirectoryStream::Portion DirectoryStream::TakeAndKeep(
    std::span<const std::byte> records, absl::FunctionRef<bool(const DirectoryRecord&)> fits) {
  const size_t taken = TakeFitting(records, fits);
  const std::span<const std::byte> rest = records.subspan(taken);
  if (!rest.empty()) Keep(rest);
  return Portion{records.first(taken), /*cut=*/!rest.empty()};
}

ErrnoOr<DirectoryStream::Portion> DirectoryStream::Read(
    int fd, uint64_t offset, std::span<std::byte> buffer,
    absl::FunctionRef<bool(const DirectoryRecord&)> fits) {
  const MutexLock lock(mutex_);
  const bool rewound = offset == 0 && begun_;  // Sees what is new.
  if (rewound || offset != next_ || !in_place_) {
    DropKept();
    in_place_ = false;
    next_ = offset;
    begun_ = true;
    const auto position = NarrowOrNone<off_t>(offset);
    if (!position) {
      POSTERN_ASSIGN_OR_RETURN(const auto behind, FindFromStart(fd, offset, buffer));
      in_place_ = true;
      if (!behind.empty()) return TakeAndKeep(behind, fits);
    } else if (lseek(fd, *position, SEEK_SET) < 0) {
      return Errno::Last();
    }
    in_place_ = true;
  }
  begun_ = true;

  size_t used = 0;
  if (!kept().empty()) {
    // What the buffer has no room for stays, too.
    const std::span<const std::byte> records = kept();
    size_t room = buffer.size();
    used = TakeFitting(records, [&](const DirectoryRecord& record) {
      if (room < kMaxRecordBytes || !fits(record)) return false;
      room -= (kNameOffset + record.name.size() + 1 + 7) / 8 * 8;
      return true;
    });
    std::ranges::copy(records.first(used), buffer.begin());
    kept_begin_ += used;
    if (!kept().empty()) return Portion{buffer.first(used), /*cut=*/true};
    DropKept();
    if (buffer.size() - used < kMaxRecordBytes) return Portion{buffer.first(used)};
  }

  const std::span<std::byte> free = buffer.subspan(used);
  const long size = syscall(SYS_getdents64, fd, free.data(), free.size());
  if (size < 0) {
    const Errno error = Errno::Last();
    in_place_ = false;
    if (used == 0) return error;
    return Portion{buffer.first(used)};
  }
  const Portion portion = TakeAndKeep(free.first(static_cast<size_t>(size)), fits);
  return Portion{buffer.first(used + portion.records.size()), portion.cut};
}

}  // namespace postern
