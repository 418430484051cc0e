// What a FuseQueue does with a guest's requests.
#include "worker/queue/fuse_queue.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/worker/queue/fuse_queue_fixture.h"

namespace postern {
namespace {

class FuseQueueTest : public FuseQueueFixture {};

// ---- headers ----

class HeaderLengthTest : public FuseQueueTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(HeaderLengthTest, ThatLiesIsEinval) {
  StartSession();
  const FuseBytes arguments = FuseBytes().Name("name");  // 45 bytes in all.
  fuse_in_header header = FuseGuest::Header(FUSE_LOOKUP, 1, arguments.size());
  header.len = GetParam();
  guest_->SendHeader(header, arguments.bytes());
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  EXPECT_TRUE(broker_->Idle());
}

INSTANTIATE_TEST_SUITE_P(All, HeaderLengthTest,
                         testing::Values(0u, 1u, 39u, 40u, 44u, 46u, 0x7fffffffu, UINT32_MAX));

TEST_F(FuseQueueTest, BytesBehindTheHeadersLengthAreNoneOfTheRequest) {
  StartSession();
  const FuseBytes arguments = FuseBytes().Name("name").Text("garbage");
  fuse_in_header header = FuseGuest::Header(FUSE_LOOKUP, 1, 5);
  guest_->SendHeader(header, arguments.bytes());
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "name");
}

TEST_F(FuseQueueTest, RequestShorterThanAHeaderIsCompletedWithoutAnswer) {
  StartSession();
  const FuseBytes bytes = FuseBytes().Zeros(39);
  guest_->SendBytes(bytes.bytes(), 4096);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueTest, RequestWithoutReadableBytesIsCompletedWithoutAnswer) {
  StartSession();
  guest_->SendBytes({}, 4096);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
}

TEST_F(FuseQueueTest, RequestInManyDescriptorsIsOneRequest) {
  StartSession();
  const FuseBytes arguments = FuseBytes().Name("a longer name, in pieces of seven bytes each");
  fuse_in_header header = FuseGuest::Header(FUSE_LOOKUP, 1, arguments.size());
  const FuseBytes request = FuseBytes().Add(header).Raw(arguments.bytes());
  guest_->SendBytes(request.bytes(), 4096, /*piece=*/7);
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "a longer name, in pieces of seven bytes each");
}

TEST_F(FuseQueueTest, UnknownOpcodeIsEnosys) {
  StartSession();
  guest_->Send(FUSE_IOCTL, 1, FuseBytes().Zeros(32));
  ExpectError(ServeAndTakeAnswer(), ENOSYS);
  guest_->Send(UINT32_MAX, 1, FuseBytes());
  ExpectError(ServeAndTakeAnswer(), ENOSYS);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueTest, UnknownOpcodeWithoutRoomForAnAnswerIsCompleted) {
  StartSession();
  guest_->Send(UINT32_MAX, 1, FuseBytes(), 0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
}

TEST_F(FuseQueueTest, ArgumentsOver128KibibytesAreEinval) {
  StartSession();
  FuseBytes most;
  most.Add(fuse_batch_forget_in{2048, 0}).Zeros(128 * 1024 - most.size());
  FuseBytes name;
  name.Text(std::string(128 * 1024 + 1, 'n'));
  guest_->Send(FUSE_LOOKUP, 1, most);
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  guest_->Send(FUSE_LOOKUP, 1, name);
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueTest, ChainOutsideTheGuestsMemoryIsCompletedAndTheNextIsServed) {
  StartSession();
  guest_->driver().Descriptor(200, GuestMemory::kEnd - 8, 40);
  guest_->driver().Offer(200);
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(guest_->driver().used(1), (UsedElement{200, 0}));
  EXPECT_FALSE(virtqueue_->broken());
}

// ---- requests that the broker carries out ----

TEST_F(FuseQueueTest, LookupGoesToTheBrokerAndItsEntryToTheGuest) {
  StartSession();
  const rpc::Request asked = AskLookup();
  EXPECT_EQ(asked.lookup().parent(), kNode);
  EXPECT_EQ(asked.lookup().name(), "name");
  EXPECT_NE(asked.id(), 0u);
  EXPECT_TRUE(Unanswered());
  EXPECT_EQ(virtqueue_->in_flight(), 1u);

  broker_->Send(EntryReply(asked.id(), 9));
  const FuseAnswer answer = ServeAndTakeAnswer();

  EXPECT_EQ(answer.header.error, 0);
  EXPECT_EQ(answer.written, 16u + 128u);
  EXPECT_EQ(ReadAs<fuse_entry_out>(answer.payload).nodeid, 9u);
  EXPECT_EQ(virtqueue_->in_flight(), 0u);
}

TEST_F(FuseQueueTest, RequestsOfOnePassGoOutInOneMessage) {
  StartSession();
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("one"));
  guest_->Send(FUSE_FORGET, 8, FuseBytes().Add(fuse_forget_in{1}), 0);
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("two"));
  guest_->Send(FUSE_FORGET, 9, FuseBytes().Add(fuse_forget_in{2}), 0);
  ASSERT_EQ(Serve(), 0);
  const rpc::RequestBatch batch = broker_->Take();
  ASSERT_EQ(batch.requests_size(), 3);
  EXPECT_EQ(batch.requests(0).lookup().name(), "one");
  EXPECT_EQ(batch.requests(1).lookup().name(), "two");
  EXPECT_EQ(batch.requests(2).forget().items_size(), 2);
  EXPECT_NE(batch.requests(0).id(), batch.requests(1).id());
}

