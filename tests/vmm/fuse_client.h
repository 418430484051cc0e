// FUSE, one operation at a time: a call sends the request and returns with its reply.
#ifndef POSTERN_TESTS_VMM_FUSE_CLIENT_H_
#define POSTERN_TESTS_VMM_FUSE_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/errno_or.h"
#include "tests/vmm/fuse_directory.h"
#include "tests/vmm/fuse_protocol.h"
#include "tests/vmm/fuse_queue.h"
#include "tests/vmm/fuse_requests.h"
#include "tests/vmm/guest_memory.h"

namespace postern::vmm {

struct CreatedFile {
  fuse_entry_out entry;
  fuse_open_out opened;
};

inline NodeId NodeOf(const fuse_entry_out& entry) { return NodeId(entry.nodeid); }
inline FuseHandle HandleOf(const fuse_open_out& opened) { return FuseHandle(opened.fh); }

// Calls over one queue, with one caller's credentials. The results are the structures of
// linux/fuse.h. Errors are the server's, and EPROTO (the device broke a rule:
// FuseQueue::violation(), or a reply of the wrong size), ETIMEDOUT, ENOTCONN. Belongs to one thread
// at a time, as its queue does. Other requests in flight on the queue have their completions called
// while a call waits.
class FuseClient {
 public:
  // The largest transfer of the calls that take or return std::string.
  static constexpr size_t kBufferBytes = size_t{1} << 20;

  static ErrnoOr<std::unique_ptr<FuseClient>> Create(FuseQueue& queue);

  FuseQueue& queue() { return queue_; }
  void set_credentials(const Credentials& credentials) { credentials_ = credentials; }
  const Credentials& credentials() const { return credentials_; }
  void set_timeout(std::chrono::milliseconds limit) { timeout_ = limit; }
  // 1 MiB and a page, page-aligned; the calls with std::string use it too.
  GuestBuffer buffer() const { return buffer_; }

  // What the last Init() agreed on: FUSE_* bits, those of flags2 above bit 31.
  uint64_t enabled() const { return enabled_; }
  ErrnoOr<fuse_init_out> Init(const InitOptions& options = {});
  ErrnoOrVoid Destroy();

  ErrnoOr<fuse_entry_out> Lookup(NodeId parent, std::string_view name);
  ErrnoOrVoid Forget(NodeId node, uint64_t count);
  ErrnoOrVoid BatchForget(std::span<const fuse_forget_one> items);
  ErrnoOr<fuse_attr> Getattr(NodeId node, std::optional<FuseHandle> handle = std::nullopt);
  ErrnoOr<fuse_attr> Setattr(NodeId node, const fuse_setattr_in& arguments);
  ErrnoOr<std::string> Readlink(NodeId node);
  ErrnoOr<fuse_entry_out> Symlink(NodeId parent, std::string_view name, std::string_view target);
  ErrnoOr<fuse_entry_out> Mknod(NodeId parent, std::string_view name, uint32_t mode,
                                uint32_t rdev = 0, uint32_t umask = 0);
  ErrnoOr<fuse_entry_out> Mkdir(NodeId parent, std::string_view name, uint32_t mode = 0755,
                                uint32_t umask = 0);
  ErrnoOrVoid Unlink(NodeId parent, std::string_view name);
  ErrnoOrVoid Rmdir(NodeId parent, std::string_view name);
  ErrnoOrVoid Rename(NodeId parent, std::string_view name, NodeId new_parent,
                     std::string_view new_name);
  ErrnoOrVoid Rename2(NodeId parent, std::string_view name, NodeId new_parent,
                      std::string_view new_name, uint32_t flags);
  ErrnoOr<fuse_entry_out> Link(NodeId existing, NodeId new_parent, std::string_view new_name);
  ErrnoOrVoid Access(NodeId node, uint32_t mask);
  ErrnoOr<fuse_kstatfs> Statfs(NodeId node);
  ErrnoOrVoid Syncfs(NodeId node);

  // `open_flags` are FUSE_OPEN_*.
  ErrnoOr<fuse_open_out> Open(NodeId node, uint32_t flags, uint32_t open_flags = 0);
  ErrnoOr<CreatedFile> Create(NodeId parent, std::string_view name, uint32_t flags,
                              uint32_t mode = 0644, uint32_t umask = 0);
  // Bytes read into `to`.
  ErrnoOr<size_t> Read(NodeId node, FuseHandle handle, uint64_t offset, const GuestBuffer& to);
  ErrnoOr<std::string> ReadString(NodeId node, FuseHandle handle, uint64_t offset, size_t size);
  // Bytes written.
  ErrnoOr<size_t> Write(NodeId node, FuseHandle handle, uint64_t offset, const GuestBuffer& from,
                        const WriteFlags& flags = {});
  ErrnoOr<size_t> WriteString(NodeId node, FuseHandle handle, uint64_t offset,
                              std::string_view from, const WriteFlags& flags = {});
  ErrnoOrVoid Flush(NodeId node, FuseHandle handle);
  ErrnoOrVoid Fsync(NodeId node, FuseHandle handle, bool data_only = false);
  ErrnoOrVoid Release(NodeId node, FuseHandle handle);
  ErrnoOrVoid Fallocate(NodeId node, FuseHandle handle, uint64_t offset, uint64_t length,
                        uint32_t mode);
  ErrnoOr<uint64_t> Lseek(NodeId node, FuseHandle handle, uint64_t offset, uint32_t whence);
  ErrnoOr<size_t> CopyFileRange(NodeId from, FuseHandle from_handle, uint64_t from_offset,
                                NodeId to, FuseHandle to_handle, uint64_t to_offset,
                                uint64_t length);

