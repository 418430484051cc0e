// A FuseQueue's open files, and what it makes of a broker that breaks the protocol.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/unit/worker/queue/fuse_queue_fixture.h"
#include "worker/queue/fuse_queue.h"

namespace postern {
namespace {

// ---- files ----

class FuseQueueFileTest : public FuseQueueFixture {
 protected:
  static FuseBytes WriteArguments(uint32_t size, uint64_t offset, const std::string& data) {
    return FuseBytes().Add(fuse_write_in{kFile, offset, size, 0, 0, 0, 0}).Text(data);
  }
};

TEST_F(FuseQueueFileTest, ReadBringsTheFilesBytesAndAsksNobody) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_READ, kNode, ReadArguments(4, 3));
  ASSERT_EQ(Serve(), 0);
  const FuseAnswer answer = TakeCompletedAnswer();
  EXPECT_EQ(answer.header.error, 0);
  EXPECT_EQ(answer.written, 20u);
  EXPECT_EQ(ToString(answer.payload), "3456");
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(FuseQueueFileTest, ReadAtTheEndIsShort) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_READ, kNode, ReadArguments(100, 8));
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(ToString(TakeCompletedAnswer().payload), "89");
}

TEST_F(FuseQueueFileTest, ReadOfMoreThanTheGuestsBufferIsEinval) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_READ, kNode, ReadArguments(5), 16 + 4);
  ExpectError(ServeAndTakeAnswer(), EINVAL);
}

TEST_F(FuseQueueFileTest, ReadOfNothingWithoutRoomForAHeaderIsCompleted) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_READ, kNode, ReadArguments(0), 15);
  EXPECT_EQ(ServeAndTakeAnswer().written, 0u);
}

TEST_F(FuseQueueFileTest, WriteStoresTheGuestsBytes) {
  StartSession();
  const UniqueFd file = MemoryFile("0123456789");
  OpenFileOf(file);
  guest_->Send(FUSE_WRITE, kNode, WriteArguments(3, 4, "abc"));
  const FuseAnswer answer = ServeAndTakeAnswer();
  EXPECT_EQ(answer.header.error, 0);
  EXPECT_EQ(ReadAs<fuse_write_out>(answer.payload).size, 3u);
  char content[10];
  ASSERT_EQ(pread(file.get(), content, 10, 0), 10);
  EXPECT_EQ(std::string(content, 10), "0123abc789");
}

TEST_F(FuseQueueFileTest, WriteLargerThanTheArgumentBufferIsStored) {
  StartSession();
  const UniqueFd file = MemoryFile("");
  OpenFileOf(file);
  const std::string data(512 * 1024, 'w');
  guest_->Send(FUSE_WRITE, kNode, WriteArguments(512 * 1024, 0, data));
  EXPECT_EQ(ReadAs<fuse_write_out>(ServeAndTakeAnswer().payload).size, 512u * 1024);
  EXPECT_EQ(lseek(file.get(), 0, SEEK_END), 512 * 1024);
}

TEST_F(FuseQueueFileTest, WriteOfMoreThanTheRequestHoldsIsEinval) {
  StartSession();
  const UniqueFd file = MemoryFile("0123");
  OpenFileOf(file);
  guest_->Send(FUSE_WRITE, kNode, WriteArguments(4, 0, "abc"));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  guest_->Send(FUSE_WRITE, kNode, WriteArguments(1, 0, ""));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  guest_->Send(FUSE_WRITE, kNode, FuseBytes().Zeros(39));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
}

TEST_F(FuseQueueFileTest, WriteWhoseHeaderClaimsMoreThanTheRequestHoldsIsEinval) {
  StartSession();
  const UniqueFd file = MemoryFile("0123");
  OpenFileOf(file);
  const FuseBytes arguments = WriteArguments(4, 0, "abc");
  fuse_in_header header = FuseGuest::Header(FUSE_WRITE, kNode, arguments.size() + 1);
  guest_->SendHeader(header, arguments.bytes());
  ExpectError(ServeAndTakeAnswer(), EINVAL);
}

TEST_F(FuseQueueFileTest, WriteWithoutRoomForItsResultIsEio) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  guest_->Send(FUSE_WRITE, kNode, WriteArguments(3, 0, "abc"), 16);
  ExpectError(ServeAndTakeAnswer(), EIO);
}

TEST_F(FuseQueueFileTest, FileOfAnotherNodeIsEbadf) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  guest_->Send(FUSE_READ, kNode + 1, ReadArguments(4));
  ExpectError(ServeAndTakeAnswer(), EBADF);
}

