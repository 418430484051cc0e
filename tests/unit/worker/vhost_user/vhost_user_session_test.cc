#include "worker/vhost_user/vhost_user_session.h"

#include <gmock/gmock.h>

#include "tests/unit/worker/vhost_user/vhost_user_session_fixture.h"

namespace postern {
namespace {

using testing::ElementsAre;

class VhostUserSessionTest : public VhostUserSessionFixture {
 protected:
  std::string Config(uint32_t offset, uint32_t size) {
    const VhostUserConfigHeader header{offset, size, 0};
    const std::string reply = front_end_->Ask(R::kGetConfig, Pack(header) + std::string(size, '?'));
    if (reply.size() != sizeof(header) + size) return "reply of " + std::to_string(reply.size());
    EXPECT_EQ(reply.substr(0, sizeof(header)), Pack(header));
    return reply.substr(sizeof(header));
  }
  // Kept before the session ends it all.
  std::string VringBase(uint32_t index) {
    return front_end_->Ask(R::kGetVringBase, State(index, 0));
  }
};

// What QEMU 10 was seen to send, from connection to pause, continuation and end.
TEST_F(VhostUserSessionTest, ServesTheConversationOfQemu) {
  Begin();
  EXPECT_EQ(front_end_->AskNumber(R::kGetFeatures), kFeatures);
  EXPECT_EQ(front_end_->AskNumber(R::kGetProtocolFeatures), 0xa029u);
  Send(R::kSetProtocolFeatures, Number(0xa029));
  EXPECT_EQ(front_end_->AskNumber(R::kGetQueueNum), 3u);
  EXPECT_EQ(front_end_->AskNumber(R::kGetMaxMemSlots), 509u);
  EXPECT_EQ(Acknowledged(R::kSetBackendReqFd, "", {event_->fd()}), 0u);
  Send(R::kSetOwner);
  EXPECT_EQ(front_end_->AskNumber(R::kGetFeatures), kFeatures);
  Send(R::kSetVringCall, Number(0), {event_->fd()});
  Send(R::kSetVringErr, Number(0), {event_->fd()});
  Send(R::kSetVringCall, Number(1), {event_->fd()});
  Send(R::kSetVringErr, Number(1), {event_->fd()});
  Send(R::kResetDevice);
  Barrier();
  EXPECT_TRUE(device_.queue(1).call().valid());
  EXPECT_TRUE(device_.queue(1).error().valid());
  EXPECT_THAT(device_.TakeLog(), ElementsAre("reset"));

  Send(R::kSetFeatures, Number(kFeatures));
  AddMemory();
  StartRing(0);
  StartRing(1);
  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(0, 1)), 0u);
  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(1, 1)), 0u);
  Send(R::kSetVringCall, Number(1), {event_->fd()});
  Barrier();
  EXPECT_THAT(device_.TakeLog(), ElementsAre("0 start", "1 start", "0 enable", "1 enable"));
  EXPECT_TRUE(device_.queue(1).kick().valid());
  EXPECT_TRUE(device_.queue(1).virtqueue().settings().event_index);
  EXPECT_TRUE(device_.queue(1).virtqueue().settings().indirect_descriptors);

  DescriptorChain chain;
  RingDriver ring = driver();
  ring.Descriptor(2, GuestMemory::kData, 1);
  ring.Offer(2);
  ASSERT_EQ(device_.queue(1).virtqueue().Pop(chain), Virtqueue::PopResult::kChain);
  device_.queue(1).virtqueue().Push(2, 0);
  device_.queue(1).virtqueue().Publish();

  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(0, 0)), 0u);
  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(1, 0)), 0u);
  EXPECT_EQ(VringBase(0), State(0, 0));
  EXPECT_EQ(VringBase(1), State(1, 1));
  EXPECT_FALSE(device_.queue(1).call().valid());
  EXPECT_THAT(device_.TakeLog(), ElementsAre("0 disable", "1 disable", "0 stop", "1 stop"));

  Send(R::kSetVringCall, Number(1), {event_->fd()});
  StartRing(1, /*base=*/1);
  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(1, 1)), 0u);
  EXPECT_EQ(device_.queue(1).virtqueue().next_avail(), 1);
  device_.TakeLog();
  EXPECT_EQ(Finish(), 0);
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 stop", "1 disable", "reset"));
}

