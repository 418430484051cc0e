// A directory tree, whatever serves it: what a check does its operations on.
#ifndef POSTERN_TESTS_CONFORMANCE_TREE_H_
#define POSTERN_TESTS_CONFORMANCE_TREE_H_

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "common/errno_or.h"
#include "common/ids.h"

namespace postern::conformance {

// On whose behalf operations are done. The ids are the effective ones.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};  // Supplementary.
  mode_t umask = 022;
};

// An open file of a tree; its own numbering, never a descriptor's.
using FileId = StrongId<struct FileIdTag, uint32_t>;

// Follow a symlink in the last component, as the operation without an l in its name would?
enum class Last { kFollow, kNoFollow };

struct DirectoryItem {
  std::string name;
  uint8_t type = 0;  // DT_*
};

using TimePair = std::array<timespec, 2>;  // Access, modification; UTIME_NOW and UTIME_OMIT too.

// POSIX operations below one directory. Paths are relative to it. An error is what the operation
// would put into errno. Belongs to one thread.
class Tree {
 public:
  virtual ~Tree() = default;

  // From now on. Starts as root with umask 022.
  virtual void SetCaller(const Caller& caller) = 0;
  // Ends a check: closes what is open, and is root again.
  virtual void Settle() = 0;

  // ---- names ----
  virtual ErrnoOrVoid Mkdir(const std::string& path, mode_t mode) = 0;
  virtual ErrnoOrVoid Mknod(const std::string& path, mode_t mode, dev_t device) = 0;
  virtual ErrnoOrVoid Symlink(const std::string& target, const std::string& path) = 0;
  virtual ErrnoOrVoid Link(const std::string& from, const std::string& to) = 0;
  virtual ErrnoOrVoid Unlink(const std::string& path) = 0;
  virtual ErrnoOrVoid Rmdir(const std::string& path) = 0;
  virtual ErrnoOrVoid Rename(const std::string& from, const std::string& to, uint32_t flags) = 0;
  virtual ErrnoOr<std::string> Readlink(const std::string& path) = 0;
  virtual ErrnoOr<std::vector<DirectoryItem>> Readdir(const std::string& path) = 0;

  // ---- attributes ----
  virtual ErrnoOr<struct stat> Stat(const std::string& path, Last last) = 0;
  virtual ErrnoOrVoid Chmod(const std::string& path, mode_t mode) = 0;
  // (uid_t)-1 and (gid_t)-1 change nothing.
  virtual ErrnoOrVoid Chown(const std::string& path, uid_t uid, gid_t gid, Last last) = 0;
  virtual ErrnoOrVoid Truncate(const std::string& path, off_t size) = 0;
  virtual ErrnoOrVoid Utimens(const std::string& path, const TimePair& times, Last last) = 0;
  virtual ErrnoOrVoid Access(const std::string& path, int mask) = 0;
  virtual ErrnoOr<struct statvfs> Statvfs(const std::string& path) = 0;

  // ---- extended attributes ----
  virtual ErrnoOrVoid Setxattr(const std::string& path, const std::string& name,
                               const std::string& value, int flags, Last last) = 0;
  // Into room for `size` bytes; 0 asks for the size, which comes as its decimal digits.
  virtual ErrnoOr<std::string> Getxattr(const std::string& path, const std::string& name,
                                        size_t size, Last last) = 0;
  // Names with their NULs; 0 as above.
  virtual ErrnoOr<std::string> Listxattr(const std::string& path, size_t size, Last last) = 0;
  virtual ErrnoOrVoid Removexattr(const std::string& path, const std::string& name, Last last) = 0;

  // ---- open files ----
  virtual ErrnoOr<FileId> Open(const std::string& path, int flags, mode_t mode) = 0;
  // A file without a name on the filesystem of the directory `path`.
  virtual ErrnoOr<FileId> Tmpfile(const std::string& path, int flags, mode_t mode) = 0;
  virtual ErrnoOrVoid LinkFile(FileId file, const std::string& path) = 0;
  virtual ErrnoOrVoid Close(FileId file) = 0;
  virtual ErrnoOr<std::string> Read(FileId file, off_t offset, size_t count) = 0;
  // At the file's end if it was opened with O_APPEND, as pwrite(2) does on Linux.
  virtual ErrnoOr<size_t> Write(FileId file, off_t offset, const std::string& data) = 0;
  virtual ErrnoOr<struct stat> Fstat(FileId file) = 0;
  virtual ErrnoOrVoid Fchmod(FileId file, mode_t mode) = 0;
  virtual ErrnoOrVoid Fchown(FileId file, uid_t uid, gid_t gid) = 0;
  virtual ErrnoOrVoid Ftruncate(FileId file, off_t size) = 0;
  virtual ErrnoOrVoid Futimens(FileId file, const TimePair& times) = 0;
  virtual ErrnoOrVoid Fallocate(FileId file, int mode, off_t offset, off_t length) = 0;
  // SEEK_DATA and SEEK_HOLE.
  virtual ErrnoOr<off_t> Seek(FileId file, off_t offset, int whence) = 0;
  virtual ErrnoOr<size_t> Copy(FileId from, off_t from_offset, FileId to, off_t to_offset,
                               size_t length) = 0;
  virtual ErrnoOrVoid Fsync(FileId file, bool data_only) = 0;
};

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_TREE_H_
