// Forgets on their way to the broker: all of them, and for the session that they are of.
#include <gtest/gtest.h>

#include <vector>

#include "proto/bounds.h"
#include "tests/unit/worker/queue/fuse_queue_fixture.h"
#include "worker/queue/fuse_queue.h"

namespace postern {
namespace {

class FuseQueueForgetTest : public FuseQueueFixture {
 protected:
  // Of nodes 1000 and up, each as often as its place.
  static FuseBytes BatchForget(uint32_t count) {
    FuseBytes arguments = FuseBytes().Add(fuse_batch_forget_in{count, 0});
    for (uint64_t i = 0; i < count; ++i) arguments.Add(fuse_forget_one{1000 + i, i});
    return arguments;
  }
  void SendForget(uint64_t node) {
    guest_->Send(FUSE_FORGET, node, FuseBytes().Add(fuse_forget_in{1}), 0);
  }
  // What the broker has been asked.
  std::vector<rpc::Request> TakeAll() {
    std::vector<rpc::Request> requests;
    rpc::RequestBatch batch;
    while (broker_->peer().ReceiveMessage(batch, 0, Channel::Wait::kDontBlock).ok()) {
      requests.insert(requests.end(), batch.requests().begin(), batch.requests().end());
    }
    return requests;
  }
  // As another queue does for DESTROY and INIT.
  void BeginAnotherSession() {
    shared_->EndSession();
    shared_->session.Begin(0);
  }
};

TEST_F(FuseQueueForgetTest, BatchOfAsManyAsARequestCanBringIsSentWhole) {
  constexpr uint32_t kCount = 65'000;  // Just below 1 MiB.
  StartSession();
  guest_->Send(FUSE_BATCH_FORGET, 0, BatchForget(kCount), 0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  std::vector<bool> seen(kCount);
  uint32_t count = 0;
  // What doesn't fit the socket at a time waits.
  for (bool more = true; more;) {
    const uint32_t before = count;
    for (const rpc::Request& request : TakeAll()) {
      EXPECT_LE(request.forget().items_size(), rpc::kMaxForgetItems);
      for (const auto& item : request.forget().items()) {
        const uint64_t place = item.node_id() - 1000;
        ASSERT_LT(place, kCount);
        EXPECT_EQ(item.count(), place);
        EXPECT_FALSE(seen[place]);
        seen[place] = true;
        ++count;
      }
    }
    more = count != before;
    ASSERT_EQ(Serve(), 0);
  }
  EXPECT_EQ(count, kCount);
}

TEST_F(FuseQueueForgetTest, BatchHoldsUpNoRequestThatFollows) {
  StartSession();
  guest_->Send(FUSE_BATCH_FORGET, 0, BatchForget(5000), 0);
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("name"));
  ASSERT_EQ(Serve(), 0);
  const std::vector<rpc::Request> asked = TakeAll();
  ASSERT_EQ(asked.size(), 4u);
  EXPECT_EQ(asked[0].forget().items_size(), 2048);
  EXPECT_EQ(asked[2].forget().items_size(), 5000 - 2 * 2048);
  EXPECT_EQ(asked[3].lookup().name(), "name");
}

TEST_F(FuseQueueForgetTest, BatchLargerThanARequestIsCompletedAndNotSent) {
  StartSession();
  constexpr uint32_t kCount = 65'536;
  constexpr uint64_t kItems = GuestMemory::kHigh;  // Half of them, twice.
  constexpr uint32_t kHalf = kCount / 2 * sizeof(fuse_forget_one);
  const fuse_batch_forget_in batch{kCount, 0};
  const GuestMemory& memory = guest_->memory();
  memory.Store(GuestMemory::kData,
               FuseGuest::Header(FUSE_BATCH_FORGET, 0, sizeof(batch) + 2 * size_t{kHalf}));
  memory.Store(GuestMemory::kData + sizeof(fuse_in_header), batch);
  RingDriver& driver = guest_->driver();
  driver.Descriptor(200, GuestMemory::kData, sizeof(fuse_in_header) + sizeof(batch),
                    VRING_DESC_F_NEXT, 201);
  driver.Descriptor(201, kItems, kHalf, VRING_DESC_F_NEXT, 202);
  driver.Descriptor(202, kItems, kHalf);
  driver.Offer(200);
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(driver.used(1), (UsedElement{200, 0}));
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueForgetTest, BelongsToTheSessionInWhichItWasTaken) {
  StartSession();
  SendForget(8);
  EXPECT_FALSE(queue_->TakeRequests(*virtqueue_));
  BeginAnotherSession();
  SendForget(8);
  EXPECT_FALSE(queue_->TakeRequests(*virtqueue_));
  ASSERT_TRUE(queue_->Flush().ok());
  const rpc::RequestBatch batch = broker_->Take();
  ASSERT_EQ(batch.requests_size(), 2);
  EXPECT_EQ(batch.requests(0).forget().items_size(), 1);
  EXPECT_EQ(batch.requests(1).forget().items_size(), 1);
  EXPECT_NE(batch.requests(0).session(), batch.requests(1).session());
  EXPECT_EQ(batch.requests(1).session(),
            Ask(FUSE_GETATTR, FuseBytes().Add(fuse_getattr_in{})).session());
}

TEST_F(FuseQueueForgetTest, BatchBelongsToTheSessionInWhichItWasTaken) {
  StartSession();
  guest_->Send(FUSE_BATCH_FORGET, 0, BatchForget(1), 0);
  EXPECT_FALSE(queue_->TakeRequests(*virtqueue_));
  BeginAnotherSession();
  ASSERT_TRUE(queue_->Flush().ok());
  const uint64_t old = broker_->TakeOne().session();
  guest_->Send(FUSE_BATCH_FORGET, 0, BatchForget(1), 0);
  ASSERT_EQ(Serve(), 0);
  EXPECT_NE(broker_->TakeOne().session(), old);
}

TEST_F(FuseQueueForgetTest, SessionIsTheOneThatInitHasBegun) {
  guest_->Send(FUSE_INIT, 0, InitArguments());
  ASSERT_EQ(Serve(), 0);
  const rpc::Request initialize = broker_->TakeOne();
  broker_->Acknowledge(initialize.id());
  EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  SendForget(8);
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(broker_->TakeOne().session(), initialize.session());
  EXPECT_EQ(AskLookup().session(), initialize.session());
  TakeAnswer();  // The forget's.
  guest_->Send(FUSE_INIT, 0, InitArguments());
  ASSERT_EQ(Serve(), 0);
  EXPECT_NE(broker_->TakeOne().session(), initialize.session());
}

TEST_F(FuseQueueForgetTest, EntryThatDoesNotReachTheGuestIsForgottenInItsSession) {
  StartSession();
  const rpc::Request asked = AskLookup(16);  // Too small for an entry.
  broker_->Send(EntryReply(asked.id(), 9));
  ExpectError(ServeAndTakeAnswer(), EIO);
  const rpc::Request forget = broker_->TakeOne();
  EXPECT_EQ(forget.forget().items_size(), 1);
  EXPECT_EQ(forget.session(), asked.session());
}

}  // namespace
}  // namespace postern
