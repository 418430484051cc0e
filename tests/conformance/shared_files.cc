// SharedTree's operations on open files.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>

#include "tests/conformance/shared_attributes.h"
#include "tests/conformance/shared_tree.h"

namespace postern::conformance {
namespace {

constexpr size_t kMostAtOnce = size_t{1} << 20;  // max_write, and FuseClient's buffer.

bool Readable(int flags) { return (flags & O_ACCMODE) != O_WRONLY; }
bool Writable(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

// What Linux leaves out of FUSE_OPEN (fuse_send_open).
uint32_t OpenFlags(int flags) {
  return static_cast<uint32_t>(flags & ~(O_CREAT | O_EXCL | O_NOCTTY)) | O_LARGEFILE;
}

}  // namespace

ErrnoOr<SharedTree::OpenNode> SharedTree::FileOf(FileId file) const {
  const auto found = files_.find(file);
  if (found == files_.end()) return Errno(EBADF);
  return found->second;
}

FileId SharedTree::Keep(const OpenNode& open) {
  const FileId id(++last_file_);
  files_.emplace(id, open);
  return id;
}

ErrnoOr<FileId> SharedTree::OpenExisting(const Node& node, int flags) {
  const mode_t type = node.attributes.mode & S_IFMT;
  if (type == S_IFLNK) return Errno((flags & O_DIRECTORY) != 0 ? ENOTDIR : ELOOP);
  if (type == S_IFDIR) {
    if (Writable(flags) || (flags & (O_CREAT | O_TRUNC)) != 0) return Errno(EISDIR);
    POSTERN_ASSIGN_OR_RETURN(const fuse_open_out opened,
                             client_.Opendir(node.id, OpenFlags(flags)));
    return Keep({node.id, vmm::HandleOf(opened), flags, /*directory=*/true});
  }
  if ((flags & O_DIRECTORY) != 0) return Errno(ENOTDIR);
  if (type != S_IFREG) return Errno(ENXIO);  // The guest's own business: nothing is asked.
  const bool kill = (flags & O_TRUNC) != 0 && KillsSetId() && Enabled(FUSE_HANDLE_KILLPRIV_V2);
  POSTERN_ASSIGN_OR_RETURN(
      const fuse_open_out opened,
      client_.Open(node.id, OpenFlags(flags), kill ? FUSE_OPEN_KILL_SUIDGID : 0));
  return Keep({node.id, vmm::HandleOf(opened), flags});
}

ErrnoOr<FileId> SharedTree::Open(const std::string& path, int flags, mode_t mode) {
  const Last last = (flags & O_NOFOLLOW) != 0 || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)
                        ? Last::kNoFollow
                        : Last::kFollow;
  if ((flags & O_CREAT) == 0) {
    POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
    return OpenExisting(node, flags);
  }
  POSTERN_ASSIGN_OR_RETURN(const NodeWalk::CreationPlace found, walk_.FindForCreation(path, last));
  if (found.existing.has_value() && (flags & O_EXCL) == 0) {
    return OpenExisting(*found.existing, flags);
  }
  POSTERN_ASSIGN_OR_RETURN(const mode_t sent,
                           PrepareCreation(found.place.directory, S_IFREG | (mode & 07777)));
  POSTERN_ASSIGN_OR_RETURN(
      const vmm::CreatedFile created,
      client_.Create(found.place.directory, found.place.name,
                     static_cast<uint32_t>(flags & ~O_NOCTTY) | O_LARGEFILE, sent, caller_.umask));
  const Node node = walk_.Counted(created.entry);
  return Keep({node.id, vmm::HandleOf(created.opened), flags});
}

ErrnoOr<FileId> SharedTree::Tmpfile(const std::string& path, int flags, mode_t mode) {
  if (!Writable(flags)) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(const Node directory, walk_.Find(path, Last::kFollow));
  if (!S_ISDIR(directory.attributes.mode)) return Errno(ENOTDIR);
  POSTERN_ASSIGN_OR_RETURN(const mode_t sent,
                           PrepareCreation(directory.id, S_IFREG | (mode & 07777)));
  const auto created = client_.Tmpfile(
      directory.id, static_cast<uint32_t>(flags) | O_TMPFILE | O_LARGEFILE, sent, caller_.umask);
  if (!created.ok()) {
    return Errno(created.error() == Errno(ENOSYS) ? EOPNOTSUPP : created.errno_value());
  }
  const Node node = walk_.Counted(created->entry);
  return Keep({node.id, vmm::HandleOf(created->opened), flags});
}

ErrnoOrVoid SharedTree::LinkFile(FileId file, const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(path));
  POSTERN_ASSIGN_OR_RETURN(const fuse_entry_out entry,
                           client_.Link(open.node, at.directory, at.name));
  walk_.Counted(entry);
  return {};
}

ErrnoOrVoid SharedTree::Close(FileId file) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  files_.erase(file);
  if (open.directory) return client_.Releasedir(open.node, open.handle);
  const ErrnoOrVoid flushed = client_.Flush(open.node, open.handle);
  POSTERN_RETURN_IF_ERROR(client_.Release(open.node, open.handle));
  return flushed;
}

