// What the operations work on.
#ifndef POSTERN_BROKER_OPERATIONS_FILESYSTEM_H_
#define POSTERN_BROKER_OPERATIONS_FILESYSTEM_H_

#include <absl/synchronization/mutex.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "broker/identity/credentials.h"
#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/directory_stream.h"
#include "broker/inodes/inode_table.h"
#include "broker/inodes/mount_table.h"
#include "broker/inodes/open_file_table.h"
#include "broker/inodes/reopen.h"
#include "broker/inodes/stall_table.h"
#include "broker/operations/broker_options.h"
#include "common/budget.h"
#include "common/errno_or.h"
#include "common/ids.h"
#include "common/unique_fd.h"

namespace postern {

// What a FUSE session begins with.
struct SessionOptions {
  uint64_t number = 0;                // The worker's: Request.session (rpc.proto).
  bool supplementary_groups = false;  // FUSE_CREATE_SUPP_GROUP
  bool posix_acl = false;             // FUSE_POSIX_ACL and FUSE_DONT_MASK
};

// The tables of one FUSE session, from INIT to its end. Operations in progress keep the session
// that they began in: when it ends it leaves the service at once, and its files are closed when
// the last of them is done.
struct Session {
  // The budgets are borrowed.
  Session(SessionOptions chosen, InodeParts root, InodeBudget* inode_budget,
          DescriptorBudget* descriptors)
      : options(chosen), inodes(std::move(root), inode_budget, descriptors) {}

  const SessionOptions options;
  InodeTable inodes;
  OpenFileTable open_files;
};

// What stays the same from session to session. Immutable once sessions start, but for the
// budgets and the tables of mounts and filesystems, which are thread-safe.
class Filesystem {
 public:
  // `root` is an O_PATH descriptor of the shared directory.
  Filesystem(UniqueFd root, ProcFd proc_fd, ProcessCredentials credentials, size_t descriptor_limit,
             FilesystemOptions options = {});

  // Makes inodes known by file handles instead of descriptors, from now on, and sets descriptors
  // aside for those that are in use. The error (EPERM:
  // CAP_DAC_READ_SEARCH is missing; EOPNOTSUPP: the filesystem has no handles) is that of the
  // root's, and has changed nothing. Call it before the first session.
  ErrnoOrVoid UseFileHandles(MountTable::Policy policy);

  // The threads of the service have one umask in common. Call it before the first session.
  void ShareUmask() { shared_umask_ = std::make_unique<absl::Mutex>(); }

  // A session of its own, with the root in its tables. Must not outlive the filesystem.
  ErrnoOr<std::shared_ptr<Session>> StartSession(SessionOptions options);

  const ProcFd& proc_fd() const { return proc_fd_; }
  const ProcessCredentials& credentials() const { return credentials_; }
  const FilesystemOptions& options() const { return options_; }
  const IdMap& ids() const { return options_.ids; }
  DescriptorBudget& budget() { return budget_; }
  InodeBudget& inode_budget() { return inode_budget_; }
  StallTable& stalls() { return stalls_; }
  Budget& directory_stream_budget() { return directory_stream_budget_; }
  // Null if inodes hold descriptors.
  MountTable* mounts() { return mounts_.get(); }
  // Who makes an object holds it meanwhile: see RequestUmask. Null if each thread has a umask of
  // its own, or none ever changes it.
  absl::Mutex* shared_umask() { return options_.posix_acl ? shared_umask_.get() : nullptr; }

 private:
  // The leftovers of some 500 directories that are read at one time.
  static constexpr size_t kDirectoryStreamBytes = size_t{16} << 20;

  const UniqueFd root_;
  const ProcFd proc_fd_;
  const ProcessCredentials credentials_;
  const FilesystemOptions options_;
  DescriptorBudget budget_;
  InodeBudget inode_budget_;
  StallTable stalls_;
  Budget directory_stream_budget_{kDirectoryStreamBytes};
  std::unique_ptr<MountTable> mounts_;
  MountRef root_mount_;
  std::unique_ptr<absl::Mutex> shared_umask_;
};

// Room that a thread of the service lends to each of its operations.
struct OperationScratch {
  static constexpr size_t kDirectoryBytes = 32 * 1024;
  // Aligned for getdents64(2)'s records.
  alignas(8) std::array<std::byte, kDirectoryBytes> directory_entries;
  // The longest extended attribute, and the longest write. Aligned for direct I/O.
  static constexpr size_t kBulkBytes = 64 * 1024;
  alignas(4096) std::array<std::byte, kBulkBytes> bulk;
  // What LookUp() has met of late.
  struct {
    uint32_t new_in_a_row = 0;  // Names whose file wasn't known.
    uint32_t uncached = 0;      // Names whose file was known, and not in the cache.
  } lookups;
};

// One operation's surroundings.
struct OperationContext {
  Filesystem& filesystem;
  Session& session;
  OperationScratch& scratch;
  // Set by an operation whose reply carries a descriptor.
  OpenFileRef reply_file = nullptr;
  // To be called by an operation before it does what may wait for a server, if it finds that out by
  // itself: see kMayBeSlow (operation_table.h). Null: nobody waits for anything.
  const std::function<void()>* before_slow = nullptr;
};

// An inode that can't go away while this lives, and a descriptor to reach it by.
struct PinnedInode {
  InodeRef inode;
  InodeDescriptor descriptor;
  int fd() const { return descriptor.get(); }
};

// A descriptor of the inode: its own, the one in the cache, that of a file that the guest has open,
// or else an O_PATH one that is opened by the handle, and goes to the cache. Holds no longer than
// `inode`. What it is open on has the inode's type. ESTALE: the file is gone.
ErrnoOr<InodeDescriptor> OpenPath(OperationContext& context, const Inode& inode);

// EBADF for an id that isn't in the session's table; ESTALE as above.
ErrnoOr<PinnedInode> Pin(OperationContext& context, NodeId id);
// The same, and the inode's attributes; `more` as for StatDescriptor().
ErrnoOr<PinnedInode> PinAndStat(OperationContext& context, NodeId id, struct statx& status,
                                unsigned more = 0);

// Opens the inode with `flags`, close-on-exec. EBADF if it is neither a regular file nor a
// directory: a device, fifo or socket of the share belongs to the guest, and opening it here would
// reach the host's driver or block.
ErrnoOr<UniqueFd> Reopen(OperationContext& context, const PinnedInode& inode, int flags);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_FILESYSTEM_H_