// What User-Mode Linux 6.1 was seen to send.
TEST_F(VhostUserSessionTest, ServesTheConversationOfUserModeLinux) {
  Begin("share");
  Send(R::kSetOwner);
  Barrier();
  EXPECT_EQ(front_end_->AskNumber(R::kGetProtocolFeatures), 0xa229u);
  EXPECT_EQ(Acknowledged(R::kSetProtocolFeatures, Number(0x228)), 0u);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const UniqueFd read_end(pipe_ends[0]);
  const UniqueFd write_end(pipe_ends[1]);
  EXPECT_EQ(Acknowledged(R::kSetBackendReqFd, "", {write_end.get()}), 0u);
  EXPECT_EQ(Acknowledged(R::kSetFeatures, Number(kFeatures)), 0u);
  for (uint32_t i = 0; i < 36; ++i) EXPECT_EQ(Config(i, 1)[0], i < 5 ? "share"[i] : '\0');
  EXPECT_EQ(Config(36, 4), Pack(uint32_t{2}));
  // One region, room for two; its guest and front-end addresses and its offset are the same.
  const MemoryRegionSettings region{GuestAddress(0x1000), 0x200000, FrontEndAddress(0x1000),
                                    0x1000};
  EXPECT_EQ(Acknowledged(R::kSetMemTable,
                         Pack(uint32_t{1}, uint32_t{0}) + Region(region) + std::string(32, '\0'),
                         {memory_->fd()}),
            0u);
  const std::string no_log = Pack(~uint64_t{0});
  for (uint32_t ring = 0; ring < 2; ++ring) {
    EXPECT_EQ(Acknowledged(R::kSetVringCall, Number(ring), {write_end.get()}), 0u);
    EXPECT_EQ(Acknowledged(R::kSetVringNum, State(ring, 256)), 0u);
    EXPECT_EQ(Acknowledged(R::kSetVringBase, State(ring, 0)), 0u);
    const VhostUserVringAddresses addresses{ring, 0, 0x10000, 0x30000, 0x20000, ~uint64_t{0}};
    EXPECT_EQ(Acknowledged(R::kSetVringAddr, Pack(addresses)), 0u);
  }
  for (uint32_t ring = 0; ring < 2; ++ring) {
    EXPECT_EQ(Acknowledged(R::kSetVringKick, Number(ring), {event_->fd()}), 0u);
    EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(ring, 1)), 0u);
  }
  EXPECT_THAT(device_.TakeLog(), ElementsAre("0 start", "0 enable", "1 start", "1 enable"));

  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(1, 0)), 0u);
  EXPECT_EQ(Acknowledged(R::kSetVringEnable, State(0, 0)), 0u);
  Barrier();
  EXPECT_EQ(Finish(), 0);
  EXPECT_THAT(device_.TakeLog(),
              ElementsAre("1 disable", "0 disable", "0 stop", "1 stop", "reset"));
}

TEST_F(VhostUserSessionTest, StopDescriptorEndsItLikeADisconnect) {
  BeginWithRing();
  device_.HandOver();
  stop_->Signal();
  EXPECT_EQ(Join(), 0);
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 stop", "1 disable", "reset"));
}

TEST_F(VhostUserSessionTest, WithoutProtocolFeaturesRingsAreEnabledWhenStarted) {
  Begin();
  Send(R::kSetProtocolFeatures, Number(0xa029));
  Send(R::kSetFeatures, Number(kFeatures & ~FeatureBit(30)));
  AddMemory();
  StartRing(1);
  EXPECT_TRUE(device_.queue(1).enabled());
}

TEST_F(VhostUserSessionTest, WithProtocolFeaturesRingsBeginDisabled) {
  Begin();
  Connect();
  AddMemory();
  StartRing(1);
  EXPECT_TRUE(device_.queue(1).started());
  EXPECT_FALSE(device_.queue(1).enabled());
}

TEST_F(VhostUserSessionTest, FeaturesThatWerentAcknowledgedArentUsed) {
  Begin();
  Connect();
  Send(R::kSetFeatures, Number(FeatureBit(30) | FeatureBit(32)));
  AddMemory();
  StartRing(1);
  EXPECT_FALSE(device_.queue(1).virtqueue().settings().event_index);
  EXPECT_FALSE(device_.queue(1).virtqueue().settings().indirect_descriptors);
}

