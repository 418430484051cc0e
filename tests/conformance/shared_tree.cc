#include "tests/conformance/shared_tree.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tests/conformance/shared_attributes.h"

namespace postern::conformance {
namespace {

// What Linux makes of ENOSYS from operations that a server need not have.
ErrnoOrVoid WithoutEnosys(const ErrnoOrVoid& result, int instead) {
  if (!result.ok() && result.error() == Errno(ENOSYS)) return Errno(instead);
  return result;
}

}  // namespace

SharedTree::SharedTree(vmm::FuseClient& client) : client_(client), walk_(client) { SetCaller({}); }

void SharedTree::SetCaller(const Caller& caller) {
  caller_ = caller;
  client_.set_credentials({.uid = GuestUid(caller.uid), .gid = GuestGid(caller.gid)});
}

void SharedTree::Settle() {
  SetCaller({});
  while (!files_.empty()) {
    if (!Close(files_.begin()->first).ok()) std::fprintf(stderr, "a RELEASE failed\n");
  }
  if (!walk_.ForgetAll().ok()) std::fprintf(stderr, "a FORGET failed\n");
}

ErrnoOr<mode_t> SharedTree::PrepareCreation(NodeId directory, mode_t mode) {
  vmm::Credentials who{.uid = GuestUid(caller_.uid), .gid = GuestGid(caller_.gid)};
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr parent, client_.Getattr(directory));
  const bool member = std::ranges::count(caller_.groups, gid_t{parent.gid}) > 0;
  // get_create_supp_group() of fs/fuse/dir.c.
  if (Enabled(vmm::kFuseCreateSuppGroup) && parent.gid != caller_.gid && member) {
    who.supplementary_group = GuestGid(parent.gid);
  }
  if (Enabled(FUSE_SECURITY_CTX)) who.security_contexts.emplace();
  client_.set_credentials(who);
  // vfs_prepare_mode() of fs/namei.c: who isn't in the group that a file inherits can't give it
  // the group's rights, whatever the umask leaves of them. The umask is the server's work only
  // where ACLs are.
  constexpr mode_t kGroupRights = S_ISGID | S_IXGRP;
  if ((mode & kGroupRights) == kGroupRights && !S_ISDIR(mode) && (parent.mode & S_ISGID) != 0 &&
      caller_.uid != 0 && parent.gid != caller_.gid && !member) {
    mode &= ~mode_t{S_ISGID};
  }
  return Enabled(FUSE_DONT_MASK) ? mode : mode & ~caller_.umask;
}

ErrnoOrVoid SharedTree::Mkdir(const std::string& path, mode_t mode) {
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(path));
  POSTERN_ASSIGN_OR_RETURN(const mode_t sent, PrepareCreation(at.directory, S_IFDIR | mode));
  POSTERN_ASSIGN_OR_RETURN(const fuse_entry_out entry,
                           client_.Mkdir(at.directory, at.name, sent & 07777, caller_.umask));
  walk_.Counted(entry);
  return {};
}

ErrnoOrVoid SharedTree::Mknod(const std::string& path, mode_t mode, dev_t device) {
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(path));
  POSTERN_ASSIGN_OR_RETURN(const mode_t sent, PrepareCreation(at.directory, mode));
  POSTERN_ASSIGN_OR_RETURN(
      const fuse_entry_out entry,
      client_.Mknod(at.directory, at.name, sent, FuseDevice(device), caller_.umask));
  walk_.Counted(entry);
  return {};
}

ErrnoOrVoid SharedTree::Symlink(const std::string& target, const std::string& path) {
  if (target.empty()) return Errno(ENOENT);
  if (target.size() >= kPathBytes) return Errno(ENAMETOOLONG);
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(path));
  POSTERN_RETURN_IF_ERROR(PrepareCreation(at.directory, 0));
  POSTERN_ASSIGN_OR_RETURN(const fuse_entry_out entry,
                           client_.Symlink(at.directory, at.name, target));
  walk_.Counted(entry);
  return {};
}

ErrnoOrVoid SharedTree::Link(const std::string& from, const std::string& to) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(from, Last::kNoFollow));
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(to));
  POSTERN_ASSIGN_OR_RETURN(const fuse_entry_out entry,
                           client_.Link(node.id, at.directory, at.name));
  walk_.Counted(entry);
  return {};
}

ErrnoOrVoid SharedTree::Unlink(const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(path));
  return client_.Unlink(at.directory, at.name);
}

