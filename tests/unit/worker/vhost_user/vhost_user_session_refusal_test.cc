// What VhostUserSession refuses, and how it goes on.
#include <gmock/gmock.h>

#include "tests/unit/worker/vhost_user/vhost_user_session_fixture.h"
#include "worker/vhost_user/vhost_user_session.h"

namespace postern {
namespace {

using testing::ElementsAre;

class VhostUserSessionRefusalTest : public VhostUserSessionFixture {
 protected:
  void ExpectNack(R request, std::string_view payload = "",
                  const std::vector<int>& descriptors = {}) {
    EXPECT_NE(Acknowledged(request, payload, descriptors), 0u);
  }
  // The session ends by itself, with an error, and answers nothing more.
  void ExpectClosed() {
    EXPECT_FALSE(front_end_->Receive());
    EXPECT_EQ(Join(), EPROTO);
  }
};

TEST_F(VhostUserSessionRefusalTest, BadValuesAreNackedAndTheConversationGoesOn) {
  Begin();
  Connect();
  AddMemory();
  ExpectNack(R::kSetFeatures, Number(kFeatures | FeatureBit(26)));
  ExpectNack(R::kSetProtocolFeatures, Number(0xa029 | FeatureBit(9)));
  ExpectNack(R::kSetVringNum, State(1, 0));
  ExpectNack(R::kSetVringNum, State(1, 3));
  ExpectNack(R::kSetVringNum, State(1, 65536));
  ExpectNack(R::kSetVringBase, State(1, 65536));
  ExpectNack(R::kSetVringEnable, State(1, 2));
  ExpectNack(R::kSetVringAddr, Addresses(1, /*flags=*/1));
  ExpectNack(R::kSetVringKick, Number(1 | 0x200), {event_->fd()});
  ExpectNack(R::kSetConfig, Pack(VhostUserConfigHeader{0, 1, 0}) + "x");
  EXPECT_THAT(device_.TakeLog(), ElementsAre());
  StartRing(1);
  EXPECT_TRUE(device_.queue(1).started());
}

TEST_F(VhostUserSessionRefusalTest, RingsThatTheDeviceDoesntHaveAreNacked) {
  Begin();
  Connect();
  ExpectNack(R::kSetVringNum, State(3, 8));
  ExpectNack(R::kSetVringBase, State(3, 0));
  ExpectNack(R::kSetVringAddr, Addresses(3));
  ExpectNack(R::kSetVringEnable, State(UINT32_MAX, 1));
  ExpectNack(R::kSetVringKick, Number(3), {event_->fd()});
  ExpectNack(R::kSetVringCall, Number(255), {event_->fd()});
  ExpectNack(R::kSetVringErr, Number(3 | 0x100));
}

TEST_F(VhostUserSessionRefusalTest, BaseOfARingThatTheDeviceDoesntHaveEndsIt) {
  Begin();
  Send(R::kGetVringBase, State(3, 0));
  ExpectClosed();
}

TEST_F(VhostUserSessionRefusalTest, SettingsOfARunningRingAreNacked) {
  BeginWithRing();
  ExpectNack(R::kSetVringNum, State(1, 8));
  ExpectNack(R::kSetVringBase, State(1, 0));
  const VhostUserVringAddresses moved{1,
                                      0,
                                      GuestMemory::kFrontEndHigh,
                                      GuestMemory::kFrontEndHigh + 0x1000,
                                      GuestMemory::kFrontEndHigh + 0x2000,
                                      0};
  ExpectNack(R::kSetVringAddr, Pack(moved));
  EXPECT_THAT(device_.TakeLog(), ElementsAre());
}

TEST_F(VhostUserSessionRefusalTest, RingOutsideTheMemoryIsNackedAndCanBeStartedLater) {
  Begin();
  Connect();
  Send(R::kSetVringNum, State(1, 8));
  Send(R::kSetVringAddr, Addresses(1));
  ExpectNack(R::kSetVringKick, Number(1), {event_->fd()});
  EXPECT_FALSE(device_.queue(1).started());
  AddMemory();
  EXPECT_EQ(Acknowledged(R::kSetVringKick, Number(1), {event_->fd()}), 0u);
  EXPECT_TRUE(device_.queue(1).started());
}

// QEMU doesn't ask for an answer to these, and passes on what the guest wrote into its registers.
TEST_F(VhostUserSessionRefusalTest,
       RingThatTheGuestConfiguredBadlyStaysStoppedAndTheConnectionLives) {
  Begin();
  Connect();
  AddMemory();
  Send(R::kSetVringNum, State(1, 8));
  Send(R::kSetVringNum, State(1, 3));
  Send(R::kSetVringAddr, Addresses(1));
  Send(R::kSetVringKick, Number(1), {event_->fd()});
  Barrier();
  EXPECT_FALSE(device_.queue(1).started());
  StartRing(1);
  EXPECT_TRUE(device_.queue(1).started());
}

TEST_F(VhostUserSessionRefusalTest, BadMemoryIsNackedAndTheOldTableStays) {
  BeginWithRing();
  const MemoryRegionSettings overlapping{GuestAddress(GuestMemory::kLow), 4096, FrontEndAddress(0),
                                         0};
  const MemoryRegionSettings beyond_file{GuestAddress(0), uint64_t{1} << 30, FrontEndAddress(0), 0};
  ExpectNack(R::kAddMemReg, SingleRegion(overlapping), {memory_->fd()});
  ExpectNack(R::kAddMemReg, SingleRegion(beyond_file), {memory_->fd()});
  ExpectNack(R::kAddMemReg, SingleRegion(GuestMemory::Low()), {event_->fd()});
  ExpectNack(R::kRemMemReg, SingleRegion(overlapping));
  ExpectNack(R::kSetMemTable, Pack(uint32_t{1}, uint32_t{0}) + Region(beyond_file),
             {memory_->fd()});
  EXPECT_THAT(device_.TakeLog(), ElementsAre());
  EXPECT_TRUE(device_.queue(1).started());
}

TEST_F(VhostUserSessionRefusalTest, MemTableThatPromisesMoreThanItHasIsNacked) {
  Begin();
  Connect();
  ExpectNack(R::kSetMemTable, Pack(uint32_t{2}, uint32_t{0}) + Region(GuestMemory::Low()),
             {memory_->fd(), memory_->fd()});
  ExpectNack(
      R::kSetMemTable,
      Pack(uint32_t{2}, uint32_t{0}) + Region(GuestMemory::Low()) + Region(GuestMemory::High()),
      {memory_->fd()});
  ExpectNack(R::kSetMemTable, Pack(uint32_t{33}, uint32_t{0}) + std::string(33 * 32, '\0'),
             std::vector<int>(32, memory_->fd()));
  ExpectNack(R::kSetMemTable, Pack(UINT32_MAX, uint32_t{0}));
}

TEST_F(VhostUserSessionRefusalTest, MissingDescriptorsAreNacked) {
  Begin();
  Connect();
  ExpectNack(R::kAddMemReg, SingleRegion(GuestMemory::Low()));
  ExpectNack(R::kSetBackendReqFd);
  ExpectNack(R::kSetVringKick, Number(1));
  ExpectNack(R::kSetVringCall, Number(1));
  ExpectNack(R::kSetVringErr, Number(1));
}

TEST_F(VhostUserSessionRefusalTest, UnwantedDescriptorsAreClosed) {
  Begin();
  Connect();
  Barrier();
  const std::set<std::string> open = OpenDescriptors();
  const int fd = event_->fd();
  EXPECT_EQ(Acknowledged(R::kSetOwner, "", {fd, fd}), 0u);
  Send(R::kGetQueueNum, "", {fd});
  EXPECT_TRUE(front_end_->Receive());
  EXPECT_EQ(Acknowledged(R::kSetVringCall, Number(1 | 0x100), {fd}), 0u);
  EXPECT_EQ(Acknowledged(R::kAddMemReg, SingleRegion(GuestMemory::Low()), {memory_->fd(), fd, fd}),
            0u);
  EXPECT_EQ(Acknowledged(R::kRemMemReg, SingleRegion(GuestMemory::Low()), {fd}), 0u);
  ExpectNack(static_cast<R>(99), "", {fd});
  EXPECT_EQ(OpenDescriptors(), open);
  EXPECT_EQ(Acknowledged(R::kSetVringCall, Number(1), {fd, fd}), 0u);
  EXPECT_EQ(OpenDescriptors().size(), open.size() + 1);
}

TEST_F(VhostUserSessionRefusalTest, RequestsThatWerentOfferedAreNacked) {
  Begin();
  Connect();
  ExpectNack(static_cast<R>(0));
  ExpectNack(static_cast<R>(6), Pack(uint64_t{4096}, uint64_t{0}),
             {memory_->fd()});                // SET_LOG_BASE
  ExpectNack(static_cast<R>(39), Number(0));  // SET_STATUS
  ExpectNack(static_cast<R>(40));             // GET_STATUS
  ExpectNack(static_cast<R>(UINT32_MAX));
}

TEST_F(VhostUserSessionRefusalTest, WrongPayloadSizesAreNacked) {
  Begin();
  Connect();
  ExpectNack(R::kSetOwner, "x");
  ExpectNack(R::kSetFeatures, "1234567");
  ExpectNack(R::kSetFeatures, "123456789");
  ExpectNack(R::kSetMemTable, "1234567");
  ExpectNack(R::kSetVringNum, State(1, 8) + "x");
  ExpectNack(R::kSetVringAddr, Addresses(1).substr(1));
  ExpectNack(R::kSetVringKick, "1234", {event_->fd()});
  ExpectNack(R::kAddMemReg, SingleRegion(GuestMemory::Low()).substr(8), {memory_->fd()});
}

TEST_F(VhostUserSessionRefusalTest, RefusalThatCantBeAnsweredEndsTheConnection) {
  Begin();
  Connect();
  Send(R::kSetVringCall, Number(3), {event_->fd()});
  ExpectClosed();
}

TEST_F(VhostUserSessionRefusalTest, RefusalWithoutReplyAckEndsTheConnection) {
  Begin();
  Connect(/*protocol_features=*/0);
  front_end_->SendBytes(FrontEnd::Message(R::kSetFeatures, Number(1), true));
  ExpectClosed();
}

TEST_F(VhostUserSessionRefusalTest, NaturalReplyThatIsImpossibleEndsTheConnection) {
  BeginWithRing();
  front_end_->SendBytes(FrontEnd::Message(R::kGetVringBase, "1234", true));
  ExpectClosed();
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 stop", "1 disable", "reset"));
}

TEST_F(VhostUserSessionRefusalTest, BrokenFramingEndsTheConnectionAndStopsTheDevice) {
  BeginWithRing();
  front_end_->SendBytes(FrontEnd::Header(1, 0x2, 0), {event_->fd()});
  ExpectClosed();
  EXPECT_THAT(device_.TakeLog(), ElementsAre("1 stop", "1 disable", "reset"));
}

}  // namespace
}  // namespace postern
