#include "worker/virtio/virtqueue.h"

#include "tests/unit/worker/virtio/virtqueue_fixture.h"

namespace postern {
namespace {

class VirtqueueTest : public VirtqueueFixture {};

TEST_F(VirtqueueTest, EmptyRingGivesNothing) {
  Activate();
  EXPECT_FALSE(queue_->HasAvailable());
  EXPECT_EQ(queue_->Pop(chain_), Pop::kEmpty);
  EXPECT_FALSE(queue_->Publish());
  EXPECT_EQ(driver_.used_index(), 0);
}

TEST_F(VirtqueueTest, ServesAChainOfSeveralDescriptors) {
  Activate();
  memory_.Write(kData, "hello");
  driver_.Descriptor(3, kData, 2, kNext, 5);
  driver_.Descriptor(5, kData + 2, 3, kNext, 1);
  driver_.Descriptor(1, kData + 100, 4, kNext | kWrite, 0);
  driver_.Descriptor(0, kData + 200, 4, kWrite);
  driver_.Offer(3);

  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(chain_.head(), 3);
  EXPECT_EQ(Readable(), "hello");
  EXPECT_EQ(chain_.writable_bytes(), 8u);
  EXPECT_TRUE(chain_.CopyToGuest(2, std::as_bytes(std::span("wxyz", 4))));
  EXPECT_EQ(queue_->in_flight(), 1u);
  queue_->Push(3, 6);
  EXPECT_EQ(queue_->in_flight(), 0u);
  EXPECT_EQ(driver_.used_index(), 0);  // Staged only.
  queue_->Publish();

  EXPECT_EQ(memory_.Read(kData + 102, 2), "wx");
  EXPECT_EQ(memory_.Read(kData + 200, 2), "yz");
  EXPECT_EQ(driver_.used_index(), 1);
  EXPECT_EQ(driver_.used(0), (UsedElement{3, 6}));
  EXPECT_EQ(queue_->Pop(chain_), Pop::kEmpty);
}

TEST_F(VirtqueueTest, CompletesInAnyOrder) {
  Activate();
  PassOne(0);
  PassOne(1);
  PassOne(2);
  queue_->Push(2, 20);
  queue_->Push(0, 0);
  queue_->Publish();
  queue_->Push(1, 10);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 3);
  EXPECT_EQ(driver_.used(0), (UsedElement{2, 20}));
  EXPECT_EQ(driver_.used(1), (UsedElement{0, 0}));
  EXPECT_EQ(driver_.used(2), (UsedElement{1, 10}));
}

TEST_F(VirtqueueTest, RingOfOneServesOneAfterAnother) {
  RingDriver driver(memory_, 1);
  Activate(driver.Settings());
  driver.Descriptor(0, kData, 1);
  driver.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  queue_->Push(0, 1);
  queue_->Publish();
  driver.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  queue_->Push(0, 2);
  queue_->Publish();
  EXPECT_EQ(driver.used_index(), 2);
  EXPECT_EQ(driver.used(1), (UsedElement{0, 2}));
}

TEST_F(VirtqueueTest, SkipsEmptyDescriptors) {
  Activate();
  memory_.Write(kData, "x");
  driver_.Descriptor(0, /*address=*/1, 0, kNext, 1);  // Nowhere, but nothing of it is used.
  driver_.Descriptor(1, kData, 1, kNext, 2);
  driver_.Descriptor(2, UINT64_MAX, 0, kWrite);
  driver_.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(Readable(), "x");
  EXPECT_EQ(chain_.writable_bytes(), 0u);
}

TEST_F(VirtqueueTest, DescriptorMayCrossRegions) {
  Activate();
  memory_.Write(GuestMemory::kHigh - 3, "across");
  driver_.Descriptor(0, GuestMemory::kHigh - 3, 6);
  driver_.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(Readable(), "across");
}

TEST_F(VirtqueueTest, FollowsAnIndirectTable) {
  Activate();
  memory_.Write(kData, "ab");
  const uint64_t table = kData + 0x1000;
  driver_.Indirect(table, 0, kData, 1, kNext, 2);
  driver_.Indirect(table, 2, kData + 1, 1, kNext, 1);
  driver_.Indirect(table, 1, kData + 0x100, 9, kWrite);
  driver_.Descriptor(4, table, 3 * sizeof(vring_desc), kIndirect);
  driver_.Offer(4);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(chain_.head(), 4);
  EXPECT_EQ(Readable(), "ab");
  EXPECT_EQ(chain_.writable_bytes(), 9u);
}

TEST_F(VirtqueueTest, IndirectTableMayBeUnalignedAndCrossRegions) {
  Activate();
  memory_.Write(kData, "ab");
  const uint64_t table = GuestMemory::kHigh - 17;
  const vring_desc entries[] = {{kData, 1, kNext, 1}, {kData + 1, 1, 0, 0}};
  memory_.Write(table, {reinterpret_cast<const char*>(entries), sizeof(entries)});
  driver_.Descriptor(0, table, sizeof(entries), kIndirect);
  driver_.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(Readable(), "ab");
}

TEST_F(VirtqueueTest, IndirectTableMayFollowPlainDescriptorsAndItsWriteFlagMeansNothing) {
  Activate();
  memory_.Write(kData, "ab");
  const uint64_t table = kData + 0x1000;
  driver_.Indirect(table, 0, kData + 1, 1);
  driver_.Descriptor(0, kData, 1, kNext, 1);
  driver_.Descriptor(1, table, sizeof(vring_desc), kIndirect | kWrite);
  driver_.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(Readable(), "ab");
}

TEST_F(VirtqueueTest, IndirectTableMayBeLongerThanTheRing) {
  Activate();
  const uint64_t table = kData + 0x1000;
  for (uint16_t i = 0; i < 1024; ++i) {
    driver_.Indirect(table, i, kData, 1, i < 1023 ? kNext : uint16_t{0},
                     static_cast<uint16_t>(i + 1));
  }
  driver_.Descriptor(0, table, 1024 * sizeof(vring_desc), kIndirect);
  driver_.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(chain_.readable_bytes(), 1024u);
}

TEST_F(VirtqueueTest, ChainOwesNothingToTheOneBefore) {
  Activate();
  // 3 GiB, ending with a writable descriptor: two of these are over 4 GiB together.
  constexpr uint32_t kAll = GuestMemory::kEnd - GuestMemory::kLow;
  const uint64_t table = kData + 0x1000;
  for (uint16_t i = 0; i < 1023; ++i) {
    driver_.Indirect(table, i, GuestMemory::kLow, kAll, kNext, static_cast<uint16_t>(i + 1));
  }
  driver_.Indirect(table, 1023, GuestMemory::kLow, kAll, kWrite);
  for (uint16_t head = 0; head < 2; ++head) {
    driver_.Descriptor(head, table, 1024 * sizeof(vring_desc), kIndirect);
    driver_.Offer(head);
  }
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(chain_.head(), 1);
  EXPECT_EQ(chain_.readable_bytes(), size_t{1023} * kAll);
  EXPECT_EQ(chain_.writable_bytes(), kAll);
}

TEST_F(VirtqueueTest, ChainOutsideTheGuestsMemoryFailsAloneAndTheNextIsServed) {
  Activate();
  driver_.Descriptor(0, GuestMemory::kEnd - 1, 2);
  driver_.Descriptor(1, kData, 1);
  driver_.Offer(0);
  driver_.Offer(1);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kFailed);
  EXPECT_EQ(queue_->in_flight(), 0u);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(chain_.head(), 1);
  queue_->Push(1, 5);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 2);
  EXPECT_EQ(driver_.used(0), (UsedElement{0, 0}));
  EXPECT_EQ(driver_.used(1), (UsedElement{1, 5}));
}

