// The bounds that both ends of the RPC keep: the worker sends nothing beyond, and for the broker
// what lies beyond is malformed (rpc.proto). Those of a message's size and descriptors: channel.h.
#ifndef POSTERN_PROTO_BOUNDS_H_
#define POSTERN_PROTO_BOUNDS_H_

#include <cstddef>
#include <cstdint>

namespace postern::rpc {

// Requests in a RequestBatch.
inline constexpr int kMaxBatchRequests = 64;
// Items of a ForgetRequest.
inline constexpr int kMaxForgetItems = 4096;
// Linux guests send at most one. So many leave room in a message for all else.
inline constexpr int kMaxSupplementaryGids = 1024;
// In bytes: PATH_MAX less its NUL.
inline constexpr size_t kMaxSymlinkTargetBytes = 4095;
// Of one WriteFileRequest.
inline constexpr size_t kMaxWriteBytes = 65536;
// Of one CopyRangeRequest, and of a copy that the worker makes: less than was asked for is a right
// answer. Stopping a ring waits for what is in flight, so no request may take long by the guest's
// choice.
inline constexpr uint64_t kMaxCopyBytes = 64 << 20;
inline constexpr size_t kMaxXattrNameBytes = 255;     // XATTR_NAME_MAX
inline constexpr size_t kMaxXattrValueBytes = 65536;  // XATTR_SIZE_MAX, XATTR_LIST_MAX

}  // namespace postern::rpc

#endif  // POSTERN_PROTO_BOUNDS_H_
