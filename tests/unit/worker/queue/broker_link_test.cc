#include "worker/queue/broker_link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "common/path_component.h"
#include "proto/bounds.h"
#include "tests/unit/open_descriptors.h"
#include "tests/unit/worker/fuse_bytes.h"
#include "tests/unit/worker/queue/fake_broker.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

class BrokerLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    auto pair = RpcPeer::CreatePair(RpcChannel::End::kBroker);
    link_.emplace(std::move(pair.second));
    broker_.emplace(std::move(pair.first));
  }
  void TearDown() override {
    link_.reset();
    broker_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  void AddLookup(uint64_t id) {
    BrokerLink::Addition added = link_->Add(id);
    added->mutable_lookup()->set_parent(1);
    added.Commit();
  }
  // The largest request that a decoder makes.
  void AddLargest(uint64_t id) {
    BrokerLink::Addition added = link_->Add(id);
    added->set_session(UINT64_MAX);
    auto& symlink = *added->mutable_symlink();
    symlink.set_parent(UINT64_MAX);
    symlink.set_name(std::string(kMaxNameBytes, 'n'));
    symlink.set_target(std::string(4095, 't'));
    symlink.mutable_credentials()->set_uid(UINT32_MAX);
    symlink.mutable_credentials()->set_gid(UINT32_MAX);
    symlink.mutable_security_context()->set_name(std::string(255, 's'));
    symlink.mutable_security_context()->set_value(std::string(65536, 'v'));
    for (int i = 0; i < rpc::kMaxSupplementaryGids; ++i) {
      symlink.mutable_credentials()->add_supplementary_gids(UINT32_MAX);
    }
    added.Commit();
  }
  void AddForgets(int count, uint64_t session = kSession) {
    for (int i = 0; i < count; ++i) {
      auto& item = *link_->Forget(session).mutable_forget()->add_items();
      item.set_node_id(UINT64_MAX);
      item.set_count(UINT64_MAX);
    }
  }
  // Sends until the socket takes no more; returns how many batches it took.
  uint64_t FillSocket() {
    uint64_t sent = 0;
    while (!link_->blocked()) {
      while (link_->HasRoom()) AddLargest(sent + 1);
      EXPECT_TRUE(link_->Flush().ok());
      if (!link_->blocked()) ++sent;
    }
    return sent;
  }

  static constexpr uint64_t kSession = 3;

  std::set<std::string> before_;
  std::optional<BrokerLink> link_;
  std::optional<FakeBroker> broker_;
};

TEST_F(BrokerLinkTest, RequestsGoOutTogetherAndInOrder) {
  AddLookup(7);
  BrokerLink::Addition added = link_->Add(8);
  added->mutable_get_attributes()->set_node_id(3);
  added.Commit();
  EXPECT_TRUE(broker_->Idle());
  ASSERT_TRUE(link_->Flush().ok());

  rpc::RequestBatch expected;
  auto& first = *expected.add_requests();
  first.set_id(7);
  first.mutable_lookup()->set_parent(1);
  auto& second = *expected.add_requests();
  second.set_id(8);
  second.mutable_get_attributes()->set_node_id(3);
  EXPECT_THAT(broker_->Take(), IsMessage(expected));
}

TEST_F(BrokerLinkTest, EmptyBatchIsNotSent) {
  EXPECT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokerLinkTest, NothingIsSentTwice) {
  AddLookup(7);
  ASSERT_TRUE(link_->Flush().ok());
  broker_->Take();
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokerLinkTest, RequestThatIsNotCommittedIsNotSent) {
  AddLookup(7);
  link_->Add(8)->mutable_lookup()->set_parent(1);
  AddLookup(9);
  ASSERT_TRUE(link_->Flush().ok());
  const rpc::RequestBatch batch = broker_->Take();
  ASSERT_EQ(batch.requests_size(), 2);
  EXPECT_EQ(batch.requests(0).id(), 7u);
  EXPECT_EQ(batch.requests(1).id(), 9u);
}

TEST_F(BrokerLinkTest, RequestThatIsNotCommittedLeavesNothingToTheNext) {
  link_->Add(7)->mutable_lookup()->set_name("old");
  BrokerLink::Addition added = link_->Add(8);
  added->mutable_lookup()->set_parent(2);
  added.Commit();
  ASSERT_TRUE(link_->Flush().ok());
  rpc::Request expected;
  expected.set_id(8);
  expected.mutable_lookup()->set_parent(2);
  EXPECT_THAT(broker_->TakeOne(), IsMessage(expected));
}

