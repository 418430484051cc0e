// Requests out of state, channels that end, and the control channel.
#include <fcntl.h>
#include <sys/socket.h>

#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

using SessionTest = HostileWorkerTest;

// One of each family.
std::vector<rpc::Request> SomeRequests() {
  return {requests::Lookup(1, "file"),        requests::GetAttributes(1),
          requests::Create("new", O_RDWR),    requests::MakeDirectory("new"),
          requests::Open(1, O_RDONLY),        requests::OpenDirectory(1),
          requests::Unlink(1, "file"),        requests::WriteFile(1, 1, 0, "x"),
          requests::SetXattr(1, "user.x", "")};
}

TEST_F(SessionTest, NothingIsServedBeforeTheFirstInit) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--xattr"}, /*initialize=*/false));
  for (const auto& answer : broker().Ask(SomeRequests())) EXPECT_EQ(answer.error(), EIO);
  broker().Ask(requests::Forget(kRoot, 1));
  EXPECT_EQ(Ask(requests::Reset()).error(), 0);
  EXPECT_EQ(Ask(requests::Initialize()).error(), 0);
  ExpectServes();
}

TEST_F(SessionTest, NothingIsServedAfterTheEnd) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--xattr"}));
  LearnIds();
  EXPECT_EQ(Ask(requests::Reset()).error(), 0);
  for (const auto& answer : broker().Ask(SomeRequests())) EXPECT_EQ(answer.error(), EIO);
  EXPECT_EQ(Ask(requests::Reset()).error(), 0);
}

TEST_F(SessionTest, InitInsideABatchEndsWhatWasBefore) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const Known known = LearnIds();
  const auto answers = broker().Ask({requests::GetAttributes(known.file), requests::Initialize(),
                                     requests::GetAttributes(known.file), requests::Reset(),
                                     requests::GetAttributes(kRoot), requests::Initialize(),
                                     requests::GetAttributes(kRoot)});
  EXPECT_EQ(answers[0].error(), 0);
  EXPECT_EQ(answers[2].error(), EBADF);
  EXPECT_EQ(answers[4].error(), EIO);
  EXPECT_EQ(answers[6].error(), 0);
}

TEST_F(SessionTest, TenThousandInitsLeaveNothingBehind) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const std::vector<rpc::Request> batch(64, requests::Initialize());
  broker().Ask(batch);  // What the first ones allocate stays, for the next.
  const size_t descriptors = broker().Descriptors();
  const size_t memory = broker().ResidentKib();
  for (int i = 0; i < 10'000 / 64; ++i) {
    const auto answers = broker().Ask(batch, static_cast<size_t>(i) % broker().channels());
    ASSERT_EQ(answers.back().error(), 0);
  }
  EXPECT_TRUE(Eventually([&] { return broker().Descriptors() == descriptors; }));
#ifndef POSTERN_SANITIZED  // There freed memory is kept for a while.
  EXPECT_LE(broker().ResidentKib(), memory + 4096);
#else
  (void)memory;
#endif
}

// Each session begins while another channel works in the one before.
TEST_F(SessionTest, InitsWhileOperationsRunOnAnotherChannel) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  rpc::RequestBatch work, inits;
  for (uint64_t i = 1; i <= 64; ++i) {
    *work.add_requests() = requests::WithId(requests::Create("f" + std::to_string(i), O_RDWR), i);
    *inits.add_requests() = requests::WithId(requests::Initialize(), i);
  }
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(broker().channel(0).SendMessage(work).ok());
    ASSERT_TRUE(broker().channel(1).SendMessage(inits).ok());
    for (const size_t channel : {size_t{0}, size_t{1}}) {
      for (int answered = 0; answered < 64;) {
        rpc::ReplyBatch replies;
        ASSERT_TRUE(broker().channel(channel).ReceiveMessage(replies, kMaxMessageDescriptors).ok());
        for (const rpc::Reply& reply : replies.replies()) EXPECT_EQ(reply.error(), 0u);
        answered += replies.replies_size();
      }
    }
  }
}

TEST_F(SessionTest, HalfClosedChannelStopsThatChannelOnly) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(shutdown(broker().channel(1).fd(), SHUT_WR), 0);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  }
}

TEST_F(SessionTest, ChannelThatTakesNoRepliesStopsThatChannelOnly) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(shutdown(broker().channel(1).fd(), SHUT_RD), 0);
  (void)broker().SendRaw(requests::BatchOf(requests::GetAttributes(kRoot)));
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  }
}

TEST_F(SessionTest, ChannelClosedInMidBatchStopsThatChannelOnly) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  std::vector<rpc::Request> batch;
  for (uint64_t i = 1; i <= 64; ++i) {
    batch.push_back(requests::WithId(requests::Create("f" + std::to_string(i), O_RDWR), i));
  }
  for (int i = 0; i < 10; ++i) ASSERT_EQ(broker().SendRaw(requests::BatchOf(batch)), 0);
  broker().channel(1).TakeSocket().Reset();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  }
}

TEST_F(SessionTest, AllChannelsClosedIsNotTheEndOfTheBroker) {
  // The launcher says when that is.
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--request-queues=4"}));
  ASSERT_EQ(broker().channels(), 5u);
  for (size_t i = 1; i < broker().channels(); ++i) broker().channel(i).TakeSocket().Reset();
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  EXPECT_TRUE(broker().IsAlive());
}

TEST_F(SessionTest, GarbageOnTheControlChannelIsNoCommand) {
  // The worker has no end of it; were it to get one, there is nothing to say.
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  for (const std::string& bytes :
       Words{"\xff\xff\xff", std::string(1000, '\0'), requests::BatchOf(requests::Initialize())}) {
    ASSERT_TRUE(broker().control().Send(std::as_bytes(std::span(bytes))).ok());
  }
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 1).error(), 0);
}

}  // namespace
}  // namespace postern
