#include "tests/conformance/local_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace postern::conformance {
namespace {

// Linux 5.8; glibc 2.36 emulates it on kernels that are older.
constexpr int kAtEaccess = 0x200;

void Must(long result, const char* step) {
  if (result == 0) return;
  std::perror(step);
  std::abort();  // Going on as the wrong user would make every later result wrong.
}

// The calling thread is `caller` while it lives. Raw system calls: glibc's change all threads.
class Identity {
 public:
  explicit Identity(const Caller& caller) : switched_(caller.uid != 0 || caller.gid != 0) {
    if (!switched_) return;
    Must(syscall(SYS_setgroups, caller.groups.size(), caller.groups.data()), "setgroups");
    Must(syscall(SYS_setresgid, -1, caller.gid, -1), "setresgid");
    Must(syscall(SYS_setresuid, -1, caller.uid, -1), "setresuid");
  }
  ~Identity() {
    if (!switched_) return;
    const int error = errno;
    Must(syscall(SYS_setresuid, -1, 0, -1), "setresuid");
    Must(syscall(SYS_setresgid, -1, 0, -1), "setresgid");
    Must(syscall(SYS_setgroups, 0, nullptr), "setgroups");
    errno = error;
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

 private:
  const bool switched_;
};

// Runs `call` as `caller`; its result, or errno.
template <typename Call>
ErrnoOr<std::invoke_result_t<Call>> As(const Caller& caller, Call&& call) {
  const Identity identity(caller);
  return FromSyscall(call());
}
template <typename Call>
ErrnoOrVoid DoAs(const Caller& caller, Call&& call) {
  const Identity identity(caller);
  return CheckSyscall(call());
}

int Flag(Last last) { return last == Last::kFollow ? 0 : AT_SYMLINK_NOFOLLOW; }

std::string Sized(ssize_t count, const std::string& room) {
  if (room.empty()) return std::to_string(count);
  return room.substr(0, static_cast<size_t>(count));
}

}  // namespace

ErrnoOr<std::unique_ptr<LocalTree>> LocalTree::Open(const std::string& directory) {
  UniqueFd root(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return Errno::Last();
  std::unique_ptr<LocalTree> tree(new LocalTree(directory, std::move(root)));
  tree->Settle();
  return tree;
}

void LocalTree::SetCaller(const Caller& caller) {
  caller_ = caller;
  umask(caller.umask);
}

void LocalTree::Settle() {
  files_.clear();
  SetCaller({});
}

int LocalTree::Descriptor(FileId file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? -1 : found->second.get();
}

FileId LocalTree::Keep(UniqueFd file) {
  const FileId id(++last_file_);
  files_.emplace(id, std::move(file));
  return id;
}

ErrnoOrVoid LocalTree::Mkdir(const std::string& path, mode_t mode) {
  return DoAs(caller_, [&] { return mkdirat(at(), path.c_str(), mode); });
}

ErrnoOrVoid LocalTree::Mknod(const std::string& path, mode_t mode, dev_t device) {
  return DoAs(caller_, [&] { return mknodat(at(), path.c_str(), mode, device); });
}

ErrnoOrVoid LocalTree::Symlink(const std::string& target, const std::string& path) {
  return DoAs(caller_, [&] { return symlinkat(target.c_str(), at(), path.c_str()); });
}

ErrnoOrVoid LocalTree::Link(const std::string& from, const std::string& to) {
  return DoAs(caller_, [&] { return linkat(at(), from.c_str(), at(), to.c_str(), 0); });
}

ErrnoOrVoid LocalTree::Unlink(const std::string& path) {
  return DoAs(caller_, [&] { return unlinkat(at(), path.c_str(), 0); });
}

ErrnoOrVoid LocalTree::Rmdir(const std::string& path) {
  return DoAs(caller_, [&] { return unlinkat(at(), path.c_str(), AT_REMOVEDIR); });
}

ErrnoOrVoid LocalTree::Rename(const std::string& from, const std::string& to, uint32_t flags) {
  return DoAs(caller_, [&] { return renameat2(at(), from.c_str(), at(), to.c_str(), flags); });
}

ErrnoOr<std::string> LocalTree::Readlink(const std::string& path) {
  std::string target(8192, '\0');
  POSTERN_ASSIGN_OR_RETURN(const ssize_t count, As(caller_, [&] {
                             return readlinkat(at(), path.c_str(), target.data(), target.size());
                           }));
  target.resize(static_cast<size_t>(count));
  return target;
}

ErrnoOr<std::vector<DirectoryItem>> LocalTree::Readdir(const std::string& path) {
  POSTERN_ASSIGN_OR_RETURN(const int fd, As(caller_, [&] {
                             return openat(at(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                           }));
  DIR* stream = fdopendir(fd);
  if (stream == nullptr) return Errno::Last();
  std::vector<DirectoryItem> items;
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    items.push_back({entry->d_name, entry->d_type});
    errno = 0;
  }
  const int error = errno;
  closedir(stream);
  if (error != 0) return Errno(error);
  return items;
}

ErrnoOr<struct stat> LocalTree::Stat(const std::string& path, Last last) {
  struct stat result {};
  POSTERN_RETURN_IF_ERROR(
      DoAs(caller_, [&] { return fstatat(at(), path.c_str(), &result, Flag(last)); }));
  return result;
}

ErrnoOrVoid LocalTree::Chmod(const std::string& path, mode_t mode) {
  return DoAs(caller_, [&] { return fchmodat(at(), path.c_str(), mode, 0); });
}

ErrnoOrVoid LocalTree::Chown(const std::string& path, uid_t uid, gid_t gid, Last last) {
  return DoAs(caller_, [&] { return fchownat(at(), path.c_str(), uid, gid, Flag(last)); });
}

ErrnoOrVoid LocalTree::Truncate(const std::string& path, off_t size) {
  return DoAs(caller_, [&] { return truncate(Full(path).c_str(), size); });
}

ErrnoOrVoid LocalTree::Utimens(const std::string& path, const TimePair& times, Last last) {
  return DoAs(caller_, [&] { return utimensat(at(), path.c_str(), times.data(), Flag(last)); });
}

ErrnoOrVoid LocalTree::Access(const std::string& path, int mask) {
  // The kernel's own flag: glibc would work the answer out from a stat.
  return DoAs(caller_, [&] {
    return static_cast<int>(syscall(SYS_faccessat2, at(), path.c_str(), mask, kAtEaccess));
  });
}

ErrnoOr<struct statvfs> LocalTree::Statvfs(const std::string& path) {
  struct statvfs result {};
  POSTERN_RETURN_IF_ERROR(DoAs(caller_, [&] { return statvfs(Full(path).c_str(), &result); }));
  return result;
}

ErrnoOrVoid LocalTree::Setxattr(const std::string& path, const std::string& name,
                                const std::string& value, int flags, Last last) {
  const auto call = last == Last::kFollow ? &setxattr : &lsetxattr;
  return DoAs(caller_, [&] {
    return call(Full(path).c_str(), name.c_str(), value.data(), value.size(), flags);
  });
}

ErrnoOr<std::string> LocalTree::Getxattr(const std::string& path, const std::string& name,
                                         size_t size, Last last) {
  const auto call = last == Last::kFollow ? &getxattr : &lgetxattr;
  std::string room(size, '\0');
  POSTERN_ASSIGN_OR_RETURN(const ssize_t count, As(caller_, [&] {
                             return call(Full(path).c_str(), name.c_str(), room.data(), size);
                           }));
  return Sized(count, room);
}

ErrnoOr<std::string> LocalTree::Listxattr(const std::string& path, size_t size, Last last) {
  const auto call = last == Last::kFollow ? &listxattr : &llistxattr;
  std::string room(size, '\0');
  POSTERN_ASSIGN_OR_RETURN(const ssize_t count, As(caller_, [&] {
                             return call(Full(path).c_str(), room.data(), size);
                           }));
  return Sized(count, room);
}

ErrnoOrVoid LocalTree::Removexattr(const std::string& path, const std::string& name, Last last) {
  const auto call = last == Last::kFollow ? &removexattr : &lremovexattr;
  return DoAs(caller_, [&] { return call(Full(path).c_str(), name.c_str()); });
}

ErrnoOr<FileId> LocalTree::Open(const std::string& path, int flags, mode_t mode) {
  POSTERN_ASSIGN_OR_RETURN(const int fd, As(caller_, [&] {
                             return openat(at(), path.c_str(), flags | O_CLOEXEC, mode);
                           }));
  return Keep(UniqueFd(fd));
}

ErrnoOr<FileId> LocalTree::Tmpfile(const std::string& path, int flags, mode_t mode) {
  return Open(path, flags | O_TMPFILE, mode);
}

ErrnoOrVoid LocalTree::LinkFile(FileId file, const std::string& path) {
  // AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH.
  const std::string magic = "/proc/self/fd/" + std::to_string(Descriptor(file));
  return DoAs(caller_, [&] {
    return linkat(AT_FDCWD, magic.c_str(), at(), path.c_str(), AT_SYMLINK_FOLLOW);
  });
}

ErrnoOrVoid LocalTree::Close(FileId file) {
  const auto found = files_.find(file);
  if (found == files_.end()) return Errno(EBADF);
  const int fd = found->second.Release();
  files_.erase(found);
  return CheckSyscall(close(fd));
}

ErrnoOr<std::string> LocalTree::Read(FileId file, off_t offset, size_t count) {
  std::string data(count, '\0');
  size_t done = 0;
  do {
    POSTERN_ASSIGN_OR_RETURN(const ssize_t now, As(caller_, [&] {
                               return pread(Descriptor(file), data.data() + done, count - done,
                                            offset + static_cast<off_t>(done));
                             }));
    if (now == 0) break;
    done += static_cast<size_t>(now);
  } while (done < count);
  data.resize(done);
  return data;
}

ErrnoOr<size_t> LocalTree::Write(FileId file, off_t offset, const std::string& data) {
  size_t done = 0;
  do {
    POSTERN_ASSIGN_OR_RETURN(const ssize_t now, As(caller_, [&] {
                               return pwrite(Descriptor(file), data.data() + done,
                                             data.size() - done, offset + static_cast<off_t>(done));
                             }));
    done += static_cast<size_t>(now);
  } while (done < data.size());
  return done;
}

ErrnoOr<struct stat> LocalTree::Fstat(FileId file) {
  struct stat result {};
  POSTERN_RETURN_IF_ERROR(DoAs(caller_, [&] { return fstat(Descriptor(file), &result); }));
  return result;
}

ErrnoOrVoid LocalTree::Fchmod(FileId file, mode_t mode) {
  return DoAs(caller_, [&] { return fchmod(Descriptor(file), mode); });
}

ErrnoOrVoid LocalTree::Fchown(FileId file, uid_t uid, gid_t gid) {
  return DoAs(caller_, [&] { return fchown(Descriptor(file), uid, gid); });
}

ErrnoOrVoid LocalTree::Ftruncate(FileId file, off_t size) {
  return DoAs(caller_, [&] { return ftruncate(Descriptor(file), size); });
}

ErrnoOrVoid LocalTree::Futimens(FileId file, const TimePair& times) {
  return DoAs(caller_, [&] { return futimens(Descriptor(file), times.data()); });
}

ErrnoOrVoid LocalTree::Fallocate(FileId file, int mode, off_t offset, off_t length) {
  return DoAs(caller_, [&] { return fallocate(Descriptor(file), mode, offset, length); });
}

ErrnoOr<off_t> LocalTree::Seek(FileId file, off_t offset, int whence) {
  return As(caller_, [&] { return lseek(Descriptor(file), offset, whence); });
}

ErrnoOr<size_t> LocalTree::Copy(FileId from, off_t from_offset, FileId to, off_t to_offset,
                                size_t length) {
  POSTERN_ASSIGN_OR_RETURN(const ssize_t count, As(caller_, [&] {
                             return copy_file_range(Descriptor(from), &from_offset, Descriptor(to),
                                                    &to_offset, length, 0);
                           }));
  return static_cast<size_t>(count);
}

ErrnoOrVoid LocalTree::Fsync(FileId file, bool data_only) {
  return DoAs(caller_,
              [&] { return data_only ? fdatasync(Descriptor(file)) : fsync(Descriptor(file)); });
}

}  // namespace postern::conformance