TEST_F(FuseQueueFileTest, ReleasedFileIsClosedAndEbadf) {
  StartSession();
  const size_t open = OpenDescriptors().size();
  OpenFileOf(MemoryFile("0123"));
  EXPECT_EQ(OpenDescriptors().size(), open + 1);
  const rpc::Request asked = Ask(FUSE_RELEASE, FuseBytes().Add(fuse_release_in{kFile, 0, 0, 0}));
  EXPECT_EQ(asked.release().open_file_id(), kFile);
  broker_->Acknowledge(asked.id());
  ExpectError(ServeAndTakeAnswer(), 0);
  EXPECT_EQ(OpenDescriptors().size(), open);
  guest_->Send(FUSE_READ, kNode, ReadArguments(4));
  ExpectError(ServeAndTakeAnswer(), EBADF);
}

TEST_F(FuseQueueFileTest, ErrorOfTheFileReachesTheGuest) {
  StartSession();
  OpenFileOf(UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)));
  guest_->Send(FUSE_WRITE, kNode, WriteArguments(3, 0, "abc"));
  ExpectError(ServeAndTakeAnswer(), EBADF);
}

TEST_F(FuseQueueFileTest, SyncIsAnsweredByThePool) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  guest_->Send(FUSE_FSYNC, kNode, FuseBytes().Add(fuse_fsync_in{kFile, 0, 0}));
  ASSERT_EQ(Serve(), 0);
  ExpectError(TakeCompletedAnswer(), 0);
}

TEST_F(FuseQueueFileTest, SeekIsAnsweredWithItsOffset) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  guest_->Send(FUSE_LSEEK, kNode, FuseBytes().Add(fuse_lseek_in{kFile, 0, SEEK_HOLE, 0}));
  ASSERT_EQ(Serve(), 0);
  const FuseAnswer answer = TakeCompletedAnswer();
  EXPECT_EQ(ReadAs<fuse_lseek_out>(answer.payload).offset, 4u);
}

TEST_F(FuseQueueFileTest, FlushIsAnsweredWithNothing) {
  StartSession();
  OpenFileOf(MemoryFile("0123"));
  guest_->Send(FUSE_FLUSH, kNode, FuseBytes().Add(fuse_flush_in{kFile, 0, 0, 0}));
  ASSERT_EQ(Serve(), 0);
  ExpectError(TakeCompletedAnswer(), 0);
}

TEST_F(FuseQueueFileTest, ManyReadsThroughThePoolAreAllAnsweredOnce) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  constexpr int kReads = 60;
  for (int i = 0; i < kReads; ++i) guest_->Send(FUSE_READ, kNode, ReadArguments(4));
  ASSERT_EQ(Serve(), 0);
  for (int i = 0; i < kReads; ++i) EXPECT_EQ(ToString(TakeCompletedAnswer().payload), "0123");
  EXPECT_EQ(virtqueue_->in_flight(), 0u);
  EXPECT_TRUE(Unanswered());
}

class SharedReadTest : public FuseQueueFileTest {
 protected:
  static constexpr uint32_t kLarge = 64 * 1024;

  // Without a thread the pool keeps what is handed to it.
  void Begin(size_t processors, size_t io_threads = 0) {
    Destroy();
    Build(io_threads, processors);
    StartSession();
    OpenFileOf(MemoryFile(data_), /*in_memory=*/true);
  }
  uint16_t SendRead(uint32_t size) {
    return guest_->Send(FUSE_READ, kNode, ReadArguments(size), size + 16);
  }

  const std::string data_ = std::string(kLarge, 'r');
};

TEST_F(SharedReadTest, LargeReadsGoToThePoolWhileOthersWaitBehindThem) {
  Begin(/*processors=*/2);
  SendRead(kLarge);
  SendRead(kLarge);
  const uint16_t third = SendRead(kLarge);  // Two keep the pool's thread busy.
  const uint16_t fourth = SendRead(kLarge);
  ASSERT_EQ(Serve(), 0);
  EXPECT_EQ(TakeAnswer().head, third);
  EXPECT_EQ(TakeAnswer().head, fourth);
  EXPECT_TRUE(Unanswered());
}

TEST_F(SharedReadTest, LastReadIsDoneAtOnce) {
  Begin(/*processors=*/2);
  const uint16_t only = SendRead(kLarge);
  EXPECT_EQ(ServeAndTakeAnswer().head, only);
}

TEST_F(SharedReadTest, SmallReadsAreDoneAtOnce) {
  Begin(/*processors=*/2);
  const uint16_t first = SendRead(kLarge - 1);
  const uint16_t second = SendRead(1);
  EXPECT_EQ(ServeAndTakeAnswer().head, first);
  EXPECT_EQ(TakeAnswer().head, second);
}

TEST_F(SharedReadTest, WithOneProcessorNobodyElseCanDoThem) {
  Begin(/*processors=*/1);
  const uint16_t first = SendRead(kLarge);
  const uint16_t second = SendRead(kLarge);
  EXPECT_EQ(ServeAndTakeAnswer().head, first);
  EXPECT_EQ(TakeAnswer().head, second);
}