TEST_F(FuseQueueTest, RepliesInAnyOrderReachTheirRequests) {
  StartSession();
  const uint16_t first = guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("one"));
  const uint16_t second = guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("two"));
  ASSERT_EQ(Serve(), 0);
  const rpc::RequestBatch asked = broker_->Take();
  ASSERT_EQ(asked.requests_size(), 2);
  rpc::ReplyBatch replies;
  *replies.add_replies() = EntryReply(asked.requests(1).id(), 22);
  *replies.add_replies() = EntryReply(asked.requests(0).id(), 11);
  broker_->Send(replies);

  const FuseAnswer one = ServeAndTakeAnswer();
  const FuseAnswer two = TakeAnswer();

  EXPECT_EQ(one.head, second);
  EXPECT_EQ(ReadAs<fuse_entry_out>(one.payload).nodeid, 22u);
  EXPECT_EQ(two.head, first);
  EXPECT_EQ(ReadAs<fuse_entry_out>(two.payload).nodeid, 11u);
}

TEST_F(FuseQueueTest, MoreRequestsThanAPassTakesAreAllServed) {
  StartSession();
  for (int i = 0; i < 100; ++i) guest_->Send(FUSE_GETATTR, 1, FuseBytes().Zeros(16));
  EXPECT_TRUE(queue_->TakeRequests(*virtqueue_));
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(broker_->Take().requests_size(), 63);
  EXPECT_EQ(broker_->Take().requests_size(), 37);
  EXPECT_EQ(virtqueue_->in_flight(), 100u);
}

TEST_F(FuseQueueTest, BadRequestIsEinvalAndLeavesNoTraceInTheBatch) {
  StartSession();
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("../x"));
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("good"));
  guest_->Send(FUSE_RENAME2, 1, FuseBytes().Add(fuse_rename2_in{}).Name("old").Name("/"));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  ExpectError(TakeAnswer(), EINVAL);
  EXPECT_EQ(broker_->TakeOne().lookup().name(), "good");
}

class BrokerErrorTest : public FuseQueueTest,
                        public testing::WithParamInterface<std::pair<uint32_t, int>> {};

TEST_P(BrokerErrorTest, ReachesTheGuest) {
  StartSession();
  broker_->Fail(AskLookup().id(), GetParam().first);
  ExpectError(ServeAndTakeAnswer(), GetParam().second);
}

// Linux takes -511 to 0 from a FUSE server; what lies beyond are codes of the kernel's own.
INSTANTIATE_TEST_SUITE_P(All, BrokerErrorTest,
                         testing::Values(std::pair(1u, EPERM), std::pair(2u, ENOENT),
                                         std::pair(133u, EHWPOISON), std::pair(511u, 511),
                                         std::pair(512u, EIO), std::pair(4095u, EIO),
                                         std::pair(4096u, EIO), std::pair(0x80000000u, EIO),
                                         std::pair(UINT32_MAX, EIO)));

TEST_F(FuseQueueTest, AnswerOfTheWrongKindIsEio) {
  StartSession();
  rpc::Reply reply;
  reply.set_id(AskLookup().id());
  reply.set_link_target("target");
  broker_->Send(reply);
  ExpectError(ServeAndTakeAnswer(), EIO);
}

