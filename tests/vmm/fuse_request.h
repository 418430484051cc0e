// One FUSE request in guest RAM, laid out as Linux's virtio-fs driver does.
#ifndef POSTERN_TESTS_VMM_FUSE_REQUEST_H_
#define POSTERN_TESTS_VMM_FUSE_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tests/vmm/driver_queue.h"
#include "tests/vmm/fuse_protocol.h"
#include "tests/vmm/guest_memory.h"

namespace postern::vmm {

// How a request is cut into descriptors. The device must not care (VIRTIO 1.2, 2.7.4.1): tests try
// them all.
enum class Framing {
  kLinux,      // Header, arguments, and each page of data apart, either way.
  kCompact,    // Header and arguments together; data as it comes.
  kScattered,  // Everything in pieces of at most 13 bytes, data in pieces of 1021.
};

// What came back.
struct FuseReply {
  int error = 0;  // A positive errno; 0 is success.
  std::span<const std::byte>
      arguments;          // In guest RAM, until the completion submits another request.
  size_t data_bytes = 0;  // Received into the data buffers.
};

// A slot for a request, used over and over; allocates nothing once its vectors have grown. Made by
// FuseQueue.
class FuseRequest {
 public:
  // Called when the reply is there, on the thread that reaps. `context` is Submit()'s. It may begin
  // and submit requests.
  using Completion = void (*)(void* context, const FuseReply& reply);

  FuseRequest(GuestBuffer in, GuestBuffer out, uint32_t slot);

  // Begins anew. A reply is expected, without arguments, until said otherwise.
  void Start(uint32_t opcode, NodeId node);
  fuse_in_header& header() { return header_; }  // len, unique and credentials are set by Submit().

  // ---- the readable part ----
  void AppendBytes(std::span<const std::byte> bytes);
  template <typename T>
  void Append(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    AppendBytes(std::as_bytes(std::span(&value, 1)));
  }
  void AppendName(std::string_view name);  // With its NUL.
  // What Linux puts behind the names of a creating request: security contexts, FUSE_EXT_GROUPS.
  void AppendExtensions(const Credentials& credentials);
  void SendData(const GuestBuffer& data) { data_in_.push_back(data); }

  // ---- the writable part ----
  void ReceiveArguments(size_t bytes);
  void ReceiveData(const GuestBuffer& data) { data_out_.push_back(data); }
  void NoReply() { replies_ = false; }

  void set_credentials(const Credentials& credentials);
  // Something didn't fit the slot; Submit() refuses it.
  bool overflowed() const { return overflowed_; }

 private:
  friend class FuseQueue;

  void AppendExtension(uint32_t type, std::string_view body);

  // Writes the header into guest RAM and cuts the request into segments. Returns false if it
  // overflowed.
  bool Finish(Framing framing, bool split_pages);
  // Reads the reply; false if it breaks the protocol, with the reason in `violation`.
  bool ParseReply(uint32_t used_length, FuseReply& reply, const char*& violation) const;

  const GuestBuffer in_;
  const GuestBuffer out_;
  const uint32_t slot_;
  fuse_in_header header_{};
  size_t in_arguments_ = 0;
  size_t out_arguments_ = 0;
  bool replies_ = true;
  bool overflowed_ = false;
  std::vector<GuestBuffer> data_in_;
  std::vector<GuestBuffer> data_out_;
  std::vector<Segment> readable_;
  std::vector<Segment> writable_;
  Completion completion_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_REQUEST_H_
