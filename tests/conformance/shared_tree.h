// A tree that a daemon serves over FUSE, used as Linux's client uses it.
#ifndef POSTERN_TESTS_CONFORMANCE_SHARED_TREE_H_
#define POSTERN_TESTS_CONFORMANCE_SHARED_TREE_H_

#include <map>
#include <string>

#include "tests/conformance/node_walk.h"
#include "tests/conformance/tree.h"
#include "tests/vmm/fuse_client.h"

namespace postern::conformance {

// What Linux's client does itself is done here where it is simple: paths, the umask, O_APPEND, the
// clearing of set-id bits, ENOSYS as its callers see it. Permissions are not: a check that needs
// one refused is for trees with a kernel. What a server can refuse is asked from it, even where
// Linux would already know: its answer is what is tested.
class SharedTree : public Tree {
 public:
  // INIT is done on `client`, which must outlive it.
  explicit SharedTree(vmm::FuseClient& client);
  ~SharedTree() override { SharedTree::Settle(); }

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
  struct OpenNode {
    NodeId node;
    vmm::FuseHandle handle;
    int flags = 0;
    bool directory = false;
  };

  bool Enabled(uint64_t flag) const { return (client_.enabled() & flag) != 0; }
  // For a creation in `directory`: has the group go along that Linux adds, and returns the mode
  // that Linux sends for `mode`.
  ErrnoOr<mode_t> PrepareCreation(NodeId directory, mode_t mode);
  ErrnoOr<OpenNode> FileOf(FileId file) const;
  FileId Keep(const OpenNode& open);
  ErrnoOr<FileId> OpenExisting(const Node& node, int flags);
  // Whether the caller's writing takes set-id bits away.
  bool KillsSetId() const { return caller_.uid != 0; }
  struct Cleared {
    uint32_t mode;  // Without them.
    bool any;       // Whether there were any.
  };
  ErrnoOr<Cleared> ModeWithoutSetId(NodeId node);
  ErrnoOrVoid SetSize(NodeId node, off_t size, std::optional<vmm::FuseHandle> handle);
  ErrnoOrVoid SetTimes(NodeId node, const TimePair& times);
  ErrnoOrVoid SetOwner(NodeId node, uid_t uid, gid_t gid);
  ErrnoOrVoid SetMode(NodeId node, mode_t mode);

  vmm::FuseClient& client_;
  NodeWalk walk_;
  Caller caller_;
  std::map<FileId, OpenNode> files_;
  uint32_t last_file_ = 0;
};

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_SHARED_TREE_H_
