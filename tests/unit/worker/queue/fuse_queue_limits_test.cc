// Files that the broker has opened and the guest doesn't get: given back, and nothing else is
// disturbed.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/unit/worker/queue/fuse_queue_fixture.h"
#include "worker/queue/fuse_queue.h"

namespace postern {
namespace {

class FuseQueueLimitsTest : public FuseQueueFixture {
 protected:
  rpc::Request AskOpen() { return Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{})); }
  // That the broker is asked to release kFile, and that its answer goes to nobody.
  void ExpectReleased() {
    const rpc::Request request = broker_->TakeOne();
    ASSERT_TRUE(request.has_release());
    EXPECT_EQ(request.release().open_file_id(), kFile);
    EXPECT_EQ(request.release().node_id(), kNode);
    broker_->Acknowledge(request.id());
    EXPECT_EQ(Serve(), 0);
    EXPECT_TRUE(Unanswered());
  }
};

TEST_F(FuseQueueLimitsTest, DescriptorForWhichThereIsNoRoomIsEmfileAndReleased) {
#ifdef POSTERN_SANITIZED
  GTEST_SKIP() << "a sanitizer looks at memory through a pipe, which needs descriptors";
#endif
  StartSession();
  const UniqueFd file = MemoryFile("");
  broker_->Send(OpenedReply(AskOpen().id()), {file.get()});
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // The kernel gives no descriptor a number that isn't below the limit.
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const int served = Serve();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(served, 0);
  ExpectError(TakeAnswer(), EMFILE);
  ASSERT_NO_FATAL_FAILURE(ExpectReleased());
  OpenFileOf(MemoryFile("0123456789"));
}

TEST_F(FuseQueueLimitsTest, FileBeyondTheLimitIsEmfileAndTheBrokerIsNotAsked) {
  StartSession();
  shared_->open_files.set_limit(0);
  const FuseBytes create = FuseBytes().Add(fuse_create_in{}).Name("name");
  guest_->Send(FUSE_OPEN, kNode, FuseBytes().Add(fuse_open_in{O_TRUNC | O_RDWR, 0}));
  guest_->Send(FUSE_CREATE, kNode, create);
  guest_->Send(FUSE_TMPFILE, kNode, create);
  ASSERT_EQ(Serve(), 0);
  for (int i = 0; i < 3; ++i) ExpectError(TakeAnswer(), EMFILE);
  EXPECT_TRUE(broker_->Idle());
  // A directory takes no room here.
  EXPECT_TRUE(Ask(FUSE_OPENDIR, FuseBytes().Add(fuse_open_in{})).has_open_directory());
}

TEST_F(FuseQueueLimitsTest, OpensUnderWayCountAndThoseThatFailMakeRoom) {
  StartSession();
  shared_->open_files.set_limit(1);
  const uint64_t id = AskOpen().id();
  guest_->Send(FUSE_OPEN, kNode, FuseBytes().Add(fuse_open_in{}));
  ExpectError(ServeAndTakeAnswer(), EMFILE);
  EXPECT_TRUE(broker_->Idle());
  broker_->Fail(id, EACCES);
  ExpectError(ServeAndTakeAnswer(), EACCES);
  OpenFileOf(MemoryFile("0123456789"));
}

TEST_F(FuseQueueLimitsTest, ReleasedFileMakesRoomForTheNext) {
  StartSession();
  shared_->open_files.set_limit(1);
  OpenFileOf(MemoryFile("0123456789"));
  broker_->Acknowledge(Ask(FUSE_RELEASE, FuseBytes().Add(fuse_release_in{kFile, 0, 0, 0})).id());
  EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  OpenFileOf(MemoryFile("0123456789"));
}

TEST_F(FuseQueueLimitsTest, AnswerToAReleaseThatNobodyAskedForIsEbadmsg) {
  StartSession();
  broker_->Acknowledge(uint64_t{1} << 62);
  EXPECT_EQ(Serve(), EBADMSG);
}

}  // namespace
}  // namespace postern