ErrnoOrVoid SharedTree::Rmdir(const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const NamePlace at, walk_.FindParent(path));
  return client_.Rmdir(at.directory, at.name);
}

ErrnoOrVoid SharedTree::Rename(const std::string& from, const std::string& to, uint32_t flags) {
  POSTERN_ASSIGN_OR_RETURN(const NamePlace source, walk_.FindParent(from));
  POSTERN_ASSIGN_OR_RETURN(const NamePlace target, walk_.FindParent(to));
  if (flags == 0) {
    return client_.Rename(source.directory, source.name, target.directory, target.name);
  }
  // Linux says EINVAL to all others itself (fuse_rename2).
  if ((flags & ~uint32_t{RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT}) != 0) {
    return Errno(EINVAL);
  }
  return WithoutEnosys(
      client_.Rename2(source.directory, source.name, target.directory, target.name, flags), EINVAL);
}

ErrnoOr<std::string> SharedTree::Readlink(const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, Last::kNoFollow));
  if (!S_ISLNK(node.attributes.mode)) return Errno(EINVAL);
  return client_.Readlink(node.id);
}

ErrnoOr<std::vector<DirectoryItem>> SharedTree::Readdir(const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, Last::kFollow));
  if (!S_ISDIR(node.attributes.mode)) return Errno(ENOTDIR);
  POSTERN_ASSIGN_OR_RETURN(const fuse_open_out opened, client_.Opendir(node.id, O_DIRECTORY));
  const vmm::FuseHandle handle = vmm::HandleOf(opened);
  const bool plus = Enabled(FUSE_DO_READDIRPLUS);
  std::vector<DirectoryItem> items;
  uint64_t offset = 0;
  while (true) {
    const auto entries = plus ? client_.Readdirplus(node.id, handle, offset)
                              : client_.Readdir(node.id, handle, offset);
    if (!entries.ok()) return entries.error();
    if (entries->empty()) break;
    for (const vmm::DirectoryEntry& entry : *entries) {
      if (plus) walk_.Counted(entry.entry);
      items.push_back({entry.name, static_cast<uint8_t>(entry.type)});
      offset = entry.next_offset;
    }
  }
  POSTERN_RETURN_IF_ERROR(client_.Releasedir(node.id, handle));
  return items;
}

ErrnoOr<struct stat> SharedTree::Stat(const std::string& path, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  // LOOKUP has brought them, but GETATTR is another way to the same.
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr attributes, client_.Getattr(node.id));
  return ToStat(attributes);
}

ErrnoOrVoid SharedTree::Chmod(const std::string& path, mode_t mode) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, Last::kFollow));
  return SetMode(node.id, mode);
}

ErrnoOrVoid SharedTree::Chown(const std::string& path, uid_t uid, gid_t gid, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  return SetOwner(node.id, uid, gid);
}

ErrnoOrVoid SharedTree::Truncate(const std::string& path, off_t size) {
  if (size < 0) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, Last::kFollow));
  if (S_ISDIR(node.attributes.mode)) return Errno(EISDIR);
  if (!S_ISREG(node.attributes.mode)) return Errno(EINVAL);
  return SetSize(node.id, size, std::nullopt);
}

ErrnoOrVoid SharedTree::Utimens(const std::string& path, const TimePair& times, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  return SetTimes(node.id, times);
}

ErrnoOrVoid SharedTree::Access(const std::string& path, int mask) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, Last::kFollow));
  return client_.Access(node.id, static_cast<uint32_t>(mask));
}

ErrnoOr<struct statvfs> SharedTree::Statvfs(const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, Last::kFollow));
  POSTERN_ASSIGN_OR_RETURN(const fuse_kstatfs values, client_.Statfs(node.id));
  return ToStatvfs(values);
}

ErrnoOrVoid SharedTree::Setxattr(const std::string& path, const std::string& name,
                                 const std::string& value, int flags, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  return WithoutEnosys(
      client_.Setxattr(node.id, name, value, {.flags = static_cast<uint32_t>(flags)}), EOPNOTSUPP);
}

ErrnoOr<std::string> SharedTree::Getxattr(const std::string& path, const std::string& name,
                                          size_t size, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  if (size == 0) {
    const auto room = client_.GetxattrSize(node.id, name);
    if (room.ok()) return std::to_string(*room);
    return Errno(room.error() == Errno(ENOSYS) ? EOPNOTSUPP : room.errno_value());
  }
  auto value = client_.Getxattr(node.id, name, size);
  if (!value.ok() && value.error() == Errno(ENOSYS)) return Errno(EOPNOTSUPP);
  return value;
}