TEST_F(VirtqueueTest, AddressThatWrapsAroundFails) {
  Activate();
  driver_.Descriptor(0, UINT64_MAX - 1, 4);
  driver_.Offer(0);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kFailed);
}

TEST_F(VirtqueueTest, IndirectTableOutsideTheGuestsMemoryFails) {
  Activate();
  driver_.Descriptor(0, GuestMemory::kEnd - 16, 32, kIndirect);
  driver_.Offer(0);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kFailed);
  EXPECT_FALSE(queue_->broken());
}

TEST_F(VirtqueueTest, PushOfAHeadThatIsntInFlightIsIgnored) {
  Activate();
  PassOne(0);
  queue_->Push(1, 1);
  queue_->Push(8, 1);
  queue_->Push(UINT16_MAX, 1);
  queue_->Push(0, 1);
  queue_->Push(0, 1);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 1);
}

TEST_F(VirtqueueTest, IndicesWrapAround) {
  driver_.StartAt(UINT16_MAX);
  VirtqueueSettings settings = driver_.Settings();
  settings.next_avail = UINT16_MAX;
  Activate(settings);
  PassOne(0);
  EXPECT_EQ(queue_->next_avail(), 0);
  PassOne(1);
  EXPECT_EQ(queue_->next_avail(), 1);
  queue_->Push(0, 0);
  queue_->Push(1, 0);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 1);
  EXPECT_EQ(driver_.used(UINT16_MAX).head, 0u);
  EXPECT_EQ(driver_.used(0).head, 1u);
}

