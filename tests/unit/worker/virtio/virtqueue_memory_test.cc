// A Virtqueue whose memory table is replaced.
#include <memory>

#include "tests/unit/worker/virtio/virtqueue_fixture.h"

namespace postern {
namespace {

class VirtqueueMemoryTest : public VirtqueueFixture {
 protected:
  // The first one, which goes when the ring lets it go.
  void SetUp() override {
    auto memory = memory_.Table();
    first_ = memory;
    queue_ = *Virtqueue::Activate(driver_.Settings(), std::move(memory));
  }
  std::shared_ptr<const MemoryTable> OnlyLow() const {
    const MemoryTable::NewRegion regions[] = {{GuestMemory::Low(), memory_.fd()}};
    return *MemoryTable::Of(regions);
  }
  std::shared_ptr<const MemoryTable> OnlyHigh() const {
    const MemoryTable::NewRegion regions[] = {{GuestMemory::High(), memory_.fd()}};
    return *MemoryTable::Of(regions);
  }

  std::weak_ptr<const MemoryTable> first_;
};

TEST_F(VirtqueueMemoryTest, GoesOnWhereItWas) {
  PassOne(0);
  queue_->Push(0, 1);
  queue_->UseMemory(memory_.Table());
  EXPECT_TRUE(first_.expired());
  EXPECT_TRUE(queue_->Publish());  // What was staged in the old mapping.
  PassOne(1);
  queue_->Push(1, 2);
  queue_->Publish();
  EXPECT_EQ(driver_.used_index(), 2);
  EXPECT_EQ(driver_.used(0), (UsedElement{0, 1}));
  EXPECT_EQ(driver_.used(1), (UsedElement{1, 2}));
}

TEST_F(VirtqueueMemoryTest, ChainInFlightKeepsTheMemoryThatItWasTakenWith) {
  driver_.Descriptor(0, GuestMemory::kHigh, 4, kWrite);
  driver_.Offer(0);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kChain);
  queue_->UseMemory(OnlyLow());
  EXPECT_FALSE(first_.expired());
  EXPECT_TRUE(chain_.CopyToGuest(0, std::as_bytes(std::span("wxyz", 4))));
  EXPECT_EQ(memory_.Read(GuestMemory::kHigh, 4), "wxyz");
  queue_->Push(0, 4);
  EXPECT_TRUE(first_.expired());
  queue_->Publish();
  EXPECT_EQ(driver_.used(0), (UsedElement{0, 4}));
}

TEST_F(VirtqueueMemoryTest, EachMemoryGoesWithTheLastChainThatWasTakenWithIt) {
  PassOne(0);
  PassOne(1);
  auto second = memory_.Table();
  const std::weak_ptr<const MemoryTable> second_seen = second;
  queue_->UseMemory(std::move(second));
  PassOne(2);
  auto third = memory_.Table();
  const std::weak_ptr<const MemoryTable> third_seen = third;
  queue_->UseMemory(std::move(third));
  queue_->UseMemory(memory_.Table());
  EXPECT_TRUE(third_seen.expired()) << "no chain was taken with it";
  queue_->Push(0, 0);
  queue_->Push(2, 0);
  EXPECT_FALSE(first_.expired());
  EXPECT_TRUE(second_seen.expired());
  queue_->Push(1, 0);
  EXPECT_TRUE(first_.expired());
  EXPECT_EQ(queue_->in_flight(), 0u);
}

TEST_F(VirtqueueMemoryTest, ChainsAreOfTheNewMemoryOnly) {
  queue_->UseMemory(OnlyLow());
  driver_.Descriptor(0, GuestMemory::kHigh, 4, kWrite);
  driver_.Offer(0);
  EXPECT_EQ(queue_->Pop(chain_), Pop::kFailed);
}

TEST_F(VirtqueueMemoryTest, RingThatIsNotInItIsBrokenAndWhatIsInFlightEnds) {
  PassOne(0);
  queue_->UseMemory(OnlyHigh());
  EXPECT_TRUE(queue_->broken());
  EXPECT_FALSE(first_.expired());
  queue_->Push(0, 1);
  EXPECT_TRUE(first_.expired());
  ExpectBroken("memory table");
  EXPECT_EQ(driver_.used_index(), 0);
}

TEST_F(VirtqueueMemoryTest, BrokenRingStaysSoAndLetsTheOldMemoryGo) {
  driver_.SetAvailableIndex(100);
  ASSERT_EQ(queue_->Pop(chain_), Pop::kBroken);
  queue_->UseMemory(memory_.Table());
  EXPECT_TRUE(first_.expired());
  ExpectBroken("ahead");
}

}  // namespace
}  // namespace postern
