// A FuseQueue before, at and after INIT.
#include <gtest/gtest.h>

#include "tests/unit/worker/queue/fuse_queue_fixture.h"
#include "worker/queue/fuse_queue.h"

namespace postern {
namespace {

class FuseQueueSessionTest : public FuseQueueFixture {};

TEST_F(FuseQueueSessionTest, RequestBeforeInitIsEio) {
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("name"));
  ExpectError(ServeAndTakeAnswer(), EIO);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueSessionTest, ForgetBeforeInitIsCompletedAndNotSent) {
  guest_->Send(FUSE_FORGET, 9, FuseBytes().Add(fuse_forget_in{1}), 0);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueSessionTest, InitIsAnsweredWhenTheBrokerHasBegun) {
  guest_->Send(FUSE_INIT, 0, InitArguments(7, 41, FUSE_ASYNC_READ | FUSE_INIT_EXT, 1u << 2));
  ASSERT_EQ(Serve(), 0);
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_TRUE(asked.initialize().supplementary_groups());
  EXPECT_TRUE(Unanswered());
  EXPECT_FALSE(shared_->session.active());

  broker_->Acknowledge(asked.id());
  const FuseAnswer answer = ServeAndTakeAnswer();

  EXPECT_EQ(answer.header.error, 0);
  EXPECT_EQ(answer.written, 80u);
  const auto out = ReadAs<fuse_init_out>(answer.payload);
  EXPECT_EQ(out.major, 7u);
  EXPECT_EQ(out.flags, uint32_t{FUSE_ASYNC_READ | FUSE_INIT_EXT});
  EXPECT_EQ(out.flags2, 4u);
  EXPECT_TRUE(shared_->session.active());
  EXPECT_TRUE(shared_->session.enabled(kFuseCreateSuppGroup));
}

TEST_F(FuseQueueSessionTest, InitOf16BytesIsEnough) {
  guest_->Send(FUSE_INIT, 0, InitArguments(7, 31, FUSE_ASYNC_READ).bytes().first(16));
  ASSERT_EQ(Serve(), 0);
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_TRUE(asked.has_initialize());
  EXPECT_FALSE(asked.initialize().supplementary_groups());
  broker_->Acknowledge(asked.id());
  EXPECT_EQ(ServeAndTakeAnswer().written, 80u);
}

TEST_F(FuseQueueSessionTest, InitOf15BytesIsEinval) {
  guest_->Send(FUSE_INIT, 0, InitArguments().bytes().first(15));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueSessionTest, InitOfAnOldVersionIsEproto) {
  guest_->Send(FUSE_INIT, 0, InitArguments(7, 26));
  ExpectError(ServeAndTakeAnswer(), EPROTO);
  EXPECT_TRUE(broker_->Idle());
  EXPECT_FALSE(shared_->session.active());
}

TEST_F(FuseQueueSessionTest, InitOfVersion8IsAnsweredWithoutTheBrokerAndBeginsNothing) {
  guest_->Send(FUSE_INIT, 0, InitArguments(8, 0));
  const FuseAnswer answer = ServeAndTakeAnswer();
  EXPECT_EQ(answer.header.error, 0);
  EXPECT_EQ(ReadAs<fuse_init_out>(answer.payload).major, 7u);
  EXPECT_TRUE(broker_->Idle());
  EXPECT_FALSE(shared_->session.active());
}

TEST_F(FuseQueueSessionTest, InitThatTheBrokerRefusesBeginsNothing) {
  guest_->Send(FUSE_INIT, 0, InitArguments());
  ASSERT_EQ(Serve(), 0);
  broker_->Fail(broker_->TakeOne().id(), ENOMEM);
  ExpectError(ServeAndTakeAnswer(), ENOMEM);
  EXPECT_FALSE(shared_->session.active());
}

TEST_F(FuseQueueSessionTest, InitWithoutRoomForItsReplyIsEio) {
  guest_->Send(FUSE_INIT, 0, InitArguments(), 79);
  ASSERT_EQ(Serve(), 0);
  broker_->Acknowledge(broker_->TakeOne().id());
  ExpectError(ServeAndTakeAnswer(), EIO);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueSessionTest, SecondInitEndsTheFirstSession) {
  StartSession(FUSE_INIT_EXT, 1u << 2);
  OpenFileOf(MemoryFile("0123"));
  guest_->Send(FUSE_INIT, 0, InitArguments());
  ASSERT_EQ(Serve(), 0);
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_TRUE(asked.has_initialize());
  EXPECT_FALSE(shared_->open_files.Find(OpenFileId(kFile), NodeId(kNode)).ok());
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("name"));
  ExpectError(ServeAndTakeAnswer(), EIO);