TEST_F(FuseQueueTest, EntryTooLargeForTheGuestsBufferIsEioAndForgotten) {
  StartSession();
  broker_->Send(EntryReply(AskLookup(16 + 127).id(), 9));
  ExpectError(ServeAndTakeAnswer(), EIO);
  rpc::Request forget = broker_->TakeOne();
  ASSERT_EQ(forget.forget().items_size(), 1);
  EXPECT_EQ(forget.forget().items(0).node_id(), 9u);
  EXPECT_EQ(forget.forget().items(0).count(), 1u);
}

TEST_F(FuseQueueTest, EntryThatJustFitsIsDelivered) {
  StartSession();
  broker_->Send(EntryReply(AskLookup(16 + 128).id(), 9));
  EXPECT_EQ(ServeAndTakeAnswer().written, 144u);
  EXPECT_TRUE(broker_->Idle());
}

class TooSmallForAHeaderTest : public FuseQueueTest,
                               public testing::WithParamInterface<uint32_t> {};

TEST_P(TooSmallForAHeaderTest, ReplyIsNotWrittenAndItsEntryIsForgotten) {
  StartSession();
  broker_->Send(EntryReply(AskLookup(GetParam()).id(), 9));
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  const rpc::Request forget = broker_->TakeOne();
  ASSERT_EQ(forget.forget().items_size(), 1);
  EXPECT_EQ(forget.forget().items(0).node_id(), 9u);
}

INSTANTIATE_TEST_SUITE_P(All, TooSmallForAHeaderTest, testing::Values(0u, 1u, 15u));

TEST_F(FuseQueueTest, LargeReplyWithoutEntryIsEioAndForgetsNothing) {
  StartSession();
  rpc::Reply reply;
  reply.set_id(Ask(FUSE_READLINK, FuseBytes(), 16 + 3).id());
  reply.set_link_target("long");
  broker_->Send(reply);
  ExpectError(ServeAndTakeAnswer(), EIO);
  EXPECT_TRUE(broker_->Idle());
}

// Each listing's lookups alone would fill a batch.
TEST_F(FuseQueueTest, UndeliveredListingsAreForgottenWhateverTheirNumber) {
  StartSession();
  constexpr int kListings = 4;
  constexpr int kEntries = 3000;
  for (int i = 0; i < kListings; ++i) {
    guest_->Send(FUSE_READDIRPLUS, kNode, FuseBytes().Add(fuse_read_in{40, 0, 4096, 0, 0, 0, 0}),
                 64);
  }
  ASSERT_EQ(Serve(), 0);
  const rpc::RequestBatch asked = broker_->Take();
  for (const rpc::Request& request : asked.requests()) {
    rpc::Reply reply;
    reply.set_id(request.id());
    for (int i = 0; i < kEntries; ++i) {
      auto& item = *reply.mutable_listing()->add_items();
      item.set_name("n");
      item.mutable_entry()->set_node_id(9);
    }
    broker_->Send(reply);
    ASSERT_EQ(Serve(), 0);
    ExpectError(TakeAnswer(), EIO);
  }
  int forgotten = 0;
  while (forgotten < kListings * kEntries) {
    ASSERT_EQ(Serve(), 0);
    const int items = broker_->TakeOne().forget().items_size();
    ASSERT_GT(items, 0);
    ASSERT_LE(items, 4096);
    forgotten += items;
  }
  EXPECT_EQ(forgotten, kListings * kEntries);
  EXPECT_TRUE(broker_->Idle());
}

class NeverServedTest : public FuseQueueTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(NeverServedTest, IsEnosys) {
  StartSession();
  guest_->Send(GetParam(), 1, FuseBytes().Zeros(48));
  ExpectError(ServeAndTakeAnswer(), ENOSYS);
  EXPECT_TRUE(broker_->Idle());
}

INSTANTIATE_TEST_SUITE_P(All, NeverServedTest,
                         testing::Values(FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW, FUSE_BMAP, FUSE_IOCTL,
                                         FUSE_POLL, FUSE_NOTIFY_REPLY, FUSE_SETUPMAPPING,
                                         FUSE_REMOVEMAPPING));

// ---- requests without an answer ----

