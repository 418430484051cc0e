// A guest that sends FUSE requests through a ring of its own.
#ifndef POSTERN_TESTS_UNIT_WORKER_FUSE_GUEST_H_
#define POSTERN_TESTS_UNIT_WORKER_FUSE_GUEST_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tests/unit/worker/fuse_bytes.h"
#include "tests/unit/worker/guest_memory.h"
#include "tests/unit/worker/ring_driver.h"
#include "worker/fuse/fuse_abi.h"
#include "worker/virtio/split_ring.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// What the guest finds in its used ring.
struct FuseAnswer {
  uint16_t head = 0;
  uint32_t written = 0;         // As the used element says.
  fuse_out_header header = {};  // Zeros if `written` is too small for one.
  std::vector<std::byte> payload;
};

class FuseGuest {
 public:
  static constexpr uint16_t kRingSize = 256;
  static constexpr uint32_t kReplyBytes = 4096;

  std::unique_ptr<Virtqueue> Activate(uint16_t next_avail = 0) {
    VirtqueueSettings settings = driver_.Settings();
    settings.next_avail = next_avail;
    auto queue = Virtqueue::Activate(settings, memory_.Table());
    EXPECT_TRUE(queue.ok());
    return queue.ok() ? std::move(*queue) : nullptr;
  }

  // A request as Linux sends it; returns its head. Its `unique` is 2 + 2 * head.
  uint16_t Send(uint32_t opcode, uint64_t node, std::span<const std::byte> arguments,
                uint32_t reply_bytes = kReplyBytes) {
    return SendHeader(Header(opcode, node, arguments.size()), arguments, reply_bytes);
  }
  uint16_t Send(uint32_t opcode, uint64_t node, const FuseBytes& arguments,
                uint32_t reply_bytes = kReplyBytes) {
    return Send(opcode, node, arguments.bytes(), reply_bytes);
  }
  // With a header that may lie; `unique` is put in.
  uint16_t SendHeader(fuse_in_header header, std::span<const std::byte> arguments,
                      uint32_t reply_bytes = kReplyBytes) {
    header.unique = 2 + 2 * uint64_t{next_head_};
    return SendBytes(FuseBytes().Add(header).Raw(arguments).bytes(), reply_bytes);
  }
  // Any bytes, in descriptors of at most `piece` of them.
  uint16_t SendBytes(std::span<const std::byte> readable, uint32_t reply_bytes,
                     uint32_t piece = UINT32_MAX) {
    const uint16_t head = next_head_;
    uint16_t index = head;
    const uint64_t address = Place(readable.size() + reply_bytes);
    std::copy(readable.begin(), readable.end(), memory_.At(address));
    std::memset(memory_.At(address + readable.size()), 0xaa, reply_bytes);
    size_t done = 0;
    do {
      const auto length = static_cast<uint32_t>(std::min<size_t>(readable.size() - done, piece));
      const bool last = done + length == readable.size() && reply_bytes == 0;
      driver_.Descriptor(index, address + done, length, last ? 0 : VRING_DESC_F_NEXT,
                         static_cast<uint16_t>(index + 1));
      done += length;
      ++index;
    } while (done < readable.size());
    if (reply_bytes > 0) {
      driver_.Descriptor(index, address + done, reply_bytes, VRING_DESC_F_WRITE);
      ++index;
    }
    replies_[head] = {address + readable.size(), reply_bytes};
    next_head_ = index + 8 > kRingSize ? uint16_t{0} : index;
    // The device may look as soon as it sees the index.
    SplitRing::FullFence();
    driver_.Offer(head);
    return head;
  }

  // Whether the device wants a kick for the request that was sent last (VIRTIO 1.2, 2.7.10).
  bool KickWanted() {
    SplitRing::FullFence();
    const auto index = memory_.Load<uint16_t>(RingDriver::kAvailable + 2);
    return driver_.available_event() == static_cast<uint16_t>(index - 1);
  }

  static fuse_in_header Header(uint32_t opcode, uint64_t node, size_t argument_bytes) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof(header) + argument_bytes);
    header.opcode = opcode;
    header.nodeid = node;
    header.uid = 1000;
    header.gid = 1001;
    return header;
  }
  static uint64_t UniqueOf(uint16_t head) { return 2 + 2 * uint64_t{head}; }

  // Asks for a notification of the next answer. TakeAnswer() after it, before sleeping.
  void EnableNotification() {
    driver_.SetUsedEvent(seen_used_);
    SplitRing::FullFence();
  }
  bool HasAnswer() const { return driver_.used_index() != seen_used_; }
  // The next used element, if there is one.
  std::optional<FuseAnswer> TakeAnswer() {
    const uint16_t published = driver_.used_index();
    SplitRing::FullFence();
    if (published == seen_used_) return std::nullopt;
    const UsedElement element = driver_.used(seen_used_++);
    FuseAnswer answer;
    answer.head = static_cast<uint16_t>(element.head);
    answer.written = element.written;
    const auto reply = replies_.find(answer.head);
    if (reply == replies_.end()) {
      ADD_FAILURE() << "head " << element.head << " was answered and is not in flight";
      return answer;
    }
    EXPECT_LE(element.written, reply->second.size);
    if (element.written >= sizeof(fuse_out_header)) {
      answer.header = memory_.Load<fuse_out_header>(reply->second.address);
      EXPECT_EQ(answer.header.len, element.written);
      EXPECT_EQ(answer.header.unique, UniqueOf(answer.head));
      const std::byte* const begin = memory_.At(reply->second.address);
      answer.payload.assign(begin + sizeof(fuse_out_header), begin + element.written);
    }
    replies_.erase(reply);
    return answer;
  }

  GuestMemory& memory() { return memory_; }
  RingDriver& driver() { return driver_; }

 private:
  struct Reply {
    uint64_t address;
    uint32_t size;
  };

  // The next place for `size` bytes, from the front again when the memory has been used up: by then
  // what was there has been answered.
  uint64_t Place(size_t size) {
    if (size > GuestMemory::kEnd - next_place_) next_place_ = GuestMemory::kData;
    // The test's own mapping of the two regions isn't contiguous.
    if (next_place_ < GuestMemory::kHigh && next_place_ + size > GuestMemory::kHigh) {
      next_place_ = size > GuestMemory::kHighSize ? GuestMemory::kData : GuestMemory::kHigh;
    }
    const uint64_t address = next_place_;
    next_place_ += size;
    return address;
  }

  GuestMemory memory_;
  RingDriver driver_{memory_, kRingSize};
  std::map<uint16_t, Reply> replies_;  // By head: what isn't answered yet.
  uint16_t next_head_ = 0;
  uint16_t seen_used_ = 0;
  uint64_t next_place_ = GuestMemory::kData;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_FUSE_GUEST_H_