TEST_F(VirtqueueTest, GoesOnWhereItWasAfterActivationOnAnotherTable) {
  Activate();
  PassOne(0);
  PassOne(1);
  queue_->Push(1, 0);
  queue_->Push(0, 0);
  queue_->Publish();
  driver_.Descriptor(2, kData, 1);
  driver_.Offer(2);

  VirtqueueSettings settings = queue_->settings();
  settings.next_avail = queue_->next_avail();
  Activate(settings);

  EXPECT_EQ(settings.next_avail, 2);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  EXPECT_EQ(chain_.head(), 2);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kEmpty);
  queue_->Push(2, 7);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 3);
  EXPECT_EQ(driver_.used(2), (UsedElement{2, 7}));
}

// Activate() refuses what it can't run on.
class VirtqueueActivateTest : public VirtqueueFixture {
 protected:
  VirtqueueActivateTest() { settings_ = driver_.Settings(); }
  int Error() const { return Virtqueue::Activate(settings_, memory_.Table()).errno_value(); }
  static FrontEndAddress Plus(FrontEndAddress address, uint64_t offset) {
    return FrontEndAddress(address.value() + offset);
  }
  VirtqueueSettings settings_;
};

TEST_F(VirtqueueActivateTest, RefusesSizesThatAreNoPowersOfTwoOrTooLarge) {
  settings_.size = 0;
  EXPECT_EQ(Error(), EINVAL);
  settings_.size = 3;
  EXPECT_EQ(Error(), EINVAL);
  settings_.size = 65536;
  EXPECT_EQ(Error(), EINVAL);
  settings_.size = 0x80000000;
  EXPECT_EQ(Error(), EINVAL);
  settings_.size = 1;
  EXPECT_EQ(Error(), 0);
  settings_.size = 32768;
  EXPECT_EQ(Error(), 0);
}

TEST_F(VirtqueueActivateTest, RefusesAMisalignedDescriptorTable) {
  settings_.descriptor_table = Plus(settings_.descriptor_table, 8);
  EXPECT_EQ(Error(), EINVAL);
}

TEST_F(VirtqueueActivateTest, RefusesAMisalignedAvailableRing) {
  settings_.available_ring = Plus(settings_.available_ring, 1);
  EXPECT_EQ(Error(), EINVAL);
}

TEST_F(VirtqueueActivateTest, RefusesAMisalignedUsedRing) {
  settings_.used_ring = Plus(settings_.used_ring, 2);
  EXPECT_EQ(Error(), EINVAL);
}

TEST_F(VirtqueueActivateTest, EachPartMustLieInTheMemoryToItsLastByte) {
  const FrontEndAddress end(GuestMemory::kFrontEndLow + GuestMemory::kLowSize);
  const auto before_end = [&](uint64_t bytes) { return FrontEndAddress(end.value() - bytes); };
  settings_.descriptor_table = before_end(16 * 8);
  EXPECT_EQ(Error(), 0);
  settings_.descriptor_table = before_end(16 * 8 - 16);
  EXPECT_EQ(Error(), EFAULT);
  settings_ = driver_.Settings();
  settings_.available_ring = before_end(6 + 2 * 8);
  EXPECT_EQ(Error(), 0);
  settings_.available_ring = before_end(6 + 2 * 8 - 2);
  EXPECT_EQ(Error(), EFAULT);
  settings_ = driver_.Settings();
  settings_.used_ring = before_end(6 + 8 * 8 + 2);  // The nearest multiple of 4.
  EXPECT_EQ(Error(), 0);
  settings_.used_ring = before_end(6 + 8 * 8 - 2);
  EXPECT_EQ(Error(), EFAULT);
}

TEST_F(VirtqueueActivateTest, RefusesAddressesOutsideTheMemory) {
  settings_.used_ring = FrontEndAddress(0);
  EXPECT_EQ(Error(), EFAULT);
  settings_.used_ring = FrontEndAddress(UINT64_MAX - 3);
  EXPECT_EQ(Error(), EFAULT);
}

}  // namespace
}  // namespace postern