TEST_F(VhostUserSessionTest, GetVringBaseStopsAndTellsWhereItWas) {
  Begin();
  Connect();
  AddMemory();
  driver().StartAt(UINT16_MAX);
  StartRing(1, UINT16_MAX);
  EXPECT_EQ(VringBase(1), State(1, UINT16_MAX));
  EXPECT_FALSE(device_.queue(1).started());
  // Stopped already: the same answer.
  EXPECT_EQ(VringBase(1), State(1, UINT16_MAX));
}

TEST_F(VhostUserSessionTest, ResetDeviceStopsAndDisablesAndKeepsMemoryAndFeatures) {
  BeginWithRing();
  EXPECT_EQ(Acknowledged(R::kResetDevice), 0u);
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 stop", "1 disable", "reset"));
  StartRing(1);
  ASSERT_TRUE(device_.queue(1).started());
  EXPECT_TRUE(device_.queue(1).virtqueue().settings().event_index);
}

TEST_F(VhostUserSessionTest, ResetOwnerDisables) {
  BeginWithRing();
  EXPECT_EQ(Acknowledged(R::kResetOwner), 0u);
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 disable"));
}

TEST_F(VhostUserSessionTest, ChangedMemoryMovesTheRunningRing) {
  BeginWithRing();
  RingDriver ring = driver();
  ring.Descriptor(0, GuestMemory::kEnd, 1);  // Not memory yet.
  ring.Offer(0);
  DescriptorChain chain;
  ASSERT_EQ(device_.queue(1).virtqueue().Pop(chain), Virtqueue::PopResult::kFailed);
  device_.queue(1).virtqueue().Publish();

  const MemoryRegionSettings added{GuestAddress(GuestMemory::kEnd), 4096, FrontEndAddress(0x1000),
                                   0};
  ASSERT_EQ(Acknowledged(R::kAddMemReg, SingleRegion(added), {memory_->fd()}), 0u);

  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 memory"));
  EXPECT_EQ(device_.queue(1).virtqueue().next_avail(), 1);
  ring.Offer(0);
  EXPECT_EQ(device_.queue(1).virtqueue().Pop(chain), Virtqueue::PopResult::kChain);
  device_.queue(1).virtqueue().Push(0, 0);
  device_.queue(1).virtqueue().Publish();

  ASSERT_EQ(Acknowledged(R::kRemMemReg, SingleRegion(added)), 0u);
  ring.Offer(0);
  EXPECT_EQ(device_.queue(1).virtqueue().Pop(chain), Virtqueue::PopResult::kFailed);
  EXPECT_EQ(ring.used_index(), 2);
}

TEST_F(VhostUserSessionTest, RingWhoseMemoryGoesIsBrokenUntilItIsStartedAnew) {
  BeginWithRing();
  ASSERT_EQ(Acknowledged(R::kRemMemReg, SingleRegion(GuestMemory::Low())), 0u);
  EXPECT_TRUE(device_.queue(1).virtqueue().broken());
  ASSERT_EQ(Acknowledged(R::kAddMemReg, SingleRegion(GuestMemory::Low()), {memory_->fd()}), 0u);
  EXPECT_TRUE(device_.queue(1).virtqueue().broken());
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 memory", "1 memory"));
  EXPECT_EQ(VringBase(1), State(1, 0));
  StartRing(1);
  ASSERT_TRUE(device_.queue(1).started());
  EXPECT_FALSE(device_.queue(1).virtqueue().broken());
}

TEST_F(VhostUserSessionTest, BrokenRingStaysBrokenWhenMemoryChanges) {
  BeginWithRing();
  driver().SetAvailableIndex(100);
  DescriptorChain chain;
  ASSERT_EQ(device_.queue(1).virtqueue().Pop(chain), Virtqueue::PopResult::kBroken);
  ASSERT_EQ(Acknowledged(R::kRemMemReg, SingleRegion(GuestMemory::High())), 0u);
  EXPECT_TRUE(device_.queue(1).virtqueue().broken());
}