TEST_F(SharedReadTest, LargeReadsSharedWithThePoolAreAllAnsweredOnce) {
  Begin(/*processors=*/2, /*io_threads=*/1);
  constexpr int kReads = 7;
  for (int i = 0; i < kReads; ++i) SendRead(kLarge);
  ASSERT_EQ(Serve(), 0);
  for (int i = 0; i < kReads; ++i) EXPECT_EQ(ToString(TakeCompletedAnswer().payload), data_);
  EXPECT_EQ(virtqueue_->in_flight(), 0u);
  EXPECT_TRUE(Unanswered());
}

TEST_F(FuseQueueFileTest, FileReleasedUnderAReadStaysOpenForIt) {
  Destroy();
  Build(/*io_threads=*/0);  // Nothing that is left to the pool is ever done.
  StartSession();
  const size_t open = OpenDescriptors().size();
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_READ, kNode, ReadArguments(4));
  ASSERT_EQ(Serve(), 0);
  broker_->Acknowledge(Ask(FUSE_RELEASE, FuseBytes().Add(fuse_release_in{kFile, 0, 0, 0})).id());
  ExpectError(ServeAndTakeAnswer(), 0);
  EXPECT_EQ(OpenDescriptors().size(), open + 1);
}

// ---- a broker that breaks the protocol ----

class HostileBrokerTest : public FuseQueueFixture {
 protected:
  rpc::Request AskOpen() { return Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{})); }
};

TEST_F(HostileBrokerTest, MissingDescriptorIsEbadmsg) {
  StartSession();
  broker_->Send(OpenedReply(AskOpen().id()));
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, SurplusDescriptorIsEbadmsg) {
  StartSession();
  broker_->Send(OpenedReply(AskOpen().id()), {STDIN_FILENO, STDIN_FILENO});
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, DescriptorWithoutAUseIsEbadmsg) {
  StartSession();
  broker_->Send(EntryReply(AskLookup().id(), 9), {STDIN_FILENO});
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, DescriptorOfADirectoryIsEbadmsg) {
  StartSession();
  broker_->Send(OpenedReply(Ask(FUSE_OPENDIR, FuseBytes().Add(fuse_open_in{})).id()),
                {STDIN_FILENO});
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, OneDescriptorForTwoFilesIsEbadmsg) {
  StartSession();
  guest_->Send(FUSE_OPEN, kNode, FuseBytes().Add(fuse_open_in{}));
  guest_->Send(FUSE_OPEN, kNode, FuseBytes().Add(fuse_open_in{}));
  ASSERT_EQ(Serve(), 0);
  const rpc::RequestBatch asked = broker_->Take();
  ASSERT_EQ(asked.requests_size(), 2);
  rpc::ReplyBatch replies;
  *replies.add_replies() = OpenedReply(asked.requests(0).id());
  *replies.add_replies() = OpenedReply(asked.requests(1).id());
  broker_->Send(replies, {STDIN_FILENO});
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, DescriptorsGoToTheirRepliesInOrder) {
  StartSession();
  guest_->Send(FUSE_OPEN, kNode, FuseBytes().Add(fuse_open_in{}));
  guest_->Send(FUSE_LOOKUP, kNode, FuseBytes().Name("name"));
  guest_->Send(FUSE_OPEN, kNode, FuseBytes().Add(fuse_open_in{}));
  ASSERT_EQ(Serve(), 0);
  const rpc::RequestBatch asked = broker_->Take();
  ASSERT_EQ(asked.requests_size(), 3);
  rpc::ReplyBatch replies;
  *replies.add_replies() = OpenedReply(asked.requests(0).id());
  *replies.add_replies() = EntryReply(asked.requests(1).id(), 9);
  *replies.add_replies() = OpenedReply(asked.requests(2).id());
  replies.mutable_replies(2)->mutable_opened()->set_open_file_id(78);
  const UniqueFd first = MemoryFile("1");
  const UniqueFd second = MemoryFile("22");
  broker_->Send(replies, {first.get(), second.get()});
  ASSERT_EQ(Serve(), 0);
  const auto size_of = [this](uint64_t id) {
    return lseek((*shared_->open_files.Find(OpenFileId(id), NodeId(kNode)))->fd.get(), 0, SEEK_END);
  };
  EXPECT_EQ(size_of(kFile), 1);
  EXPECT_EQ(size_of(78), 2);
}

TEST_F(HostileBrokerTest, SecondReplyToARequestIsEbadmsg) {
  StartSession();
  const rpc::Request asked = AskLookup();
  broker_->Send(EntryReply(asked.id(), 9));
  EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  broker_->Send(EntryReply(asked.id(), 9));
  EXPECT_EQ(Serve(), EBADMSG);
  EXPECT_TRUE(Unanswered());
}

