#include "worker/virtio/descriptor_chain.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace postern {
namespace {

// Calls visit(host address, length) for each piece of `size` bytes at `offset`.
// Precondition: size <= total of `ranges` and offset <= total - size.
template <typename Visitor>
void ForEachPiece(const std::vector<iovec>& ranges, size_t offset, size_t size, Visitor visit) {
  for (const iovec& range : ranges) {
    if (size == 0) return;
    if (offset >= range.iov_len) {
      offset -= range.iov_len;
      continue;
    }
    const size_t length = std::min(size, range.iov_len - offset);
    visit(static_cast<std::byte*>(range.iov_base) + offset, length);
    offset = 0;
    size -= length;
  }
}

bool Contains(size_t total, size_t offset, size_t size) {
  return offset <= total && size <= total - offset;
}

}  // namespace

bool DescriptorChain::CopyFromGuest(size_t offset, std::span<std::byte> to) const {
  if (!Contains(readable_bytes_, offset, to.size())) return false;
  size_t done = 0;
  ForEachPiece(readable_, offset, to.size(), [&](const std::byte* piece, size_t length) {
    std::memcpy(to.data() + done, piece, length);
    done += length;
  });
  // The guest may change its memory meanwhile: from here on the compiler must use the copy, never
  // load from there again.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return true;
}

bool DescriptorChain::CopyToGuest(size_t offset, std::span<const std::byte> from) {
  if (!Contains(writable_bytes_, offset, from.size())) return false;
  size_t done = 0;
  ForEachPiece(writable_, offset, from.size(), [&](std::byte* piece, size_t length) {
    std::memcpy(piece, from.data() + done, length);
    done += length;
  });
  return true;
}

bool DescriptorChain::AppendReadable(size_t offset, size_t size, std::vector<iovec>& ranges) const {
  if (!Contains(readable_bytes_, offset, size)) return false;
  ForEachPiece(readable_, offset, size, [&](std::byte* piece, size_t length) {
    ranges.push_back({piece, length});
  });
  return true;
}

bool DescriptorChain::AppendWritable(size_t offset, size_t size, std::vector<iovec>& ranges) const {
  if (!Contains(writable_bytes_, offset, size)) return false;
  ForEachPiece(writable_, offset, size, [&](std::byte* piece, size_t length) {
    ranges.push_back({piece, length});
  });
  return true;
}

void DescriptorChain::Reset(uint16_t head) {
  head_ = head;
  readable_bytes_ = 0;
  writable_bytes_ = 0;
  readable_.clear();
  writable_.clear();
}

void DescriptorChain::AddReadable(iovec range) {
  readable_.push_back(range);
  readable_bytes_ += range.iov_len;
}

void DescriptorChain::AddWritable(iovec range) {
  writable_.push_back(range);
  writable_bytes_ += range.iov_len;
}

}  // namespace postern