ErrnoOr<std::string> SharedTree::Read(FileId file, off_t offset, size_t count) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  if (offset < 0) return Errno(EINVAL);
  if (!Readable(open.flags)) return Errno(EBADF);
  if (open.directory) return Errno(EISDIR);
  std::string data;
  while (data.size() < count) {
    const size_t wanted = std::min(count - data.size(), kMostAtOnce);
    POSTERN_ASSIGN_OR_RETURN(
        const std::string piece,
        client_.ReadString(open.node, open.handle, static_cast<uint64_t>(offset) + data.size(),
                           wanted));
    data += piece;
    if (piece.size() < wanted) break;
  }
  return data;
}

ErrnoOr<size_t> SharedTree::Write(FileId file, off_t offset, const std::string& data) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  if (offset < 0) return Errno(EINVAL);
  if (!Writable(open.flags)) return Errno(EBADF);
  if (data.empty()) return size_t{0};
  uint64_t at = static_cast<uint64_t>(offset);
  if ((open.flags & O_APPEND) != 0) {
    POSTERN_ASSIGN_OR_RETURN(const fuse_attr attributes, client_.Getattr(open.node));
    at = attributes.size;
  }
  vmm::WriteFlags flags{.write_flags = 0, .open_flags = static_cast<uint32_t>(open.flags)};
  if (KillsSetId() && Enabled(FUSE_HANDLE_KILLPRIV_V2)) {
    flags.write_flags |= FUSE_WRITE_KILL_SUIDGID;
  } else if (KillsSetId()) {
    POSTERN_ASSIGN_OR_RETURN(const Cleared cleared, ModeWithoutSetId(open.node));
    if (cleared.any) POSTERN_RETURN_IF_ERROR(SetMode(open.node, cleared.mode));
  }
  size_t done = 0;
  while (done < data.size()) {
    POSTERN_ASSIGN_OR_RETURN(
        const size_t now,
        client_.WriteString(open.node, open.handle, at + done,
                            std::string_view(data).substr(done, kMostAtOnce), flags));
    if (now == 0) return Errno(EIO);
    done += now;
  }
  return done;
}

ErrnoOr<struct stat> SharedTree::Fstat(FileId file) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr attributes, client_.Getattr(open.node, open.handle));
  return ToStat(attributes);
}

ErrnoOrVoid SharedTree::Fchmod(FileId file, mode_t mode) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  return SetMode(open.node, mode);
}

ErrnoOrVoid SharedTree::Fchown(FileId file, uid_t uid, gid_t gid) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  return SetOwner(open.node, uid, gid);
}

ErrnoOrVoid SharedTree::Ftruncate(FileId file, off_t size) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  if (size < 0 || open.directory || !Writable(open.flags)) return Errno(EINVAL);
  return SetSize(open.node, size, open.handle);
}

ErrnoOrVoid SharedTree::Futimens(FileId file, const TimePair& times) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  return SetTimes(open.node, times);
}

ErrnoOrVoid SharedTree::Fallocate(FileId file, int mode, off_t offset, off_t length) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  if (offset < 0 || length <= 0) return Errno(EINVAL);
  // vfs_fallocate() of fs/open.c, then fuse_file_fallocate().
  constexpr int kFuse = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  constexpr int kLinux = kFuse | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
  const int hole = mode & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE);
  if ((mode & ~kLinux) != 0 || hole == FALLOC_FL_PUNCH_HOLE) return Errno(EOPNOTSUPP);
  if (!Writable(open.flags)) return Errno(EBADF);
  if ((mode & ~kFuse) != 0) return Errno(EOPNOTSUPP);
  const auto done = client_.Fallocate(open.node, open.handle, static_cast<uint64_t>(offset),
                                      static_cast<uint64_t>(length), static_cast<uint32_t>(mode));
  if (!done.ok() && done.error() == Errno(ENOSYS)) return Errno(EOPNOTSUPP);
  return done;
}

ErrnoOr<off_t> SharedTree::Seek(FileId file, off_t offset, int whence) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  if (offset < 0) return Errno(ENXIO);
  POSTERN_ASSIGN_OR_RETURN(const uint64_t at,
                           client_.Lseek(open.node, open.handle, static_cast<uint64_t>(offset),
                                         static_cast<uint32_t>(whence)));
  return static_cast<off_t>(at);
}

ErrnoOr<size_t> SharedTree::Copy(FileId from, off_t from_offset, FileId to, off_t to_offset,
                                 size_t length) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode source, FileOf(from));
  POSTERN_ASSIGN_OR_RETURN(const OpenNode target, FileOf(to));
  if (!Readable(source.flags) || !Writable(target.flags) || (target.flags & O_APPEND) != 0) {
    return Errno(EBADF);
  }
  const auto in = static_cast<uint64_t>(from_offset);
  const auto out = static_cast<uint64_t>(to_offset);
  // Linux asks the newer operation first.
  const auto wide = client_.CopyFileRange64(source.node, source.handle, in, target.node,
                                            target.handle, out, length);
  if (wide.ok()) return static_cast<size_t>(*wide);
  if (wide.error() != Errno(ENOSYS)) return wide.error();
  return client_.CopyFileRange(source.node, source.handle, in, target.node, target.handle, out,
                               length);
}

ErrnoOrVoid SharedTree::Fsync(FileId file, bool data_only) {
  POSTERN_ASSIGN_OR_RETURN(const OpenNode open, FileOf(file));
  if (open.directory) return client_.Fsyncdir(open.node, open.handle, data_only);
  return client_.Fsync(open.node, open.handle, data_only);
}

}  // namespace postern::conformance
