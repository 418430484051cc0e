// Drivers that break the ring's rules: the ring is broken, and nothing else.
#include "tests/unit/worker/virtio/virtqueue_fixture.h"
#include "worker/virtio/virtqueue.h"

namespace postern {
namespace {

class VirtqueueHostileTest : public VirtqueueFixture {
 protected:
  static constexpr uint64_t kTable = kData + 0x1000;

  void SetUp() override { Activate(); }
  void OfferIndirect(uint32_t bytes, uint16_t flags = kIndirect, uint16_t next = 0) {
    driver_.Descriptor(0, kTable, bytes, flags, next);
    driver_.Offer(0);
  }
};

TEST_F(VirtqueueHostileTest, AvailableIndexFurtherAheadThanTheSizeBreaks) {
  driver_.SetAvailableIndex(9);
  EXPECT_TRUE(queue_->HasAvailable());
  ExpectBroken("9 ahead of 0");
}

TEST_F(VirtqueueHostileTest, AvailableIndexThatGoesBackBreaks) {
  driver_.SetAvailableIndex(UINT16_MAX);
  ExpectBroken("65535 ahead of 0");
}

TEST_F(VirtqueueHostileTest, HeadOutsideTheTableBreaks) {
  driver_.Offer(8);
  ExpectBroken("head 8");
}

TEST_F(VirtqueueHostileTest, LargestHeadBreaks) {
  driver_.Offer(UINT16_MAX);
  ExpectBroken("head 65535");
}

TEST_F(VirtqueueHostileTest, NextOutsideTheTableBreaks) {
  driver_.Descriptor(0, kData, 1, kNext, 8);
  driver_.Offer(0);
  ExpectBroken("next descriptor outside the table");
}

TEST_F(VirtqueueHostileTest, DescriptorThatIsItsOwnNextBreaks) {
  driver_.Descriptor(0, kData, 1, kNext, 0);
  driver_.Offer(0);
  ExpectBroken("loop");
}

TEST_F(VirtqueueHostileTest, LoopThatTheHeadIsntInBreaks) {
  driver_.Descriptor(0, kData, 0, kNext, 1);
  driver_.Descriptor(1, kData, 0, kNext, 2);
  driver_.Descriptor(2, kData, 0, kNext, 1);
  driver_.Offer(0);
  ExpectBroken("loop");
}

TEST_F(VirtqueueHostileTest, ReadableAfterWritableBreaks) {
  driver_.Descriptor(0, kData, 1, kWrite | kNext, 1);
  driver_.Descriptor(1, kData, 1);
  driver_.Offer(0);
  ExpectBroken("readable descriptor after a writable one");
}

TEST_F(VirtqueueHostileTest, ReadableAfterWritableBreaksAcrossTheIndirectTable) {
  driver_.Indirect(kTable, 0, kData, 1);
  driver_.Descriptor(1, kData, 1, kWrite | kNext, 0);
  driver_.Descriptor(0, kTable, 16, kIndirect);
  driver_.Offer(1);
  ExpectBroken("readable descriptor after a writable one");
}

TEST_F(VirtqueueHostileTest, ChainOfMoreThan4GiBBreaks) {
  driver_.Descriptor(0, kData, 1, kNext, 1);
  driver_.Descriptor(1, kData, UINT32_MAX);
  driver_.Offer(0);
  // 1 + (2^32 - 1) is the most that there may be. Such a range isn't the guest's, though.
  EXPECT_EQ(queue_->Pop(chain_), Pop::kFailed);
  driver_.Descriptor(0, kData, 2, kNext, 1);
  driver_.Offer(0);
  ExpectBroken("over 4 GiB");
}

TEST_F(VirtqueueHostileTest, IndirectWithoutTheFeatureBreaks) {
  VirtqueueSettings settings = driver_.Settings();
  settings.indirect_descriptors = false;
  Activate(settings);
  driver_.Indirect(kTable, 0, kData, 1);
  OfferIndirect(16);
  ExpectBroken("without the feature");
}

TEST_F(VirtqueueHostileTest, IndirectWithNextBreaks) {
  driver_.Indirect(kTable, 0, kData, 1);
  driver_.Descriptor(1, kData, 1);
  OfferIndirect(16, kIndirect | kNext, 1);
  ExpectBroken("both indirect and with a next one");
}

TEST_F(VirtqueueHostileTest, IndirectWithinIndirectBreaks) {
  driver_.Indirect(kTable, 0, kTable, 16, kIndirect);
  OfferIndirect(16);
  ExpectBroken("indirect table within another");
}

TEST_F(VirtqueueHostileTest, EmptyIndirectTableBreaks) {
  OfferIndirect(0);
  ExpectBroken("multiple");
}

TEST_F(VirtqueueHostileTest, IndirectTableOfAFractionBreaks) {
  OfferIndirect(24);
  ExpectBroken("multiple");
}

TEST_F(VirtqueueHostileTest, IndirectTableOverTheCapBreaks) {
  OfferIndirect((Virtqueue::kMaxIndirectDescriptors + 1) * sizeof(vring_desc));
  ExpectBroken("too long");
}

TEST_F(VirtqueueHostileTest, LargestIndirectTableBreaks) {
  OfferIndirect(0xfffffff0);
  ExpectBroken("too long");
}

TEST_F(VirtqueueHostileTest, NextOutsideTheIndirectTableBreaks) {
  driver_.Indirect(kTable, 0, kData, 1, kNext, 2);
  OfferIndirect(32);
  ExpectBroken("outside the indirect table");
}

TEST_F(VirtqueueHostileTest, LoopInTheIndirectTableBreaks) {
  driver_.Indirect(kTable, 0, kData, 1, kNext, 1);
  driver_.Indirect(kTable, 1, kData, 1, kNext, 0);
  OfferIndirect(32);
  ExpectBroken("indirect table is a loop");
}

TEST_F(VirtqueueHostileTest, HeadOfferedWhileInFlightBreaksAndTheFirstIsStillCounted) {
  PassOne(3);
  driver_.Offer(3);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kBroken);
  EXPECT_NE(queue_->broken_reason().find("in flight"), std::string::npos);
  EXPECT_EQ(queue_->in_flight(), 1u);
  queue_->Push(3, 9);
  EXPECT_EQ(queue_->in_flight(), 0u);
  EXPECT_FALSE(queue_->Publish());
  EXPECT_EQ(driver_.used_index(), 0);  // A broken ring isn't written to.
  EXPECT_EQ(driver_.used(0), (UsedElement{0, 0}));
}

TEST_F(VirtqueueHostileTest, HeadOfferedAgainBeforeItIsSeenUsedCantOverrunTheUsedRing) {
  // The driver can't have seen the completion: nothing is published.
  for (int i = 0; i < 8; ++i) {
    PassOne(0);
    queue_->Push(0, 0);
  }
  driver_.Offer(0);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kBroken);
  EXPECT_NE(queue_->broken_reason().find("more chains"), std::string::npos);
}

TEST_F(VirtqueueHostileTest, BrokenRingIsNotWrittenTo) {
  ActivateWithoutEventIndex();
  PassOne(0);
  queue_->Push(0, 0);
  driver_.Offer(8);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kBroken);
  queue_->DisableNotification();
  EXPECT_FALSE(queue_->EnableNotification());
  EXPECT_FALSE(queue_->Publish());
  EXPECT_EQ(driver_.used_flags(), 0);
  EXPECT_EQ(driver_.used_index(), 0);
}

TEST_F(VirtqueueHostileTest, UsedIndexThatTheGuestRewritesDoesntMoveOurs) {
  PassOne(0);
  queue_->Push(0, 0);
  queue_->Publish();
  memory_.Store<uint16_t>(RingDriver::kUsed + 2, 777);
  PassOne(1);
  queue_->Push(1, 0);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 2);
}

}  // namespace
}  // namespace postern
