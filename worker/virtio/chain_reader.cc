#include "worker/virtio/chain_reader.h"

#include <atomic>
#include <cstring>
#include <utility>

namespace postern {
namespace {

// VIRTIO 1.2, 2.7.5: "Drivers MUST NOT add a descriptor chain longer than 2^32 bytes in total".
constexpr uint64_t kMaxChainBytes = uint64_t{1} << 32;

}  // namespace

ChainReader::ChainReader(const SplitRing& ring, std::shared_ptr<const MemoryTable> memory,
                         bool indirect_allowed, uint32_t max_indirect)
    : ring_(ring),
      memory_(std::move(memory)),
      indirect_allowed_(indirect_allowed),
      max_indirect_(max_indirect) {}

ChainReader::Result ChainReader::Malformed(const char* reason) {
  reason_ = reason;
  return Result::kMalformed;
}

ChainReader::Result ChainReader::Read(uint16_t head, DescriptorChain& chain) {
  chain.Reset(head);
  total_bytes_ = 0;
  writable_seen_ = false;

  uint32_t index = head;
  // No chain visits a descriptor twice, so one of more than size() descriptors is a loop (2.7.5.2).
  for (uint32_t steps = 0; steps < ring_.size(); ++steps) {
    const vring_desc descriptor = ring_.LoadDescriptor(index);
    const bool has_next = (descriptor.flags & VRING_DESC_F_NEXT) != 0;
    if (descriptor.flags & VRING_DESC_F_INDIRECT) {
      if (!indirect_allowed_) return Malformed("indirect descriptor without the feature");
      if (has_next) return Malformed("descriptor both indirect and with a next one");  // 2.7.5.3.1
      if (const Result result = LoadIndirectTable(descriptor); result != Result::kOk) return result;
      return FollowIndirect(chain);
    }
    if (const Result result = Add(descriptor, chain); result != Result::kOk) return result;
    if (!has_next) return Result::kOk;
    if (descriptor.next >= ring_.size()) return Malformed("next descriptor outside the table");
    index = descriptor.next;
  }
  return Malformed("descriptor chain is a loop");
}

ChainReader::Result ChainReader::LoadIndirectTable(const vring_desc& reference) {
  // 2.7.5.3.2: the WRITE flag of the reference is ignored.
  if (reference.len == 0 || reference.len % sizeof(vring_desc) != 0) {
    return Malformed("length of indirect table not a positive multiple of a descriptor");
  }
  // Before anything is allocated for it.
  if (reference.len / sizeof(vring_desc) > max_indirect_)
    return Malformed("indirect table too long");

  ranges_.clear();
  if (!memory_->Translate(GuestAddress(reference.addr), reference.len, ranges_))
    return Result::kUnmapped;
  indirect_.resize(reference.len / sizeof(vring_desc));
  auto* to =
      reinterpret_cast<std::byte*>(indirect_.data());  // Safe because vring_desc is plain data.
  for (const iovec& range : ranges_) {
    std::memcpy(to, range.iov_base, range.iov_len);
    to += range.iov_len;
  }
  // The compiler must not look into the guest's memory again instead of into the copy.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return Result::kOk;
}

ChainReader::Result ChainReader::FollowIndirect(DescriptorChain& chain) {
  size_t index = 0;
  for (size_t steps = 0; steps < indirect_.size(); ++steps) {
    const vring_desc& descriptor = indirect_[index];
    if (descriptor.flags & VRING_DESC_F_INDIRECT)
      return Malformed("indirect table within another");  // 2.7.5.3.1
    if (const Result result = Add(descriptor, chain); result != Result::kOk) return result;
    if (!(descriptor.flags & VRING_DESC_F_NEXT)) return Result::kOk;
    if (descriptor.next >= indirect_.size())
      return Malformed("next descriptor outside the indirect table");
    index = descriptor.next;
  }
  return Malformed("descriptor chain in an indirect table is a loop");
}

ChainReader::Result ChainReader::Add(const vring_desc& descriptor, DescriptorChain& chain) {
  const bool writable = (descriptor.flags & VRING_DESC_F_WRITE) != 0;
  if (writable) {
    writable_seen_ = true;
  } else if (writable_seen_) {
    return Malformed("readable descriptor after a writable one");  // 2.7.4.2
  }
  total_bytes_ += descriptor.len;  // Can't wrap: at most 2^16 descriptors of less than 2^32 bytes.
  if (total_bytes_ > kMaxChainBytes) return Malformed("descriptor chain over 4 GiB");

  ranges_.clear();
  if (!memory_->Translate(GuestAddress(descriptor.addr), descriptor.len, ranges_))
    return Result::kUnmapped;
  for (const iovec& range : ranges_) {
    if (writable) {
      chain.AddWritable(range);
    } else {
      chain.AddReadable(range);
    }
  }
  return Result::kOk;
}

}  // namespace postern