TEST_F(BrokerLinkTest, OnlyRequestThatIsNotCommittedSendsNothing) {
  link_->Add(7)->mutable_lookup()->set_parent(1);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokerLinkTest, CommittedRequestAloneAwaitsAReply) {
  (void)link_->Add(7);
  EXPECT_FALSE(link_->awaits_replies());
  AddLookup(8);
  EXPECT_TRUE(link_->awaits_replies());
}

TEST_F(BrokerLinkTest, CommittedRequestOutlivesItsMove) {
  BrokerLink::Addition added = link_->Add(7);
  added->mutable_lookup()->set_parent(1);
  BrokerLink::Addition moved = std::move(added);
  moved.Commit();
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_EQ(broker_->TakeOne().lookup().parent(), 1u);
}

TEST_F(BrokerLinkTest, BatchHas63RequestsAndAPlaceForForgets) {
  for (uint64_t id = 1; id <= 63; ++id) {
    ASSERT_TRUE(link_->HasRoom()) << id;
    AddLookup(id);
  }
  EXPECT_FALSE(link_->HasRoom());
  AddForgets(1);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_EQ(broker_->Take().requests_size(), 64);
  EXPECT_TRUE(link_->HasRoom());
}

TEST_F(BrokerLinkTest, BatchOfLargestRequestsEndsBeforeAMessageIsFull) {
  AddLargest(1);
  EXPECT_FALSE(link_->HasRoom());
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_EQ(broker_->Take().requests_size(), 1);
}

