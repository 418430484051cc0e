// The driver's side of the ring, with the test as the device.
#include "tests/vmm/driver_queue.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace postern::vmm {
namespace {

constexpr uint16_t kSize = 8;

class DriverQueueTest : public testing::Test {
 protected:
  void Create(bool indirect, bool event_index) {
    const GuestMemory::RegionLayout layout{.guest_base = 0x100000, .size = 1 << 20};
    auto memory = GuestMemory::Create(std::span(&layout, 1));
    ASSERT_TRUE(memory.ok());
    memory_ = std::move(memory).value();
    auto queue = DriverQueue::Create(
        *memory_,
        {.size = kSize, .indirect = indirect, .event_index = event_index, .max_indirect = 4});
    ASSERT_TRUE(queue.ok());
    queue_ = std::move(queue).value();
    auto buffer = memory_->Allocate(4096);
    ASSERT_TRUE(buffer.ok());
    segment_ = {buffer->address, 16};
  }

  ErrnoOr<uint16_t> Add(size_t readable, size_t writable, uint64_t token = 0) {
    const std::vector<Segment> in(readable, segment_);
    const std::vector<Segment> out(writable, segment_);
    return queue_->Add(in, out, token);
  }
  // As a device: hands a chain back.
  void Use(uint32_t head, uint32_t length = 0) {
    const GuestBuffer ring = queue_->raw_used();
    const vring_used_elem element{head, length};
    std::memcpy(ring.bytes.data() + 4 + (device_index_ % kSize) * sizeof(element), &element,
                sizeof(element));
    ++device_index_;
    std::memcpy(ring.bytes.data() + 2, &device_index_, sizeof(device_index_));
  }
  void WriteUsedWord(size_t word, uint16_t value) {
    std::memcpy(queue_->raw_used().bytes.data() + word * 2, &value, sizeof(value));
  }
  uint16_t AvailableWord(size_t word) const {
    uint16_t value;
    std::memcpy(&value, queue_->raw_available().bytes.data() + word * 2, sizeof(value));
    return value;
  }

  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<DriverQueue> queue_;
  Segment segment_;
  uint16_t device_index_ = 0;
};

TEST_F(DriverQueueTest, DirectChainIsLinkedAndMarked) {
  ASSERT_NO_FATAL_FAILURE(Create(false, false));
  const auto head = Add(2, 1);
  ASSERT_TRUE(head.ok());
  const vring_desc* table = queue_->raw_descriptors();
  const vring_desc first = table[*head];
  EXPECT_EQ(first.flags, VRING_DESC_F_NEXT);
  const vring_desc second = table[first.next];
  EXPECT_EQ(second.flags, VRING_DESC_F_NEXT);
  EXPECT_EQ(table[second.next].flags, VRING_DESC_F_WRITE);
  EXPECT_EQ(first.addr, segment_.address.value());
  EXPECT_EQ(first.len, 16u);
}

TEST_F(DriverQueueTest, IndirectChainTakesOneDescriptor) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  const auto head = Add(2, 2);
  ASSERT_TRUE(head.ok());
  const vring_desc referring = queue_->raw_descriptors()[*head];
  EXPECT_EQ(referring.flags, VRING_DESC_F_INDIRECT);
  EXPECT_EQ(referring.len, 4 * sizeof(vring_desc));
  EXPECT_EQ(queue_->free_descriptors(), kSize - 1);
}

TEST_F(DriverQueueTest, NothingIsVisibleBeforePublish) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  ASSERT_TRUE(Add(1, 1).ok());
  EXPECT_EQ(AvailableWord(1), 0u);
  queue_->Publish();
  EXPECT_EQ(AvailableWord(1), 1u);
}

TEST_F(DriverQueueTest, FullRingRefusesAndTakesAgainAfterUse) {
  ASSERT_NO_FATAL_FAILURE(Create(false, false));
  const auto first = Add(2, 2);
  ASSERT_TRUE(Add(2, 2).ok());
  EXPECT_EQ(Add(1, 0).errno_value(), ENOSPC);
  EXPECT_EQ(Add(5, 4).errno_value(), E2BIG);
  Use(*first);
  ASSERT_TRUE(queue_->PopUsed().ok());
  EXPECT_TRUE(Add(2, 2).ok());
}

