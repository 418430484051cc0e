// A tree that the kernel serves: system calls below a directory.
#ifndef POSTERN_TESTS_CONFORMANCE_LOCAL_TREE_H_
#define POSTERN_TESTS_CONFORMANCE_LOCAL_TREE_H_

#include <map>
#include <memory>

#include "common/unique_fd.h"
#include "tests/conformance/tree.h"

namespace postern::conformance {

// Needs root, to be able to become others. The umask is the process's: one tree works at a time.
class LocalTree : public Tree {
 public:
  static ErrnoOr<std::unique_ptr<LocalTree>> Open(const std::string& directory);
  ~LocalTree() override { LocalTree::Settle(); }

  void SetCaller(const Caller& caller) override;
  void Settle() override;

  ErrnoOrVoid Mkdir(const std::string& path, mode_t mode) override;
  ErrnoOrVoid Mknod(const std::string& path, mode_t mode, dev_t device) override;
  ErrnoOrVoid Symlink(const std::string& target, const std::string& path) override;
  ErrnoOrVoid Link(const std::string& from, const std::string& to) override;
  ErrnoOrVoid Unlink(const std::string& path) override;
  ErrnoOrVoid Rmdir(const std::string& path) override;
  ErrnoOrVoid Rename(const std::string& from, const std::string& to, uint32_t flags) override;
  ErrnoOr<std::string> Readlink(const std::string& path) override;
  ErrnoOr<std::vector<DirectoryItem>> Readdir(const std::string& path) override;

  ErrnoOr<struct stat> Stat(const std::string& path, Last last) override;
  ErrnoOrVoid Chmod(const std::string& path, mode_t mode) override;
  ErrnoOrVoid Chown(const std::string& path, uid_t uid, gid_t gid, Last last) override;
  ErrnoOrVoid Truncate(const std::string& path, off_t size) override;
  ErrnoOrVoid Utimens(const std::string& path, const TimePair& times, Last last) override;
  ErrnoOrVoid Access(const std::string& path, int mask) override;
  ErrnoOr<struct statvfs> Statvfs(const std::string& path) override;

  ErrnoOrVoid Setxattr(const std::string& path, const std::string& name, const std::string& value,
                       int flags, Last last) override;
  ErrnoOr<std::string> Getxattr(const std::string& path, const std::string& name, size_t size,
                                Last last) override;
  ErrnoOr<std::string> Listxattr(const std::string& path, size_t size, Last last) override;
  ErrnoOrVoid Removexattr(const std::string& path, const std::string& name, Last last) override;

  ErrnoOr<FileId> Open(const std::string& path, int flags, mode_t mode) override;
  ErrnoOr<FileId> Tmpfile(const std::string& path, int flags, mode_t mode) override;
  ErrnoOrVoid LinkFile(FileId file, const std::string& path) override;
  ErrnoOrVoid Close(FileId file) override;
  ErrnoOr<std::string> Read(FileId file, off_t offset, size_t count) override;
  ErrnoOr<size_t> Write(FileId file, off_t offset, const std::string& data) override;
  ErrnoOr<struct stat> Fstat(FileId file) override;
  ErrnoOrVoid Fchmod(FileId file, mode_t mode) override;
  ErrnoOrVoid Fchown(FileId file, uid_t uid, gid_t gid) override;
  ErrnoOrVoid Ftruncate(FileId file, off_t size) override;
  ErrnoOrVoid Futimens(FileId file, const TimePair& times) override;
  ErrnoOrVoid Fallocate(FileId file, int mode, off_t offset, off_t length) override;
  ErrnoOr<off_t> Seek(FileId file, off_t offset, int whence) override;
  ErrnoOr<size_t> Copy(FileId from, off_t from_offset, FileId to, off_t to_offset,
                       size_t length) override;
  ErrnoOrVoid Fsync(FileId file, bool data_only) override;

 private:
  LocalTree(std::string directory, UniqueFd root)
      : directory_(std::move(directory)), root_(std::move(root)) {}
  int at() const { return root_.get(); }
  // For the calls that have no …at() form.
  std::string Full(const std::string& path) const { return directory_ + "/" + path; }
  // The descriptor, or -1, which makes the call fail with EBADF.
  int Descriptor(FileId file) const;
  FileId Keep(UniqueFd file);

  const std::string directory_;
  const UniqueFd root_;
  Caller caller_;
  std::map<FileId, UniqueFd> files_;
  uint32_t last_file_ = 0;
};

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_LOCAL_TREE_H_
