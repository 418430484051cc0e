#include "broker/directory_operations.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "broker/attributes.h"
#include "broker/lookup.h"
#include "broker/open_flags.h"
#include "common/channel.h"
#include "common/path_component.h"

namespace postern::operations {
namespace {

// struct linux_dirent64 (getdents64(2)): ino, off, reclen, type, name. glibc's dirent64 has the
// same layout but for the fixed size of its last member.
constexpr size_t kInoOffset = 0;
constexpr size_t kOffOffset = 8;
constexpr size_t kReclenOffset = 16;
constexpr size_t kTypeOffset = 18;
constexpr size_t kNameOffset = 19;

// The most that one record takes: a name of 255 bytes and its NUL, rounded up to 8.
constexpr size_t kMaxRecordBytes = 280;

// FUSE's sizes (fuse_dirent, fuse_direntplus), which rpc.proto counts the budget in.
constexpr size_t kDirentBytes = 24;
constexpr size_t kEntryBytes = 128;

// What an item takes in the reply besides its name, at the most: an Item's own fields are below 40
// bytes, an Entry's below 176. A listing that is kept within kMaxListingBytes by this measure fits
// a message of its own.
constexpr size_t kMaxItemBytes = 48;
constexpr size_t kMaxItemEntryBytes = 192;
constexpr size_t kMaxListingBytes = kMaxMessageBytes - 1024;

template <typename Integer>
Integer LoadAt(std::span<const std::byte> from, size_t offset) {
  Integer value;
  std::memcpy(&value, from.data() + offset, sizeof(value));
  return value;
}

// One record of getdents64(2)'s answer.
struct Record {
  uint64_t ino;
  uint64_t next_offset;
  uint8_t type;
  std::string_view name;

  bool is_dot() const { return name == "." || name == ".."; }
};

// Takes the first record off `records`. The host's kernel wrote them: trusted.
Record TakeRecord(std::span<const std::byte>& records) {
  const auto size = LoadAt<uint16_t>(records, kReclenOffset);
  // Safe because the name is a NUL-terminated string of char inside the record.
  const char* name = reinterpret_cast<const char*>(records.data()) + kNameOffset;
  const Record record{LoadAt<uint64_t>(records, kInoOffset), LoadAt<uint64_t>(records, kOffOffset),
                      LoadAt<uint8_t>(records, kTypeOffset), std::string_view(name)};
  records = records.subspan(size);
  return record;
}

// How much to read for a budget: not many more records than will be used, since the rest is read
// again. Names of usual length take a fourth to a sixth of what their entry costs.
size_t ReadBytes(uint32_t budget, bool with_entries) {
  const size_t wanted = with_entries ? budget / 4 : budget;
  return std::clamp(wanted, 2 * kMaxRecordBytes, OperationScratch::kDirectoryBytes);
}

ErrnoOr<std::span<const std::byte>> ReadRecords(OpenFile& directory, uint64_t offset,
                                                std::span<std::byte> buffer) {
  const absl::MutexLock lock(&directory.position_mutex());
  // A cookie above the range of off_t becomes negative, which lseek(2) refuses.
  if (lseek(directory.fd(), static_cast<off_t>(offset), SEEK_SET) < 0) return Errno::Last();
  const long size = syscall(SYS_getdents64, directory.fd(), buffer.data(), buffer.size());
  if (size < 0) return Errno::Last();
  return std::span<const std::byte>(buffer.data(), static_cast<size_t>(size));
}

// Looks the record's name up, for READDIRPLUS. An item without an entry says nothing about the
// name, and the guest looks it up when it needs it: so a name that has gone, or that fails
// otherwise, doesn't spoil the listing.
void AddEntry(OperationContext& context, const PinnedInode& directory, std::string_view bytes,
              rpc::DirectoryListing::Item& item) {
  const ErrnoOr<PathComponent> name = PathComponent::Parse(bytes);
  if (!name.ok()) return;
  struct statx status;
  const ErrnoOr<InodeRef> inode = LookUp(context, directory, *name, status);
  if (!inode.ok()) return;
  FillEntry(directory.inode->identity(), **inode, status, context.filesystem.ids(),
            *item.mutable_entry());
}

}  // namespace

ErrnoOrVoid OpenDirectory(OperationContext& context, const rpc::OpenDirectoryRequest& request,
                          rpc::Reply& reply) {
  if (context.filesystem.options().readonly) {
    POSTERN_RETURN_IF_ERROR(CheckReadonlyOpen(request.flags()));
  }
  POSTERN_ASSIGN_OR_RETURN(const InodeRef inode,
                           context.session.inodes.Get(NodeId(request.node_id())));
  BudgetedFd fd;
  POSTERN_ASSIGN_OR_RETURN(fd.share, context.filesystem.budget().Take());
  // None of the guest's flags means anything for reading a directory.
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  POSTERN_ASSIGN_OR_RETURN(fd.fd, Reopen(context, *inode, kFlags));
  POSTERN_ASSIGN_OR_RETURN(const OpenFileId id,
                           context.session.open_files.Insert(std::make_shared<OpenFile>(
                               inode->id(), OpenFile::Kind::kDirectory, kFlags, std::move(fd))));
  reply.mutable_opened()->set_open_file_id(id.value());
  return {};
}

ErrnoOrVoid ReadDirectory(OperationContext& context, const rpc::ReadDirectoryRequest& request,
                          rpc::Reply& reply) {
  const NodeId id(request.node_id());
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode inode, Pin(context, id));
  POSTERN_ASSIGN_OR_RETURN(const OpenFileRef directory,
                           context.session.open_files.Get(OpenFileId(request.open_file_id()), id,
                                                          OpenFile::Kind::kDirectory));
  const std::span<std::byte> buffer =
      std::span(context.scratch.directory_entries)
          .first(ReadBytes(request.budget(), request.with_entries()));
  POSTERN_ASSIGN_OR_RETURN(std::span<const std::byte> records,
                           ReadRecords(*directory, request.offset(), buffer));

