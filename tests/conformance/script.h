// What a check does, and what came of it, line by line.
#ifndef POSTERN_TESTS_CONFORMANCE_SCRIPT_H_
#define POSTERN_TESTS_CONFORMANCE_SCRIPT_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/conformance/script_text.h"
#include "tests/conformance/tree.h"

namespace postern::conformance {

// Does operations on a tree, inside the check's own directory, and notes each with its result:
// "rename a b: EEXIST". Nothing that differs between two equal trees gets into a line: no inode
// number, no time of day. Operations on files take the number that Open() was the how-manieth of,
// from 0; one that failed to open gives EBADF.
class Script {
 public:
  // `directory` exists below the tree's root.
  Script(Tree& tree, std::string directory) : tree_(tree), directory_(std::move(directory)) {}

  const std::vector<std::string>& lines() const { return lines_; }

  void As(const Caller& caller);  // From here on.

  void Mkdir(const std::string& path, mode_t mode = 0755);
  void Mknod(const std::string& path, mode_t mode, dev_t device = 0);
  void Symlink(const std::string& target, const std::string& path);
  void Link(const std::string& from, const std::string& to);
  void Unlink(const std::string& path);
  void Rmdir(const std::string& path);
  void Rename(const std::string& from, const std::string& to, uint32_t flags = 0);
  void Readlink(const std::string& path);
  void List(const std::string& path);  // Names and types, sorted.

  void Stat(const std::string& path);   // Follows.
  void Lstat(const std::string& path);  // Type, mode, links, owner, size, device number.
  void Chmod(const std::string& path, mode_t mode);
  void Chown(const std::string& path, uid_t uid, gid_t gid);
  void Lchown(const std::string& path, uid_t uid, gid_t gid);
  void Truncate(const std::string& path, off_t size);
  void Utimens(const std::string& path, const TimePair& times, Last last = Last::kFollow);
  void Access(const std::string& path, int mask);
  void Statvfs(const std::string& path);
  void SameFile(const std::string& one, const std::string& other);  // Same inode number?

  // ---- times: which of them an operation moves ----
  void SetOldTimes(const std::string& path);  // To a moment of 2001; notes how the rest stands.
  // Which of atime, mtime and ctime have changed since SetOldTimes().
  void ChangedTimes(const std::string& path);
  // As they are: for times that a check has set.
  void Times(const std::string& path, Last last = Last::kNoFollow);

  void Setxattr(const std::string& path, const std::string& name, const std::string& value,
                int flags = 0, Last last = Last::kFollow);
  void Getxattr(const std::string& path, const std::string& name, size_t size = 65536,
                Last last = Last::kFollow);
  void Listxattr(const std::string& path, size_t size = 65536, Last last = Last::kFollow);
  void Removexattr(const std::string& path, const std::string& name, Last last = Last::kFollow);

  void Open(const std::string& path, int flags, mode_t mode = 0644);
  void Tmpfile(const std::string& path, int flags, mode_t mode = 0600);
  void LinkFile(size_t file, const std::string& path);
  void Close(size_t file);
  void Read(size_t file, off_t offset, size_t count);
  void Write(size_t file, off_t offset, const std::string& data);
  void Fstat(size_t file);
  void Fchmod(size_t file, mode_t mode);
  void Fchown(size_t file, uid_t uid, gid_t gid);
  void Ftruncate(size_t file, off_t size);
  void Futimens(size_t file, const TimePair& times);
  void Fallocate(size_t file, int mode, off_t offset, off_t length);
  void Seek(size_t file, off_t offset, int whence);
  void Copy(size_t from, off_t from_offset, size_t to, off_t to_offset, size_t length);
  void Fsync(size_t file, bool data_only = false);

  // ---- several at once ----
  void MakeFile(const std::string& path, const std::string& content = "content",
                mode_t mode = 0644);
  void Content(const std::string& path);
  size_t opened() const { return files_.size(); }

 private:
  std::string Full(const std::string& path) const;
  FileId File(size_t file) const { return file < files_.size() ? files_[file] : FileId(0); }
  void Note(std::string operation, const std::string& result);
  void Note(std::string operation, const ErrnoOrVoid& result);
  template <typename T, typename Format>
  void Note(std::string operation, const ErrnoOr<T>& result, Format&& format);
  void NoteStat(std::string operation, const ErrnoOr<struct stat>& result);
  void KeepFile(std::string operation, const ErrnoOr<FileId>& result);

  Tree& tree_;
  const std::string directory_;
  std::vector<std::string> lines_;
  std::vector<FileId> files_;
  std::string who_;
  timespec reference_{};  // The ctime that SetOldTimes() left.
};

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_SCRIPT_H_
