// A Virtqueue and the driver opposite.
#ifndef POSTERN_TESTS_UNIT_WORKER_VIRTIO_VIRTQUEUE_FIXTURE_H_
#define POSTERN_TESTS_UNIT_WORKER_VIRTIO_VIRTQUEUE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/worker/guest_memory.h"
#include "tests/unit/worker/ring_driver.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

class VirtqueueFixture : public testing::Test {
 protected:
  using Pop = Virtqueue::PopResult;
  static constexpr uint64_t kData = GuestMemory::kData;
  static constexpr uint16_t kNext = VRING_DESC_F_NEXT;
  static constexpr uint16_t kWrite = VRING_DESC_F_WRITE;
  static constexpr uint16_t kIndirect = VRING_DESC_F_INDIRECT;

  void Activate(const VirtqueueSettings& settings) {
    queue_ = *Virtqueue::Activate(settings, memory_.Table());
  }
  void Activate() { Activate(driver_.Settings()); }
  void ActivateWithoutEventIndex() {
    VirtqueueSettings settings = driver_.Settings();
    settings.event_index = false;
    Activate(settings);
  }
  // Offers chain `head`, one readable byte, and takes it.
  void PassOne(uint16_t head) {
    driver_.Descriptor(head, kData, 1);
    driver_.Offer(head);
    ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
    ASSERT_EQ(chain_.head(), head);
  }
  std::string Readable() const {
    std::string text(chain_.readable_bytes(), '?');
    EXPECT_TRUE(chain_.CopyFromGuest(0, std::as_writable_bytes(std::span(text))));
    return text;
  }
  // Pop() finds the ring broken, for a reason that contains `reason`; and then it is of no more
  // use.
  void ExpectBroken(const std::string& reason) {
    EXPECT_EQ(queue_->Pop(chain_), Pop::kBroken);
    EXPECT_TRUE(queue_->broken());
    EXPECT_NE(queue_->broken_reason().find(reason), std::string::npos) << queue_->broken_reason();
    EXPECT_EQ(queue_->in_flight(), 0u);
    EXPECT_FALSE(queue_->HasAvailable());
    EXPECT_FALSE(queue_->EnableNotification());
    queue_->Push(0, 1);
    EXPECT_FALSE(queue_->Publish());
    EXPECT_EQ(queue_->Pop(chain_), Pop::kBroken);
  }

  GuestMemory memory_;
  RingDriver driver_{memory_, 8};
  std::unique_ptr<Virtqueue> queue_;
  DescriptorChain chain_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_VIRTIO_VIRTQUEUE_FIXTURE_H_
