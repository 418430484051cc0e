#include "worker/fuse/fuse_encode.h"

#include <sys/stat.h>

#include <utility>

#include "common/checked.h"

namespace postern {
namespace {

// What rpc.proto says of DirectoryListing.packed.
static_assert(offsetof(fuse_dirent, ino) == 0 && offsetof(fuse_dirent, off) == 8 &&
              offsetof(fuse_dirent, namelen) == 16 && offsetof(fuse_dirent, type) == 20 &&
              FUSE_NAME_OFFSET == 24 && FUSE_DIRENT_ALIGN(1) == 8);

OpenedFacts FactsOf(const rpc::OpenedFile& opened) {
  return {.has_set_id_bits = opened.has_set_id_bits(),
          .may_stall = opened.may_stall(),
          .in_memory = opened.in_memory()};
}

// struct dirent's d_type is the file type of st_mode, shifted (IFTODT in dirent.h).
constexpr int kTypeShift = 12;

// The kernel's encoding of a device number in 32 bits (new_encode_dev(), linux/kdev_t.h).
uint32_t EncodeDevice(uint32_t major_number, uint32_t minor_number) {
  return (minor_number & 0xff) | (major_number << 8) | ((minor_number & ~0xffU) << 12);
}

void FillAttributes(const rpc::Attributes& from, fuse_attr& to) {
  to.ino = from.ino();
  to.size = from.size();
  to.blocks = from.blocks();
  to.atime = static_cast<uint64_t>(from.atime_seconds());
  to.mtime = static_cast<uint64_t>(from.mtime_seconds());
  to.ctime = static_cast<uint64_t>(from.ctime_seconds());
  to.atimensec = from.atime_nanoseconds();
  to.mtimensec = from.mtime_nanoseconds();
  to.ctimensec = from.ctime_nanoseconds();
  to.mode = from.mode();
  to.nlink = from.nlink();
  to.uid = from.uid();
  to.gid = from.gid();
  to.rdev = EncodeDevice(from.rdev_major(), from.rdev_minor());
  to.blksize = from.block_size();
}

fuse_entry_out MakeEntry(const EncodeContext& context, const rpc::Entry& entry) {
  fuse_entry_out out{};
  out.nodeid = entry.node_id();
  out.entry_valid = context.options.cache.timeout_seconds;
  out.attr_valid = context.options.cache.timeout_seconds;
  FillAttributes(entry.attributes(), out.attr);
  if (entry.is_submount() && context.options.announce_submounts &&
      context.session.enabled(FUSE_SUBMOUNTS)) {
    out.attr.flags = FUSE_ATTR_SUBMOUNT;
  }
  return out;
}

FuseStatxTime MakeTime(int64_t seconds, uint32_t nanoseconds) {
  return {.seconds = seconds, .nanoseconds = nanoseconds, .reserved = 0};
}

void AppendDirent(const rpc::DirectoryListing::Item& item, FusePayload& payload) {
  fuse_dirent dirent{};
  dirent.ino = item.ino();
  dirent.off = item.next_offset();
  dirent.namelen = Narrow<uint32_t>(item.name().size());
  dirent.type = item.type();
  payload.Append(dirent);
  payload.AppendBytes(std::as_bytes(std::span(item.name())));
  payload.Align();
}

}  // namespace

ErrnoOrVoid EncodeNothing(const EncodeContext&, const rpc::Reply& reply, FusePayload&) {
  if (reply.result_case() != rpc::Reply::RESULT_NOT_SET) return Errno(EIO);
  return {};
}

ErrnoOrVoid EncodeEntry(const EncodeContext& context, const rpc::Reply& reply,
                        FusePayload& payload) {
  if (!reply.has_entry()) return Errno(EIO);
  payload.Append(MakeEntry(context, reply.entry()));
  return {};
}

ErrnoOrVoid EncodeAttributes(const EncodeContext& context, const rpc::Reply& reply,
                             FusePayload& payload) {
  if (!reply.has_attributes()) return Errno(EIO);
  fuse_attr_out out{};
  out.attr_valid = context.options.cache.timeout_seconds;
  FillAttributes(reply.attributes(), out.attr);
  payload.Append(out);
  return {};
}

ErrnoOrVoid EncodeStatx(const EncodeContext& context, const rpc::Reply& reply,
                        FusePayload& payload) {
  if (!reply.has_attributes()) return Errno(EIO);
  const rpc::Attributes& from = reply.attributes();
  FuseStatxOut out{};
  out.attr_valid = context.options.cache.timeout_seconds;
  out.stat.mask = STATX_BASIC_STATS;
  out.stat.blksize = from.block_size();
  out.stat.nlink = from.nlink();
  out.stat.uid = from.uid();
  out.stat.gid = from.gid();
  out.stat.mode = static_cast<uint16_t>(from.mode());
  out.stat.ino = from.ino();
  out.stat.size = from.size();
  out.stat.blocks = from.blocks();
  out.stat.atime = MakeTime(from.atime_seconds(), from.atime_nanoseconds());
  out.stat.ctime = MakeTime(from.ctime_seconds(), from.ctime_nanoseconds());
  out.stat.mtime = MakeTime(from.mtime_seconds(), from.mtime_nanoseconds());
  if (from.has_birth_time()) {
    out.stat.mask |= STATX_BTIME;
    out.stat.btime = MakeTime(from.birth_time().seconds(), from.birth_time().nanoseconds());
  }
  out.stat.rdev_major = from.rdev_major();
  out.stat.rdev_minor = from.rdev_minor();
  payload.Append(out);
  return {};
}

ErrnoOrVoid EncodeLinkTarget(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload) {
  if (reply.result_case() != rpc::Reply::kLinkTarget) return Errno(EIO);
  payload.AppendBytes(std::as_bytes(std::span(reply.link_target())));
  return {};
}

ErrnoOrVoid EncodeOpen(const EncodeContext& context, const rpc::Reply& reply,
                       FusePayload& payload) {
  if (!reply.has_opened() || !context.descriptor) return Errno(EIO);
  const OpenFileId id(reply.opened().open_file_id());
  POSTERN_RETURN_IF_ERROR(
      context.open_files.Insert(id, std::move(context.descriptor), NodeId(context.header.nodeid),
                                std::move(context.notes.ticket), FactsOf(reply.opened())));
  fuse_open_out out{};
  out.fh = id.value();
  out.open_flags = context.options.cache.open_flags;
  payload.Append(out);
  return {};
}

ErrnoOrVoid EncodeCreate(const EncodeContext& context, const rpc::Reply& reply,
                         FusePayload& payload) {
  if (!reply.has_created() || !context.descriptor) return Errno(EIO);
  const rpc::CreatedFile& created = reply.created();
  const OpenFileId id(created.opened().open_file_id());
  POSTERN_RETURN_IF_ERROR(context.open_files.Insert(
      id, std::move(context.descriptor), NodeId(created.entry().node_id()),
      std::move(context.notes.ticket), FactsOf(created.opened())));
  payload.Append(MakeEntry(context, created.entry()));
  fuse_open_out out{};
  out.fh = id.value();
  out.open_flags = context.options.cache.open_flags;
  payload.Append(out);
  return {};
}

ErrnoOrVoid EncodeOpendir(const EncodeContext& context, const rpc::Reply& reply,
                          FusePayload& payload) {
  if (!reply.has_opened()) return Errno(EIO);
  fuse_open_out out{};
  out.fh = reply.opened().open_file_id();
  out.open_flags = context.options.cache.open_directory_flags;
  payload.Append(out);
  return {};
}

ErrnoOrVoid EncodeReaddir(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload) {
  if (!reply.has_listing()) return Errno(EIO);
  // Each of its items is a struct fuse_dirent.
  payload.AppendBytes(std::as_bytes(std::span(reply.listing().packed())));
  return {};
}

ErrnoOrVoid EncodeReaddirplus(const EncodeContext& context, const rpc::Reply& reply,
                              FusePayload& payload) {
  if (!reply.has_listing()) return Errno(EIO);
  for (const auto& item : reply.listing().items()) {
    if (item.has_entry()) {
      payload.Append(MakeEntry(context, item.entry()));
    } else {
      // nodeid 0: the guest takes the name and asks for the rest if it wants it.
      fuse_entry_out out{};
      out.attr.ino = item.ino();
      out.attr.mode = item.type() << kTypeShift;
      payload.Append(out);
    }
    AppendDirent(item, payload);
  }
  return {};
}

ErrnoOrVoid EncodeStatfs(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload) {
  if (!reply.has_statistics()) return Errno(EIO);
  const rpc::FilesystemStatistics& statistics = reply.statistics();
  fuse_statfs_out out{};
  out.st.blocks = statistics.blocks();
  out.st.bfree = statistics.blocks_free();
  out.st.bavail = statistics.blocks_available();
  out.st.files = statistics.files();
  out.st.ffree = statistics.files_free();
  out.st.bsize = statistics.block_size();
  out.st.namelen = statistics.name_max();
  out.st.frsize = statistics.fragment_size();
  payload.Append(out);
  return {};
}

ErrnoOrVoid EncodeExtendedAttribute(const EncodeContext& context, const rpc::Reply& reply,
                                    FusePayload& payload) {
  if (!reply.has_extended_attribute()) return Errno(EIO);
  const rpc::ExtendedAttribute& attribute = reply.extended_attribute();
  if (context.notes.size_only) {
    payload.Append(fuse_getxattr_out{attribute.size(), 0});
  } else {
    payload.AppendBytes(std::as_bytes(std::span(attribute.value())));
  }
  return {};
}

void EncodeWritten(const FileOperation& operation, FusePayload& payload) {
  fuse_write_out out{};
  out.size = Narrow<uint32_t>(operation.result);
  payload.Append(out);
}

void EncodeCopied(const FileOperation& operation, FusePayload& payload) {
  payload.Append(FuseCopyFileRangeOut{operation.result});
}

void EncodeOffset(const FileOperation& operation, FusePayload& payload) {
  payload.Append(fuse_lseek_out{operation.result});
}

Errno GuestError(const rpc::Reply& reply) {
  return Errno(reply.error() <= kMaxReplyError ? static_cast<int>(reply.error()) : EIO);
}

std::optional<rpc::Request> ReleaseOf(uint32_t opcode, uint64_t node_id, const rpc::Reply& reply) {
  rpc::Request release;
  if (reply.has_opened() && opcode == FUSE_OPENDIR) {
    release.mutable_release_directory()->set_node_id(node_id);
    release.mutable_release_directory()->set_open_file_id(reply.opened().open_file_id());
  } else if (reply.has_opened()) {
    release.mutable_release()->set_node_id(node_id);
    release.mutable_release()->set_open_file_id(reply.opened().open_file_id());
  } else if (reply.has_created()) {
    release.mutable_release()->set_node_id(reply.created().entry().node_id());
    release.mutable_release()->set_open_file_id(reply.created().opened().open_file_id());
  } else {
    return std::nullopt;
  }
  return release;
}

void UndoLookups(const rpc::Reply& reply, rpc::ForgetRequest& forget) {
  const auto undo = [&forget](const rpc::Entry& entry) {
    auto& item = *forget.add_items();
    item.set_node_id(entry.node_id());
    item.set_count(1);
  };
  if (reply.has_entry()) undo(reply.entry());
  if (reply.has_created()) undo(reply.created().entry());
  for (const auto& item : reply.listing().items()) {
    if (item.entry().node_id() != 0) undo(item.entry());
  }
}

}  // namespace postern
