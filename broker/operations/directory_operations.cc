#include "broker/operations/directory_operations.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "broker/identity/attributes.h"
#include "broker/inodes/directory_stream.h"
#include "broker/operations/lookup.h"
#include "broker/operations/open_flags.h"
#include "common/path_component.h"
#include "common/rpc/channel.h"

namespace postern::operations {
namespace {

// FUSE's sizes (fuse_dirent, fuse_direntplus), which rpc.proto counts the budget in.
constexpr size_t kDirentBytes = 24;
constexpr size_t kEntryBytes = 128;
constexpr size_t DirentBytes(size_t name_size) { return (kDirentBytes + name_size + 7) / 8 * 8; }

// What an item takes in the reply besides its name, at the most: an Item's own fields are below 40
// bytes, an Entry's below 176. A listing that is kept within kMaxListingBytes by this measure fits
// a message of its own.
constexpr size_t kMaxItemBytes = 48;
constexpr size_t kMaxItemEntryBytes = 192;
constexpr size_t kMaxListingBytes = kMaxMessageBytes - 1024;

// Looks the record's name up, for READDIRPLUS. An item without an entry says nothing about the
// name, and the guest looks it up when it needs it: so a name that has gone, or that fails
// otherwise, doesn't spoil the listing.
void AddEntry(OperationContext& context, const PinnedInode& directory, std::string_view bytes,
              rpc::DirectoryListing::Item& item) {
  const ErrnoOr<PathComponent> name = PathComponent::Parse(bytes);
  if (!name.ok()) return;
  struct statx status;
  // Where something is mounted this is the number below the mount: no answer depends on it.
  const InodeIdentity& own = directory.inode->identity();
  const bool known = context.session.inodes.Knows({own.device, item.ino(), own.mount_id});
  const ErrnoOr<InodeRef> inode =
      LookUp(context, directory, *name, status, known ? Expect::kKnown : Expect::kNew);
  if (!inode.ok()) return;
  FillEntry(directory.inode->identity(), **inode, status, context.filesystem.ids(),
            *item.mutable_entry());
}

// The attributes of "." and "..", for who has them from nowhere else. Without a node id: their
// lookups would be counted, and no client takes them for lookups.
void AddDot(OperationContext& context, const PinnedInode& directory, std::string_view name,
            rpc::DirectoryListing::Item& item) {
  struct statx status;
  const ErrnoOr<InodeRef> inode = LookUpDot(context, directory, name, status);
  if (!inode.ok()) return;
  UndoLookUp(context, *inode);
  FillAttributes(status, context.filesystem.ids(), *item.mutable_entry()->mutable_attributes());
}

// What precedes a name in DirectoryListing.packed.
struct PackedItem {
  uint64_t ino;
  uint64_t next_offset;
  uint32_t name_size;
  uint32_t type;
};
static_assert(sizeof(PackedItem) == kDirentBytes);

// `size`: what it comes to.
void Pack(std::span<const std::byte> records, size_t size, std::string& packed) {
  packed.resize(size);  // Zeros.
  char* to = packed.data();
  while (!records.empty()) {
    const DirectoryRecord record = DirectoryRecord::Take(records);
    const PackedItem item{record.ino, record.next_offset, static_cast<uint32_t>(record.name.size()),
                          record.type};
    std::memcpy(to, &item, sizeof(item));
    std::memcpy(to + sizeof(item), record.name.data(), record.name.size());
    to += DirentBytes(record.name.size());
  }
}

}  // namespace

ErrnoOrVoid OpenDirectory(OperationContext& context, const rpc::OpenDirectoryRequest& request,
                          rpc::Reply& reply) {
  if (context.filesystem.options().readonly) {
    POSTERN_RETURN_IF_ERROR(CheckReadonlyOpen(request.flags()));
  }
  POSTERN_ASSIGN_OR_RETURN(const PinnedInode pinned, Pin(context, NodeId(request.node_id())));
  if (!pinned.inode->is_directory()) return Errno(ENOTDIR);
  BudgetedFd fd;
  POSTERN_ASSIGN_OR_RETURN(fd.share, context.filesystem.budget().Take());
  // None of the guest's flags means anything for reading a directory.
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  POSTERN_ASSIGN_OR_RETURN(fd.fd, Reopen(context, pinned, kFlags));
  POSTERN_ASSIGN_OR_RETURN(
      const OpenFileId id,
      context.session.open_files.Insert(std::make_shared<OpenFile>(
          pinned.inode->id(), OpenFile::Kind::kDirectory, kFlags, std::move(fd),
          std::make_unique<DirectoryStream>(context.filesystem.directory_stream_budget()))));
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
  size_t budget = request.budget();
  size_t room = kMaxListingBytes;
  // What doesn't fit isn't looked up, so there is no count to take back.
  const auto fits = [&](const DirectoryRecord& record) {
    const size_t cost =
        DirentBytes(record.name.size()) + (request.with_entries() ? kEntryBytes : 0);
    const size_t bytes =
        record.name.size() + kMaxItemBytes + (request.with_entries() ? kMaxItemEntryBytes : 0);
    if (cost > budget || bytes > room) return false;
    budget -= cost;
    room -= bytes;
    return true;
  };
  POSTERN_ASSIGN_OR_RETURN(const DirectoryStream::Portion portion,
                           directory->stream()->Read(directory->fd(), request.offset(),
                                                     context.scratch.directory_entries, fits));

  rpc::DirectoryListing& listing = *reply.mutable_listing();
  if (!request.with_entries()) {
    Pack(portion.records, request.budget() - budget, *listing.mutable_packed());
    return portion.records.empty() && portion.cut ? ErrnoOrVoid(Errno(EINVAL)) : ErrnoOrVoid();
  }
  for (std::span<const std::byte> records = portion.records; !records.empty();) {
    const DirectoryRecord record = DirectoryRecord::Take(records);
    rpc::DirectoryListing::Item& item = *listing.add_items();
    item.mutable_name()->assign(record.name);
    item.set_ino(record.ino);
    item.set_next_offset(record.next_offset);
    item.set_type(record.type);
    if (!record.is_dot()) {
      AddEntry(context, inode, record.name, item);
    } else if (request.with_dots()) {
      AddDot(context, inode, record.name, item);
    }
  }
  // Empty means the end to the guest.
  if (portion.records.empty() && portion.cut) return Errno(EINVAL);
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
