// Who tells whom, and who needn't (VIRTIO 1.2, 2.7.7 and 2.7.10).
#include "tests/unit/worker/virtio/virtqueue_fixture.h"
#include "worker/virtio/virtqueue.h"

namespace postern {
namespace {

class VirtqueueNotificationTest : public VirtqueueFixture {
 protected:
  // A ring whose both indices are `index`.
  void ActivateAt(uint16_t index) {
    driver_.StartAt(index);
    VirtqueueSettings settings = driver_.Settings();
    settings.next_avail = index;
    Activate(settings);
  }
  // Serves `count` chains in one batch, and says whether the driver wants to hear of it.
  bool Serve(uint16_t count) {
    for (uint16_t head = 0; head < count; ++head) {
      PassOne(head);
      queue_->Push(head, 0);
    }
    return queue_->Publish();
  }
};

TEST_F(VirtqueueNotificationTest, WithoutEventIndexTheDriversFlagDecides) {
  ActivateWithoutEventIndex();
  EXPECT_TRUE(Serve(1));
  driver_.SetAvailableFlags(VRING_AVAIL_F_NO_INTERRUPT);
  EXPECT_FALSE(Serve(1));
  driver_.SetAvailableFlags(0);
  EXPECT_TRUE(Serve(2));
}

TEST_F(VirtqueueNotificationTest, WithoutEventIndexUsedEventMeansNothing) {
  ActivateWithoutEventIndex();
  driver_.SetUsedEvent(1000);
  EXPECT_TRUE(Serve(1));
}

TEST_F(VirtqueueNotificationTest, WithEventIndexTheDriversFlagMeansNothing) {
  ActivateAt(0);
  driver_.SetAvailableFlags(VRING_AVAIL_F_NO_INTERRUPT);
  driver_.SetUsedEvent(0);
  EXPECT_TRUE(Serve(1));
}

TEST_F(VirtqueueNotificationTest, NotifiesWhenTheBatchPassesUsedEvent) {
  ActivateAt(10);
  driver_.SetUsedEvent(12);  // "When the element with index 12 is there."
  EXPECT_FALSE(Serve(2));    // 10, 11
  EXPECT_TRUE(Serve(1));     // 12
  EXPECT_FALSE(Serve(1));    // 13: behind it
}

TEST_F(VirtqueueNotificationTest, OneBatchMayStepOverUsedEvent) {
  ActivateAt(10);
  driver_.SetUsedEvent(11);
  EXPECT_TRUE(Serve(4));
}

TEST_F(VirtqueueNotificationTest, UsedEventBeforeTheWrapIsPassedAtIt) {
  ActivateAt(UINT16_MAX);
  driver_.SetUsedEvent(UINT16_MAX);
  EXPECT_TRUE(Serve(1));
  EXPECT_EQ(driver_.used_index(), 0);
  EXPECT_FALSE(Serve(1));
}

TEST_F(VirtqueueNotificationTest, UsedEventBehindTheWrapIsPassedAfterIt) {
  ActivateAt(UINT16_MAX - 1);
  driver_.SetUsedEvent(0);
  EXPECT_FALSE(Serve(2));  // 65534, 65535
  EXPECT_TRUE(Serve(1));   // 0
}

TEST_F(VirtqueueNotificationTest, NothingPublishedNothingNotified) {
  ActivateAt(0);
  driver_.SetUsedEvent(0);
  EXPECT_FALSE(queue_->Publish());
  PassOne(0);
  EXPECT_FALSE(queue_->Publish());
}

TEST_F(VirtqueueNotificationTest, WithoutEventIndexTheFlagTellsTheDriver) {
  ActivateWithoutEventIndex();
  queue_->DisableNotification();
  EXPECT_EQ(driver_.used_flags(), VRING_USED_F_NO_NOTIFY);
  EXPECT_FALSE(queue_->EnableNotification());
  EXPECT_EQ(driver_.used_flags(), 0);
}

TEST_F(VirtqueueNotificationTest, WithEventIndexTheEventTellsTheDriver) {
  ActivateAt(UINT16_MAX);
  EXPECT_FALSE(queue_->EnableNotification());
  EXPECT_EQ(driver_.available_event(), UINT16_MAX);
  queue_->DisableNotification();
  Serve(2);
  EXPECT_EQ(driver_.available_event(), UINT16_MAX);  // Stays behind.
  EXPECT_FALSE(queue_->EnableNotification());
  EXPECT_EQ(driver_.available_event(), 1);
  EXPECT_EQ(driver_.used_flags(), 0);
}

TEST_F(VirtqueueNotificationTest, EnablingLooksAgain) {
  ActivateAt(0);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kEmpty);
  driver_.Descriptor(0, kData, 1);
  driver_.Offer(0);
  EXPECT_TRUE(queue_->EnableNotification());
  EXPECT_TRUE(queue_->HasAvailable());
}

TEST_F(VirtqueueNotificationTest, WhatWasSeenAndNotTakenIsAvailable) {
  ActivateAt(0);
  driver_.Descriptor(0, kData, 1);
  driver_.Descriptor(1, kData, 1);
  driver_.Offer(0);
  driver_.Offer(1);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_TRUE(queue_->HasAvailable());
  EXPECT_TRUE(queue_->EnableNotification());
}

TEST_F(VirtqueueNotificationTest, EventIndexClearsTheFlagOfALifeWithoutIt) {
  ActivateWithoutEventIndex();
  queue_->DisableNotification();
  ActivateAt(0);
  EXPECT_EQ(driver_.used_flags(), 0);
}

}  // namespace
}  // namespace postern