TEST_F(BrokerLinkTest, LargestRequestsAndMostForgetsFitOneMessage) {
  // As much as leaves the batch open.
  BrokerLink::Addition lookup = link_->Add(1);
  lookup->mutable_lookup()->set_name(std::string(16 * 1024 - 32, 'n'));
  lookup.Commit();
  AddForgets(kMaxForgetItems / 2 - 1);
  ASSERT_TRUE(link_->HasRoom());
  AddLargest(UINT64_MAX - 1);
  EXPECT_FALSE(link_->HasRoom());
  EXPECT_TRUE(link_->Flush().ok());
  EXPECT_FALSE(link_->blocked());
  EXPECT_GT(broker_->Take().ByteSizeLong(), 100'000u);
}

TEST_F(BrokerLinkTest, LargestRequestIsCountedBeforeTheNext) {
  AddLookup(1);
  EXPECT_TRUE(link_->HasRoom());
  AddLargest(2);
  EXPECT_FALSE(link_->HasRoom());
  EXPECT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(link_->HasRoom());
}

// ---- forgets ----

TEST_F(BrokerLinkTest, ForgetsAreJoinedIntoOneRequest) {
  AddForgets(1);
  AddLookup(7);
  AddForgets(2);
  ASSERT_TRUE(link_->Flush().ok());
  const rpc::RequestBatch batch = broker_->Take();
  ASSERT_EQ(batch.requests_size(), 2);
  EXPECT_TRUE(batch.requests(0).has_lookup());
  EXPECT_EQ(batch.requests(1).forget().items_size(), 3);
}

TEST_F(BrokerLinkTest, NextBatchHasForgetsOfItsOwn) {
  AddForgets(1);
  ASSERT_TRUE(link_->Flush().ok());
  broker_->Take();
  AddForgets(2);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_EQ(broker_->TakeOne().forget().items_size(), 2);
}

TEST_F(BrokerLinkTest, ForgetsOfEachSessionAreARequestOfTheirOwn) {
  AddForgets(1, 7);
  AddForgets(2, 8);
  ASSERT_TRUE(link_->Flush().ok());
  const rpc::RequestBatch batch = broker_->Take();
  ASSERT_EQ(batch.requests_size(), 2);
  EXPECT_EQ(batch.requests(0).session(), 7u);
  EXPECT_EQ(batch.requests(0).forget().items_size(), 1);
  EXPECT_EQ(batch.requests(1).session(), 8u);
  EXPECT_EQ(batch.requests(1).forget().items_size(), 2);
}

TEST_F(BrokerLinkTest, MostForgetsOfTwoSessionsFitOneMessage) {
  for (uint64_t id = 1; id <= 60; ++id) AddLookup(id);
  BrokerLink::Addition lookup = link_->Add(61);
  lookup->mutable_lookup()->set_name(std::string(14 * 1024, 'n'));
  lookup.Commit();
  AddForgets(kMaxForgetItems / 2 - 1, UINT64_MAX);
  ASSERT_TRUE(link_->HasRoom());
  AddForgets(kMaxForgetItems, UINT64_MAX - 1);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_FALSE(link_->blocked());
  EXPECT_EQ(broker_->Take().requests_size(), 63);
}

TEST_F(BrokerLinkTest, EmptyForgetIsNeverSent) {
  link_->Forget(kSession);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokerLinkTest, EmptyForgetIsTakenOutFromAmongOthers) {
  AddLookup(7);
  link_->Forget(kSession);
  AddLookup(8);
  ASSERT_TRUE(link_->Flush().ok());
  const rpc::RequestBatch batch = broker_->Take();
  ASSERT_EQ(batch.requests_size(), 2);
  EXPECT_EQ(batch.requests(0).id(), 7u);
  EXPECT_EQ(batch.requests(1).id(), 8u);
}

TEST_F(BrokerLinkTest, ForgetAfterATakenOutOneIsSent) {
  link_->Forget(kSession);
  ASSERT_TRUE(link_->Flush().ok());
  AddForgets(1);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_EQ(broker_->TakeOne().forget().items_size(), 1);
}

TEST_F(BrokerLinkTest, ForgetsMakeABatchFullLeavingRoomForOneMoreBatchForget) {
  AddForgets(kMaxForgetItems / 2 - 1);
  EXPECT_TRUE(link_->HasRoom());
  AddForgets(1);
  EXPECT_FALSE(link_->HasRoom());
  AddForgets(kMaxForgetItems - 1);
  ASSERT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(link_->HasRoom());
}

// ---- a full socket ----

TEST_F(BrokerLinkTest, FullSocketBlocksAndTheBatchWaits) {
  const uint64_t sent = FillSocket();
  ASSERT_GT(sent, 0u);
  EXPECT_FALSE(link_->HasRoom());
  EXPECT_TRUE(link_->Flush().ok());
  EXPECT_TRUE(link_->blocked());

  for (uint64_t i = 1; i <= sent; ++i) EXPECT_EQ(broker_->Take().requests(0).id(), i);
  pollfd writable{link_->fd(), POLLOUT, 0};
  EXPECT_EQ(poll(&writable, 1, 0), 1);
  ASSERT_TRUE(link_->Flush().ok());

  EXPECT_FALSE(link_->blocked());
  EXPECT_TRUE(link_->HasRoom());
  EXPECT_EQ(broker_->Take().requests(0).id(), sent + 1);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokerLinkTest, FullSocketHoldsUpNoReply) {
  FillSocket();
  broker_->Acknowledge(7);
  const auto replies = link_->Receive();
  ASSERT_TRUE(replies.ok());
  EXPECT_EQ(replies->batch->replies(0).id(), 7u);
}

TEST_F(BrokerLinkTest, SendingToABrokerThatIsGoneFails) {
  broker_.reset();
  AddLargest(7);  // Over the socket: what lies in the ring nobody misses.
  EXPECT_EQ(link_->Flush().errno_value(), EPIPE);
}

// ---- replies ----

TEST_F(BrokerLinkTest, NothingToReceiveIsEagain) {
  EXPECT_EQ(link_->Receive().errno_value(), EAGAIN);
}

TEST_F(BrokerLinkTest, ReplyComesWithItsDescriptors) {
  rpc::Reply reply;
  reply.set_id(7);
  reply.mutable_opened()->set_open_file_id(77);
  broker_->Send(reply, {STDIN_FILENO});

  const auto replies = link_->Receive();

  ASSERT_TRUE(replies.ok());
  ASSERT_EQ(replies->batch->replies_size(), 1);
  EXPECT_EQ(replies->batch->replies(0).opened().open_file_id(), 77u);
  ASSERT_EQ(replies->descriptors.size(), 1u);
  EXPECT_EQ(fcntl(replies->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(BrokerLinkTest, MalformedReplyIsEbadmsg) {
  ASSERT_TRUE(broker_->peer().Send(FuseBytes().Text("\x0a\xff\xff").bytes()).ok());
  EXPECT_EQ(link_->Receive().errno_value(), EBADMSG);
}

TEST_F(BrokerLinkTest, OverlongReplyIsEmsgsize) {
  const std::string text(kMaxMessageBytes + 1, 'x');
  ASSERT_GT(send(broker_->peer().fd(), text.data(), text.size(), MSG_NOSIGNAL), 0);
  // Nobody looks there before a message of the socket is announced, as this one's end is.
  ASSERT_TRUE(broker_->peer().Send(std::as_bytes(std::span(text)).first(40'000)).ok());
  EXPECT_EQ(link_->Receive().errno_value(), EMSGSIZE);
}

TEST_F(BrokerLinkTest, BrokerThatIsGoneIsConnectionReset) {
  broker_.reset();
  link_->PeerHasHungUp();  // So says poll(2).
  EXPECT_EQ(link_->Receive().errno_value(), ECONNRESET);
}

}  // namespace
}  // namespace postern