  ErrnoOr<uint64_t> CopyFileRange64(NodeId from, FuseHandle from_handle, uint64_t from_offset,
                                    NodeId to, FuseHandle to_handle, uint64_t to_offset,
                                    uint64_t length);
  // `name` is what Linux sends for a file that has none.
  ErrnoOr<CreatedFile> Tmpfile(NodeId parent, uint32_t flags, uint32_t mode = 0600,
                               uint32_t umask = 0, std::string_view name = "/");
  // `flags` and `mask` as statx(2)'s.
  ErrnoOr<FuseStatx> Statx(NodeId node, uint32_t flags, uint32_t mask,
                           std::optional<FuseHandle> handle = std::nullopt);

  // The form of the request is what INIT agreed on unless `form` says otherwise.
  ErrnoOrVoid Setxattr(NodeId node, std::string_view name, std::string_view value,
                       const SetxattrOptions& options = {},
                       std::optional<SetxattrForm> form = std::nullopt);
  // The value, into room for `size` (> 0) bytes; ERANGE if that is too little.
  ErrnoOr<std::string> Getxattr(NodeId node, std::string_view name, size_t size = 65536);
  ErrnoOr<uint32_t> GetxattrSize(NodeId node, std::string_view name);
  // Names, each ended by a NUL.
  ErrnoOr<std::string> Listxattr(NodeId node, size_t size = 65536);
  ErrnoOr<uint32_t> ListxattrSize(NodeId node);
  ErrnoOrVoid Removexattr(NodeId node, std::string_view name);

  ErrnoOr<fuse_open_out> Opendir(NodeId node, uint32_t flags = 0);
  // One reply's worth of entries, after `offset`; none at the end. At most `size` bytes of them.
  ErrnoOr<std::vector<DirectoryEntry>> Readdir(NodeId node, FuseHandle handle, uint64_t offset,
                                               size_t size = 4096);
  ErrnoOr<std::vector<DirectoryEntry>> Readdirplus(NodeId node, FuseHandle handle, uint64_t offset,
                                                   size_t size = 4096);
  ErrnoOrVoid Releasedir(NodeId node, FuseHandle handle);
  ErrnoOrVoid Fsyncdir(NodeId node, FuseHandle handle, bool data_only = false);

  // A request of any opcode with any bytes after its header, and room for `reply_bytes` (at most 1
  // MiB) of answer. The header's len and credentials are right.
  ErrnoOr<std::string> Call(uint32_t opcode, NodeId node, std::span<const std::byte> arguments,
                            size_t reply_bytes);
  // Any bytes at all, header included. Returns what the device says it has written of
  // `reply_bytes`.
  ErrnoOr<std::string> CallRaw(std::span<const std::byte> request, size_t reply_bytes);

 private:
  struct Reply {
    size_t arguments = 0;
    size_t data = 0;
  };
  struct Pending;

  FuseClient(FuseQueue& queue, GuestBuffer buffer) : queue_(queue), buffer_(buffer) {}
  // Sends what `encode` makes of a request, waits, and copies the reply's arguments to `arguments`.
  template <typename Encode>
  ErrnoOr<Reply> RoundTrip(std::span<std::byte> arguments, Encode&& encode);
  template <typename T, typename Encode>
  ErrnoOr<T> CallFor(Encode&& encode);
  template <typename Encode>
  ErrnoOrVoid CallForNothing(Encode&& encode);
  ErrnoOr<FuseRequest*> BeginOrWait();
  ErrnoOrVoid Finish(Pending& pending);
  ErrnoOr<std::vector<DirectoryEntry>> ReadEntries(uint32_t opcode, NodeId node, FuseHandle handle,
                                                   uint64_t offset, size_t size);
  std::string BufferText(size_t size) const;

  FuseQueue& queue_;
  const GuestBuffer buffer_;
  Credentials credentials_;
  uint64_t enabled_ = 0;
  std::chrono::milliseconds timeout_ = std::chrono::seconds(30);
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_CLIENT_H_