ErrnoOr<std::string> SharedTree::Listxattr(const std::string& path, size_t size, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  if (size == 0) {
    POSTERN_ASSIGN_OR_RETURN(const uint32_t room, client_.ListxattrSize(node.id));
    return std::to_string(room);
  }
  return client_.Listxattr(node.id, size);
}

ErrnoOrVoid SharedTree::Removexattr(const std::string& path, const std::string& name, Last last) {
  POSTERN_ASSIGN_OR_RETURN(const Node node, walk_.Find(path, last));
  return WithoutEnosys(client_.Removexattr(node.id, name), EOPNOTSUPP);
}

ErrnoOr<SharedTree::Cleared> SharedTree::ModeWithoutSetId(NodeId node) {
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr attributes, client_.Getattr(node));
  uint32_t mode = attributes.mode & ~uint32_t{S_ISUID};
  if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) mode &= ~uint32_t{S_ISGID};
  return Cleared{mode, mode != attributes.mode};
}

ErrnoOrVoid SharedTree::SetSize(NodeId node, off_t size, std::optional<vmm::FuseHandle> handle) {
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  in.size = static_cast<uint64_t>(size);
  if (handle.has_value()) {
    in.valid |= FATTR_FH;
    in.fh = handle->value();
  }
  if (KillsSetId() && Enabled(FUSE_HANDLE_KILLPRIV_V2)) {
    in.valid |= FATTR_KILL_SUIDGID;
  } else if (KillsSetId()) {
    POSTERN_ASSIGN_OR_RETURN(const Cleared cleared, ModeWithoutSetId(node));
    if (cleared.any) {
      in.valid |= FATTR_MODE;
      in.mode = cleared.mode;
    }
  }
  const auto done = client_.Setattr(node, in);
  if (!done.ok()) return done.error();
  return {};
}

ErrnoOrVoid SharedTree::SetTimes(NodeId node, const TimePair& times) {
  fuse_setattr_in in{};
  if (times[0].tv_nsec != UTIME_OMIT) {
    in.valid |= FATTR_ATIME | (times[0].tv_nsec == UTIME_NOW ? FATTR_ATIME_NOW : 0);
    in.atime = static_cast<uint64_t>(times[0].tv_sec);
    in.atimensec = static_cast<uint32_t>(times[0].tv_nsec);
  }
  if (times[1].tv_nsec != UTIME_OMIT) {
    in.valid |= FATTR_MTIME | (times[1].tv_nsec == UTIME_NOW ? FATTR_MTIME_NOW : 0);
    in.mtime = static_cast<uint64_t>(times[1].tv_sec);
    in.mtimensec = static_cast<uint32_t>(times[1].tv_nsec);
  }
  if (in.valid == 0) return {};
  const auto done = client_.Setattr(node, in);
  if (!done.ok()) return done.error();
  return {};
}

ErrnoOrVoid SharedTree::SetOwner(NodeId node, uid_t uid, gid_t gid) {
  fuse_setattr_in in{};
  if (uid != static_cast<uid_t>(-1)) in.valid |= FATTR_UID;
  if (gid != static_cast<gid_t>(-1)) in.valid |= FATTR_GID;
  in.uid = uid;
  in.gid = gid;
  // chown(2) takes set-id bits from all but directories, whoever calls; without killpriv Linux's
  // client does that in the same request.
  if (!Enabled(FUSE_HANDLE_KILLPRIV_V2)) {
    POSTERN_ASSIGN_OR_RETURN(const Cleared cleared, ModeWithoutSetId(node));
    if (cleared.any && !S_ISDIR(cleared.mode)) {
      in.valid |= FATTR_MODE;
      in.mode = cleared.mode;
    }
  }
  const auto done = client_.Setattr(node, in);
  if (!done.ok()) return done.error();
  return {};
}

ErrnoOrVoid SharedTree::SetMode(NodeId node, mode_t mode) {
  fuse_setattr_in in{};
  in.valid = FATTR_MODE;
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr attributes, client_.Getattr(node));
  in.mode = (attributes.mode & S_IFMT) | (mode & 07777);
  const auto done = client_.Setattr(node, in);
  if (!done.ok()) return done.error();
  return {};
}

}  // namespace postern::conformance