TEST_F(FuseQueueTest, ForgetIsSentAndHasNoAnswer) {
  StartSession();
  guest_->Send(FUSE_FORGET, 9, FuseBytes().Add(fuse_forget_in{3}), 0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  const rpc::Request asked = broker_->TakeOne();
  ASSERT_EQ(asked.forget().items_size(), 1);
  EXPECT_EQ(asked.forget().items(0).node_id(), 9u);
  EXPECT_EQ(asked.forget().items(0).count(), 3u);
}

TEST_F(FuseQueueTest, ForgetHasNoAnswerEvenWhereThereIsRoomForOne) {
  StartSession();
  guest_->Send(FUSE_FORGET, 9, FuseBytes().Add(fuse_forget_in{3}), 4096);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  guest_->Send(FUSE_FORGET, 9, FuseBytes(), 4096);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
}

TEST_F(FuseQueueTest, MalformedForgetIsNotSent) {
  StartSession();
  guest_->Send(FUSE_FORGET, 9, FuseBytes().Zeros(7), 0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  guest_->Send(FUSE_BATCH_FORGET, 0, FuseBytes().Add(fuse_batch_forget_in{UINT32_MAX, 0}).Zeros(16),
               0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueTest, MalformedForgetTakesNoOtherAlong) {
  StartSession();
  guest_->Send(FUSE_FORGET, 9, FuseBytes().Add(fuse_forget_in{3}), 0);
  guest_->Send(FUSE_BATCH_FORGET, 0,
               FuseBytes().Add(fuse_batch_forget_in{1, 0}).Add(fuse_forget_one{8, 1}).Zeros(1), 0);
  ASSERT_EQ(Serve(), 0);
  const rpc::Request asked = broker_->TakeOne();
  ASSERT_EQ(asked.forget().items_size(), 1);
  EXPECT_EQ(asked.forget().items(0).node_id(), 9u);
}

TEST_F(FuseQueueTest, AFloodOfForgetsIsSentInMessagesThatTheBrokerTakes) {
  StartSession();
  FuseBytes batch;
  batch.Add(fuse_batch_forget_in{2048, 0});
  for (uint64_t i = 0; i < 2048; ++i) batch.Add(fuse_forget_one{UINT64_MAX - i, UINT64_MAX});
  int received = 0;
  for (int i = 0; i < 3; ++i) {
    guest_->Send(FUSE_FORGET, 9, FuseBytes().Add(fuse_forget_in{1}), 0);
    guest_->Send(FUSE_BATCH_FORGET, 0, batch, 0);
  }
  while (received < 3 * 2049) {
    ASSERT_EQ(Serve(), 0);
    const int items = broker_->TakeOne().forget().items_size();
    ASSERT_GT(items, 0);
    ASSERT_LE(items, 4096);
    received += items;
  }
  EXPECT_EQ(received, 3 * 2049);
}

TEST_F(FuseQueueTest, InterruptIsCompletedAndNotSent) {
  StartSession();
  guest_->Send(FUSE_INTERRUPT, 0, FuseBytes().Add(fuse_interrupt_in{4}), 0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  EXPECT_TRUE(broker_->Idle());
}

// ---- a driver that sleeps ----

// As one on the queue's own processor does: it takes what is there and sleeps again, each time that
// it is notified.
class SleepingDriverTest : public FuseQueueTest {
 protected:
  void Begin() {
    StartSession();
    guest_->EnableNotification();
    queue_->set_notify([this] {
      ++notifications_;
      while (guest_->TakeAnswer()) ++answers_;
      guest_->EnableNotification();
    });
  }

  int notifications_ = 0;
  int answers_ = 0;
};

TEST_F(SleepingDriverTest, FirstAndEachSixteenthOfTheRepliesTakenTogetherWakeIt) {
  Begin();
  for (int i = 0; i < 40; ++i) guest_->Send(FUSE_LOOKUP, kNode, FuseBytes().Name("name"));
  ASSERT_EQ(Serve(), 0);
  const rpc::RequestBatch asked = broker_->Take();
  rpc::ReplyBatch replies;
  for (const rpc::Request& request : asked.requests()) {
    *replies.add_replies() = EntryReply(request.id(), 9);
  }
  ASSERT_EQ(replies.replies_size(), 40);
  broker_->Send(replies);
  ASSERT_TRUE(queue_->TakeReplies(virtqueue_.get()).ok());
  EXPECT_EQ(notifications_, 3);
  EXPECT_EQ(answers_, 33);
  EXPECT_TRUE(virtqueue_->Publish()) << "the others wake it when all is done";
}

TEST_F(SleepingDriverTest, WhatIsDoneWithoutTheBrokerWakesItEachTime) {
  Begin();
  for (int i = 0; i < 5; ++i)
    guest_->Send(FUSE_INTERRUPT, 0, FuseBytes().Add(fuse_interrupt_in{4}), 0);
  ASSERT_FALSE(queue_->TakeRequests(*virtqueue_));
  EXPECT_EQ(notifications_, 5);
  EXPECT_EQ(answers_, 5);
}

}  // namespace
}  // namespace postern
