// From a head to a checked DescriptorChain.
#ifndef POSTERN_WORKER_VIRTIO_CHAIN_READER_H_
#define POSTERN_WORKER_VIRTIO_CHAIN_READER_H_

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "worker/virtio/descriptor_chain.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/split_ring.h"

namespace postern {

// Follows a chain through the descriptor table and at most one indirect table, copies each
// descriptor once, checks it and translates what it points to. Whatever the guest wrote, the number
// of steps is bounded. Keeps its buffers, so that the steady state allocates nothing. Not
// thread-safe.
class ChainReader {
 public:
  enum class Result {
    kOk,
    kUnmapped,   // A well-formed chain, of memory that isn't the guest's.
    kMalformed,  // A rule of VIRTIO is broken: reason() says which.
  };

  // `max_indirect`: the longest indirect table that is read, in descriptors.
  ChainReader(const SplitRing& ring, std::shared_ptr<const MemoryTable> memory,
              bool indirect_allowed, uint32_t max_indirect);

  // Reads the chain that begins at `head` into `chain`; meaningless there unless kOk. Precondition:
  // head < ring.size().
  Result Read(uint16_t head, DescriptorChain& chain);
  // Reads the ring in another memory table from here on.
  void Use(const SplitRing& ring, std::shared_ptr<const MemoryTable> memory) {
    ring_ = ring;
    memory_ = std::move(memory);
  }
  const std::shared_ptr<const MemoryTable>& memory() const { return memory_; }
  // Why the last Read() was kMalformed.
  const char* reason() const { return reason_; }

 private:
  Result Malformed(const char* reason);
  // Copies the table that `reference` points to into indirect_.
  Result LoadIndirectTable(const vring_desc& reference);
  // Follows the chain through indirect_.
  Result FollowIndirect(DescriptorChain& chain);
  // Adds one buffer to `chain`.
  Result Add(const vring_desc& descriptor, DescriptorChain& chain);

  SplitRing ring_;
  std::shared_ptr<const MemoryTable> memory_;
  const bool indirect_allowed_;
  const uint32_t max_indirect_;
  std::vector<vring_desc> indirect_;  // Our copy: the guest can't change it between check and use.
  std::vector<iovec> ranges_;
  uint64_t total_bytes_ = 0;
  bool writable_seen_ = false;
  const char* reason_ = "";
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_CHAIN_READER_H_