TEST_F(HostileBrokerTest, TwoRepliesInOneMessageToARequestAreEbadmsg) {
  StartSession();
  const rpc::Request asked = AskLookup();
  rpc::ReplyBatch replies;
  *replies.add_replies() = EntryReply(asked.id(), 9);
  *replies.add_replies() = EntryReply(asked.id(), 9);
  broker_->Send(replies);
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, LateReplyToTheSlotsEarlierRequestIsEbadmsg) {
  StartSession();
  const rpc::Request earlier = AskLookup();
  broker_->Send(EntryReply(earlier.id(), 9));
  EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  const rpc::Request later = AskLookup();
  EXPECT_NE(later.id(), earlier.id());
  broker_->Send(EntryReply(earlier.id(), 9));
  EXPECT_EQ(Serve(), EBADMSG);
  EXPECT_EQ(virtqueue_->in_flight(), 1u);
}

class MadeUpIdTest : public HostileBrokerTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(MadeUpIdTest, IsEbadmsg) {
  StartSession();
  AskLookup();
  broker_->Acknowledge(GetParam());
  EXPECT_EQ(Serve(), EBADMSG);
  EXPECT_EQ(virtqueue_->in_flight(), 1u);
}

// The last two: the forgets' id, and that of the queue's own request to end the session.
INSTANTIATE_TEST_SUITE_P(All, MadeUpIdTest,
                         testing::Values(0u, 1u, 2u, 1000u, uint64_t{UINT32_MAX}, uint64_t{1} << 32,
                                         UINT64_MAX, uint64_t{1} << 63));

TEST_F(HostileBrokerTest, ReplyToARequestThatTheBrokerNeverSawIsEbadmsg) {
  Destroy();
  Build(/*io_threads=*/0);  // The READ stays with the pool.
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  const uint64_t last = AskLookup().id();
  broker_->Fail(last, ENOENT);
  ExpectError(ServeAndTakeAnswer(), ENOENT);
  guest_->Send(FUSE_READ, kNode, ReadArguments(4));
  ASSERT_EQ(Serve(), 0);
  ASSERT_EQ(virtqueue_->in_flight(), 1u);
  // The READ's id is among these: a later sequence of one of the first slots.
  for (uint64_t sequence = last >> 32; sequence < (last >> 32) + 8; ++sequence) {
    for (uint64_t slot = 1; slot <= 3; ++slot) {
      broker_->Fail((sequence << 32) | slot, ENOENT);
      ASSERT_EQ(Serve(), EBADMSG) << sequence << " " << slot;
    }
  }
  EXPECT_EQ(virtqueue_->in_flight(), 1u);
  EXPECT_TRUE(Unanswered());
}

TEST_F(HostileBrokerTest, ReplyWithoutARingIsEbadmsg) {
  StartSession();
  const rpc::Request asked = AskLookup();
  broker_->Send(EntryReply(asked.id(), 9));
  EXPECT_EQ(queue_->TakeReplies(nullptr).errno_value(), EBADMSG);
}

TEST_F(HostileBrokerTest, GarbageIsEbadmsg) {
  StartSession();
  ASSERT_TRUE(broker_->peer().Send(FuseBytes().Text("\x0a\xff\xff").bytes()).ok());
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(HostileBrokerTest, EndOfTheBrokerIsReported) {
  StartSession();
  broker_.reset();
  queue_->link().PeerHasHungUp();  // So says poll(2).
  EXPECT_EQ(Serve(), ECONNRESET);
}

// ---- a broker that doesn't read ----

TEST_F(HostileBrokerTest, FullSocketStopsTheQueueUntilThereIsRoom) {
  StartSession();
  const FuseBytes symlink = FuseBytes().Name("name").Name(std::string(4095, 't'));
  uint32_t sent = 0;
  while (!queue_->link().blocked()) {
    guest_->Send(FUSE_SYMLINK, 1, symlink);
    ASSERT_EQ(Serve(), 0);
    ASSERT_LT(++sent, 1000u);
  }
  guest_->Send(FUSE_SYMLINK, 1, symlink);
  EXPECT_FALSE(queue_->TakeRequests(*virtqueue_));
  EXPECT_EQ(virtqueue_->in_flight(), sent);

  uint32_t received = 0;
  while (received < sent + 1) {
    received += static_cast<uint32_t>(broker_->Take().requests_size());
    ASSERT_EQ(Serve(), 0);
    ASSERT_EQ(Serve(), 0);  // The first may only have made room.
  }
  EXPECT_EQ(received, sent + 1);
  EXPECT_TRUE(broker_->Idle());
  EXPECT_EQ(virtqueue_->in_flight(), sent + 1);
}

}  // namespace
}  // namespace postern
