// One request as the guest laid it out: what the device may read, then what it may write.
#ifndef POSTERN_WORKER_VIRTIO_DESCRIPTOR_CHAIN_H_
#define POSTERN_WORKER_VIRTIO_DESCRIPTOR_CHAIN_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace postern {

// A descriptor chain whose descriptors have been copied out of guest memory, checked, and
// translated to host ranges that stay mapped until the chain's Virtqueue has it back.
// The ranges' contents still belong to the guest, which may change them at any time: copy once,
// check the copy. The boundaries between descriptors mean nothing (VIRTIO 1.2, 2.7.4.1): both parts
// are byte streams.
//
// Reused from request to request, so that the steady state allocates nothing. Not thread-safe.
class DescriptorChain {
 public:
  uint16_t head() const { return head_; }
  // Bytes in each part. The whole chain is at most 4 GiB.
  size_t readable_bytes() const { return readable_bytes_; }
  size_t writable_bytes() const { return writable_bytes_; }

  // Copies `to.size()` bytes of the readable part, beginning at `offset`. False (and nothing useful
  // in `to`) if that reaches past its end.
  [[nodiscard]] bool CopyFromGuest(size_t offset, std::span<std::byte> to) const;
  // Copies `from` into the writable part at `offset`. False, and nothing written, if that reaches
  // past its end.
  [[nodiscard]] bool CopyToGuest(size_t offset, std::span<const std::byte> from);

  // Appends to `ranges` the host ranges of `size` bytes at `offset`, for preadv2 and pwritev2 only.
  // False, and nothing appended, if that reaches past the part's end.
  [[nodiscard]] bool AppendReadable(size_t offset, size_t size, std::vector<iovec>& ranges) const;
  [[nodiscard]] bool AppendWritable(size_t offset, size_t size, std::vector<iovec>& ranges) const;

  // For Virtqueue::Pop() and tests.
  void Reset(uint16_t head);
  void AddReadable(iovec range);
  void AddWritable(iovec range);

 private:
  uint16_t head_ = 0;
  size_t readable_bytes_ = 0;
  size_t writable_bytes_ = 0;
  std::vector<iovec> readable_;
  std::vector<iovec> writable_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_DESCRIPTOR_CHAIN_H_