TEST_F(DriverQueueTest, TokensComeBackInAnyOrderAcrossTheWrapOfTheIndex) {
  ASSERT_NO_FATAL_FAILURE(Create(false, true));
  for (uint64_t round = 0; round < 40'000; ++round) {
    const auto a = Add(1, 1, 2 * round);
    const auto b = Add(1, 1, 2 * round + 1);
    ASSERT_TRUE(a.ok() && b.ok());
    queue_->Publish();
    Use(*b, 5);
    Use(*a);
    const auto first = queue_->PopUsed();
    const auto second = queue_->PopUsed();
    ASSERT_TRUE(first.ok() && first->has_value() && second.ok() && second->has_value());
    ASSERT_EQ((*first)->token, 2 * round + 1);
    ASSERT_EQ((*first)->length, 5u);
    ASSERT_EQ((*second)->token, 2 * round);
  }
  EXPECT_EQ(queue_->in_flight(), 0u);
  EXPECT_EQ(queue_->free_descriptors(), kSize);
}

TEST_F(DriverQueueTest, KickFollowsTheDevicesFlag) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  ASSERT_TRUE(Add(1, 1).ok());
  EXPECT_TRUE(queue_->Publish());
  EXPECT_FALSE(queue_->Publish()) << "nothing new";
  WriteUsedWord(0, VRING_USED_F_NO_NOTIFY);
  ASSERT_TRUE(Add(1, 1).ok());
  EXPECT_FALSE(queue_->Publish());
}

TEST_F(DriverQueueTest, KickFollowsTheDevicesEvent) {
  ASSERT_NO_FATAL_FAILURE(Create(true, true));
  const size_t available_event = 2 + 4 * kSize;
  WriteUsedWord(available_event, 1);  // Wants to hear of the second.
  ASSERT_TRUE(Add(1, 1).ok());
  EXPECT_FALSE(queue_->Publish());
  ASSERT_TRUE(Add(1, 1).ok());
  EXPECT_TRUE(queue_->Publish());
  ASSERT_TRUE(Add(1, 1).ok());
  EXPECT_FALSE(queue_->Publish());
}

TEST_F(DriverQueueTest, CallsAreAskedForAndDeclined) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  queue_->DisableCalls();
  EXPECT_EQ(AvailableWord(0), VRING_AVAIL_F_NO_INTERRUPT);
  EXPECT_FALSE(queue_->EnableCalls());
  EXPECT_EQ(AvailableWord(0), 0u);
  Use(*Add(1, 1));
  EXPECT_TRUE(queue_->EnableCalls()) << "there is something already";
}

TEST_F(DriverQueueTest, DeviceThatUsesWhatIsntInFlightIsFound) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  const auto head = Add(1, 1);
  Use((*head + 1u) % kSize);
  EXPECT_EQ(queue_->PopUsed().errno_value(), EPROTO);
}

TEST_F(DriverQueueTest, DeviceThatUsesOutsideTheRingIsFound) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  ASSERT_TRUE(Add(1, 1).ok());
  Use(kSize);
  EXPECT_EQ(queue_->PopUsed().errno_value(), EPROTO);
}

TEST_F(DriverQueueTest, DeviceThatUsesMoreThanThereIsIsFound) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  const auto head = Add(1, 1);
  Use(*head);
  Use(*head);
  EXPECT_EQ(queue_->PopUsed().errno_value(), EPROTO);
}

TEST_F(DriverQueueTest, DeviceThatUsesTwiceIsFound) {
  ASSERT_NO_FATAL_FAILURE(Create(true, false));
  const auto head = Add(1, 1);
  ASSERT_TRUE(Add(1, 1).ok());
  Use(*head);
  Use(*head);
  EXPECT_TRUE(queue_->PopUsed().ok());
  EXPECT_EQ(queue_->PopUsed().errno_value(), EPROTO);
}

TEST_F(DriverQueueTest, ResetRingIsEmpty) {
  ASSERT_NO_FATAL_FAILURE(Create(false, false));
  ASSERT_TRUE(Add(2, 2).ok());
  queue_->Publish();
  queue_->Reset();
  EXPECT_EQ(queue_->in_flight(), 0u);
  EXPECT_EQ(queue_->free_descriptors(), kSize);
  EXPECT_EQ(AvailableWord(1), 0u);
}

}  // namespace
}  // namespace postern::vmm
