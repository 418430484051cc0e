// Encoders: from the broker's answer, or an operation of the worker's own, to the payload of a FUSE
// reply.
#ifndef POSTERN_WORKER_FUSE_FUSE_ENCODE_H_
#define POSTERN_WORKER_FUSE_FUSE_ENCODE_H_

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"
#include "proto/rpc.pb.h"
#include "worker/fuse/file_operation.h"
#include "worker/fuse/fuse_abi.h"
#include "worker/fuse/fuse_session.h"
#include "worker/fuse/open_files.h"
#include "worker/fuse/request_notes.h"

namespace postern {

// A reply's payload, without its header. Reused from reply to reply.
class FusePayload {
 public:
  void Clear() { size_ = kHeaderBytes; }
  template <typename T>
  void Append(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(Grow(sizeof(T)), &value, sizeof(T));
  }
  void AppendBytes(std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(Grow(bytes.size()), bytes.data(), bytes.size());
  }
  // Zeros up to the next multiple of kFuseRecordAlignment.
  void Align() {
    const size_t odd = size_ % kFuseRecordAlignment;  // The header's size is a multiple.
    if (odd != 0) std::memset(Grow(kFuseRecordAlignment - odd), 0, kFuseRecordAlignment - odd);
  }
  std::span<const std::byte> bytes() const { return {&bytes_[kHeaderBytes], size_ - kHeaderBytes}; }
  // Header and payload in one piece, as the guest gets them.
  std::span<const std::byte> WithHeader(const fuse_out_header& header) {
    std::memcpy(bytes_.data(), &header, kHeaderBytes);
    return {bytes_.data(), size_};
  }

 private:
  static constexpr size_t kHeaderBytes = sizeof(fuse_out_header);
  static_assert(kHeaderBytes % kFuseRecordAlignment == 0);

  std::byte* Grow(size_t size) {
    const size_t at = size_;
    size_ += size;
    if (size_ > bytes_.size()) bytes_.resize(2 * size_);
    return &bytes_[at];
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(4096);  // size_ of them count.
  size_t size_ = kHeaderBytes;
};

// What an encoder may know besides the broker's answer.
struct EncodeContext {
  const fuse_in_header& header;
  const FuseOptions& options;
  const FuseSession& session;
  OpenFiles& open_files;
  RequestNotes& notes;
  // The descriptor that came with the reply, if any; an encoder that has use for it takes it.
  UniqueFd& descriptor;
};

// All of them: EIO if the answer isn't of the kind that the request asks for, or opens a file for a
// session that has ended.
ErrnoOrVoid EncodeNothing(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeEntry(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeAttributes(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeStatx(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeLinkTarget(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeOpen(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeCreate(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeOpendir(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeReaddir(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeReaddirplus(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeStatfs(const EncodeContext&, const rpc::Reply& reply, FusePayload& payload);
ErrnoOrVoid EncodeExtendedAttribute(const EncodeContext&, const rpc::Reply& reply,
                                    FusePayload& payload);

// The error of a reply that has one, as the guest may get it: EIO for codes that it would
// misunderstand.
Errno GuestError(const rpc::Reply& reply);

// The payload after a file operation that succeeded; READ has none here, its data is in guest
// memory already.
void EncodeWritten(const FileOperation& operation, FusePayload& payload);
void EncodeCopied(const FileOperation& operation, FusePayload& payload);  // 64 bits.
void EncodeOffset(const FileOperation& operation, FusePayload& payload);

// The request that gives back the open file or directory that `reply`, to a request of `opcode` on
// `node_id`, brings, if it brings one: for a reply that never reached the guest. Without an id.
std::optional<rpc::Request> ReleaseOf(uint32_t opcode, uint64_t node_id, const rpc::Reply& reply);
// Adds to `forget` what the entries in `reply` have counted: for a reply that never reached the
// guest.
void UndoLookups(const rpc::Reply& reply, rpc::ForgetRequest& forget);

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_ENCODE_H_