  broker_->Acknowledge(asked.id());
  EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  EXPECT_TRUE(shared_->session.active());
  EXPECT_FALSE(shared_->session.enabled(kFuseCreateSuppGroup));
}

TEST_F(FuseQueueSessionTest, DestroyEndsTheSessionAndIsAnswered) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  const rpc::Request asked = Ask(FUSE_DESTROY, FuseBytes());
  EXPECT_TRUE(asked.has_reset());
  EXPECT_FALSE(shared_->session.active());
  EXPECT_FALSE(shared_->open_files.Find(OpenFileId(kFile), NodeId(kNode)).ok());
  broker_->Acknowledge(asked.id());
  ExpectError(ServeAndTakeAnswer(), 0);
  guest_->Send(FUSE_LOOKUP, 1, FuseBytes().Name("name"));
  ExpectError(ServeAndTakeAnswer(), EIO);
}

TEST_F(FuseQueueSessionTest, MalformedDestroyLeavesTheSession) {
  StartSession();
  fuse_in_header header{};
  header.len = sizeof(header) - 1;
  header.opcode = FUSE_DESTROY;
  guest_->SendHeader(header, {});
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  EXPECT_TRUE(shared_->session.active());
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueSessionTest, EndSessionResetsTheBrokerAndEndsWithItsAnswer) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  queue_->EndSession();
  ASSERT_TRUE(queue_->Flush().ok());
  EXPECT_FALSE(shared_->session.active());
  EXPECT_FALSE(shared_->open_files.Find(OpenFileId(kFile), NodeId(kNode)).ok());
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_TRUE(asked.has_reset());
  EXPECT_FALSE(queue_->session_ended());

  broker_->Acknowledge(asked.id());
  EXPECT_TRUE(queue_->TakeReplies(nullptr).ok());  // There may be no ring any more.
  EXPECT_TRUE(queue_->session_ended());
}

// On another queue: this one's answer comes when the table has been emptied already.
TEST_F(FuseQueueSessionTest, FileOpenedForAnEndedSessionIsNotKept) {
  StartSession();
  const rpc::Request open = Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{}));
  shared_->session.End();
  shared_->open_files.Clear();
  shared_->session.Begin(0);
  const size_t descriptors = OpenDescriptors().size();
  const UniqueFd fd = MemoryFile("0123");
  broker_->Send(OpenedReply(open.id()), {fd.get()});
  ExpectError(ServeAndTakeAnswer(), EIO);
  EXPECT_FALSE(shared_->open_files.Find(OpenFileId(kFile), NodeId(kNode)).ok());
  EXPECT_EQ(OpenDescriptors().size(), descriptors + 1);
}

TEST_F(FuseQueueSessionTest, InitWithPosixAclsSaysSoToTheBroker) {
  shared_->options.posix_acl = true;
  guest_->Send(FUSE_INIT, 0,
               InitArguments(7, 38, FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT));
  ASSERT_EQ(Serve(), 0);
  EXPECT_TRUE(broker_->TakeOne().initialize().posix_acl());
}

TEST_F(FuseQueueSessionTest, InitWithoutPosixAclsSaysSoToTheBroker) {
  guest_->Send(FUSE_INIT, 0,
               InitArguments(7, 38, FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT));
  ASSERT_EQ(Serve(), 0);
  EXPECT_FALSE(broker_->TakeOne().initialize().posix_acl());
}

}  // namespace
}  // namespace postern
