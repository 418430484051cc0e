// One encoder per FUSE operation, for synchronous and asynchronous use alike. Each calls Start()
// itself.
#ifndef POSTERN_TESTS_VMM_FUSE_REQUESTS_H_
#define POSTERN_TESTS_VMM_FUSE_REQUESTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tests/vmm/fuse_protocol.h"
#include "tests/vmm/fuse_request.h"

namespace postern::vmm {

struct InitOptions {
  uint32_t major = FUSE_KERNEL_VERSION;
  uint32_t minor = FUSE_KERNEL_MINOR_VERSION;
  uint64_t flags = kLinuxInitFlags;
  uint32_t max_readahead = 128 * 1024;
};
void EncodeInit(FuseRequest& request, const InitOptions& options);
void EncodeDestroy(FuseRequest& request);

// ---- names; `node` is the directory ----
void EncodeLookup(FuseRequest& request, NodeId node, std::string_view name);
void EncodeForget(FuseRequest& request, NodeId node, uint64_t count);
void EncodeBatchForget(FuseRequest& request, std::span<const fuse_forget_one> items);
void EncodeSymlink(FuseRequest& request, NodeId node, std::string_view name,
                   std::string_view target, const Credentials& who);
void EncodeMknod(FuseRequest& request, NodeId node, std::string_view name,
                 const fuse_mknod_in& arguments, const Credentials& who);
void EncodeMkdir(FuseRequest& request, NodeId node, std::string_view name,
                 const fuse_mkdir_in& arguments, const Credentials& who);
void EncodeUnlink(FuseRequest& request, NodeId node, std::string_view name);
void EncodeRmdir(FuseRequest& request, NodeId node, std::string_view name);
void EncodeRename(FuseRequest& request, NodeId node, std::string_view name, NodeId new_parent,
                  std::string_view new_name);
void EncodeRename2(FuseRequest& request, NodeId node, std::string_view name, NodeId new_parent,
                   std::string_view new_name, uint32_t flags);
// `node` is the new parent, `existing` what gets another name.
void EncodeLink(FuseRequest& request, NodeId node, NodeId existing, std::string_view new_name);
void EncodeCreate(FuseRequest& request, NodeId node, std::string_view name,
                  const fuse_create_in& arguments, const Credentials& who);
// Linux names what has no name yet "/".
void EncodeTmpfile(FuseRequest& request, NodeId node, std::string_view name,
                   const fuse_create_in& arguments, const Credentials& who);

// ---- inodes ----
void EncodeGetattr(FuseRequest& request, NodeId node, std::optional<FuseHandle> handle);
// `handle` goes into the request if there is one.
void EncodeStatx(FuseRequest& request, NodeId node, uint32_t flags, uint32_t mask,
                 std::optional<FuseHandle> handle);
void EncodeSetattr(FuseRequest& request, NodeId node, const fuse_setattr_in& arguments);
// The target comes as data, as Linux asks for it.
void EncodeReadlink(FuseRequest& request, NodeId node, const GuestBuffer& data);
void EncodeAccess(FuseRequest& request, NodeId node, uint32_t mask);
void EncodeStatfs(FuseRequest& request, NodeId node);
void EncodeSyncfs(FuseRequest& request, NodeId node);

// ---- open files ----
void EncodeOpen(FuseRequest& request, NodeId node, uint32_t flags, uint32_t open_flags = 0);
void EncodeRead(FuseRequest& request, NodeId node, FuseHandle handle, uint64_t offset,
                const GuestBuffer& data);
struct WriteFlags {
  uint32_t write_flags = 0;  // FUSE_WRITE_*
  uint32_t open_flags = 0;   // O_APPEND above all.
};
void EncodeWrite(FuseRequest& request, NodeId node, FuseHandle handle, uint64_t offset,
                 const GuestBuffer& data, const WriteFlags& flags = {});
void EncodeFlush(FuseRequest& request, NodeId node, FuseHandle handle);
void EncodeFsync(FuseRequest& request, NodeId node, FuseHandle handle, bool data_only);
void EncodeRelease(FuseRequest& request, NodeId node, FuseHandle handle);
void EncodeFallocate(FuseRequest& request, NodeId node, const fuse_fallocate_in& arguments);
void EncodeLseek(FuseRequest& request, NodeId node, const fuse_lseek_in& arguments);
fuse_copy_file_range_in CopyArguments(FuseHandle from, uint64_t from_offset, NodeId to_node,
                                      FuseHandle to, uint64_t to_offset, uint64_t length);
void EncodeCopyFileRange(FuseRequest& request, NodeId node,
                         const fuse_copy_file_range_in& arguments);

// Answers a FuseCopyFileRangeOut.
void EncodeCopyFileRange64(FuseRequest& request, NodeId node,
                           const fuse_copy_file_range_in& arguments);

// ---- extended attributes ----
enum class SetxattrForm {
  kShort,     // size and flags: before FUSE 7.33, and without FUSE_SETXATTR_EXT
  kExtended,  // setxattr_flags as well
};
struct SetxattrOptions {
  uint32_t flags = 0;           // XATTR_CREATE, XATTR_REPLACE
  uint32_t setxattr_flags = 0;  // FUSE_SETXATTR_*; lost in the short form
};
void EncodeSetxattr(FuseRequest& request, NodeId node, std::string_view name,
                    const GuestBuffer& value, const SetxattrOptions& options, SetxattrForm form);
// An empty `data` asks for the size, which comes as fuse_getxattr_out; else the value comes as
// data.
void EncodeGetxattr(FuseRequest& request, NodeId node, std::string_view name,
                    const GuestBuffer& data);
void EncodeListxattr(FuseRequest& request, NodeId node, const GuestBuffer& data);
void EncodeRemovexattr(FuseRequest& request, NodeId node, std::string_view name);

// ---- directories ----
void EncodeOpendir(FuseRequest& request, NodeId node, uint32_t flags);
// READDIR or READDIRPLUS, as the opcode says; the size asked for is that of `data`.
void EncodeReaddir(FuseRequest& request, uint32_t opcode, NodeId node, FuseHandle handle,
                   uint64_t offset, const GuestBuffer& data);
void EncodeReleasedir(FuseRequest& request, NodeId node, FuseHandle handle);
void EncodeFsyncdir(FuseRequest& request, NodeId node, FuseHandle handle, bool data_only);

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_REQUESTS_H_