TEST_F(VhostUserSessionTest, SetMemTableReplacesTheWholeTable) {
  BeginWithRing();
  const std::string low = Pack(uint32_t{1}, uint32_t{0}) + Region(GuestMemory::Low());
  ASSERT_EQ(Acknowledged(R::kSetMemTable, low, {memory_->fd()}), 0u);
  EXPECT_TRUE(device_.queue(1).started());
  EXPECT_NE(Acknowledged(R::kRemMemReg, SingleRegion(GuestMemory::High())), 0u);
  EXPECT_EQ(Acknowledged(R::kRemMemReg, SingleRegion(GuestMemory::Low())), 0u);
}

TEST_F(VhostUserSessionTest, SameAddressesOfARunningRingAreAccepted) {
  BeginWithRing();
  EXPECT_EQ(Acknowledged(R::kSetVringAddr, Addresses(1)), 0u);
  EXPECT_THAT(device_.TakeLog(), ElementsAre());
}

TEST_F(VhostUserSessionTest, RunningRingTakesAnotherKickAndKeepsItsPlace) {
  BeginWithRing();
  EXPECT_EQ(Acknowledged(R::kSetVringKick, Number(1 | 0x100)), 0u);
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 kick"));
  EXPECT_FALSE(device_.queue(1).kick().valid());
}

TEST_F(VhostUserSessionTest, CallAndErrorDescriptorsCanBeReplacedAndDropped) {
  BeginWithRing();
  EXPECT_EQ(Acknowledged(R::kSetVringCall, Number(1), {event_->fd()}), 0u);
  EXPECT_EQ(Acknowledged(R::kSetVringErr, Number(1), {event_->fd()}), 0u);
  EXPECT_EQ(Acknowledged(R::kSetVringCall, Number(1), {event_->fd()}), 0u);
  EXPECT_TRUE(device_.queue(1).call().valid());
  EXPECT_EQ(Acknowledged(R::kSetVringCall, Number(1 | 0x100)), 0u);
  EXPECT_EQ(Acknowledged(R::kSetVringErr, Number(1 | 0x100)), 0u);
  EXPECT_FALSE(device_.queue(1).call().valid());
  EXPECT_FALSE(device_.queue(1).error().valid());
  EXPECT_THAT(device_.TakeLog(), ElementsAre());
}

TEST_F(VhostUserSessionTest, ConfigIsPaddedAndEchoesTheSize) {
  Begin("t");
  EXPECT_EQ(Config(0, 60),
            "t" + std::string(35, '\0') + std::string("\2\0\0\0", 4) + std::string(20, '\0'));
  EXPECT_EQ(Config(UINT32_MAX, 4), std::string(4, '\0'));
  EXPECT_EQ(Config(0, 4084).size(), 4084u);
}

TEST_F(VhostUserSessionTest, ConfigThatDoesntFitOrIsntOfferedIsAnEmptyReply) {
  Begin("t");
  EXPECT_EQ(front_end_->Ask(R::kGetConfig, Pack(VhostUserConfigHeader{0, 4085, 0})), "");
  EXPECT_EQ(front_end_->Ask(R::kGetConfig, Pack(VhostUserConfigHeader{0, UINT32_MAX, 0})), "");
}

TEST_F(VhostUserSessionTest, ConfigWithoutTagIsAnEmptyReply) {
  Begin();
  EXPECT_EQ(front_end_->Ask(R::kGetConfig, Pack(VhostUserConfigHeader{0, 4, 0}) + "????"), "");
}

TEST_F(VhostUserSessionTest, NeedReplyWithoutReplyAckIsntAnswered) {
  Begin();
  front_end_->SendBytes(FrontEnd::Message(R::kSetOwner, "", true));
  front_end_->SendBytes(FrontEnd::Message(R::kSetFeatures, Number(kFeatures), true));
  Barrier();  // Its reply is the first.
}

TEST_F(VhostUserSessionTest, NeedReplyOnANaturalReplyChangesNothing) {
  Begin();
  Connect();
  EXPECT_EQ(Acknowledged(R::kGetFeatures), kFeatures);
  Barrier();
}

TEST_F(VhostUserSessionTest, SecondSessionOnTheSameDeviceWorks) {
  BeginWithRing();
  EXPECT_EQ(Finish(), 0);
  NewFrontEnd();
  BeginWithRing();
}

}  // namespace
}  // namespace postern