  rpc::DirectoryListing& listing = *reply.mutable_listing();
  size_t budget = request.budget();
  size_t room = kMaxListingBytes;
  bool cut = false;
  while (!records.empty()) {
    const Record record = TakeRecord(records);
    const size_t cost = (kDirentBytes + record.name.size() + 7) / 8 * 8 +
                        (request.with_entries() ? kEntryBytes : 0);
    const size_t bytes =
        record.name.size() + kMaxItemBytes + (request.with_entries() ? kMaxItemEntryBytes : 0);
    // What doesn't fit isn't looked up, so there is no count to take back.
    cut = cost > budget || bytes > room;
    if (cut) break;
    budget -= cost;
    room -= bytes;
    rpc::DirectoryListing::Item& item = *listing.add_items();
    item.set_name(record.name.data(), record.name.size());
    item.set_ino(record.ino);
    item.set_next_offset(record.next_offset);
    item.set_type(record.type);
    if (request.with_entries() && !record.is_dot()) AddEntry(context, inode, record.name, item);
  }
  // Empty means the end to the guest.
  if (listing.items().empty() && cut) return Errno(EINVAL);
  return {};
}

ErrnoOrVoid ReleaseDirectory(OperationContext& context, const rpc::ReleaseDirectoryRequest& request,
                             rpc::Reply&) {
  const ErrnoOr<OpenFileRef> removed = context.session.open_files.Remove(
      OpenFileId(request.open_file_id()), NodeId(request.node_id()), OpenFile::Kind::kDirectory);
  return removed.ok() ? ErrnoOrVoid() : removed.error();
}

ErrnoOrVoid SyncDirectory(OperationContext& context, const rpc::SyncDirectoryRequest& request,
                          rpc::Reply&) {
  POSTERN_ASSIGN_OR_RETURN(
      const OpenFileRef directory,
      context.session.open_files.Get(OpenFileId(request.open_file_id()), NodeId(request.node_id()),
                                     OpenFile::Kind::kDirectory));
  return CheckSyscall(request.data_only() ? fdatasync(directory->fd()) : fsync(directory->fd()));
}

}  // namespace postern::operations
