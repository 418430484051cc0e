// Writes that must keep set-user-ID and set-group-ID bits: the broker's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/unit/worker/queue/fuse_queue_fixture.h"
#include "worker/queue/brokered_file.h"
#include "worker/queue/fuse_queue.h"

namespace postern {
namespace {

class BrokeredFileTest : public FuseQueueFixture {
 protected:
  static constexpr uint32_t kPart = 65536;

  // Opens kFile on kNode.
  void OpenFileWithBits(uint32_t init_flags = 0) {
    StartSession(init_flags);
    const UniqueFd fd = MemoryFile("0123456789");
    rpc::Reply reply = OpenedReply(Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{})).id());
    reply.mutable_opened()->set_has_set_id_bits(true);
    broker_->Send(reply, {fd.get()});
    EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  }
  static FuseBytes Write(const std::string& data, uint64_t offset = 0, uint32_t write_flags = 0,
                         uint32_t open_flags = 0) {
    return FuseBytes()
        .Add(fuse_write_in{kFile, offset, static_cast<uint32_t>(data.size()), write_flags, 0,
                           open_flags, 0})
        .Text(data);
  }
  void Done(const rpc::Request& asked, uint64_t bytes) {
    rpc::Reply reply;
    reply.set_id(asked.id());
    reply.set_bytes_done(bytes);
    broker_->Send(reply);
  }
  // Opens kFile on what has no room for anybody but, perhaps, the broker.
  void OpenFullFile() {
    StartSession();
    const UniqueFd fd(open("/dev/full", O_RDWR | O_CLOEXEC));
    broker_->Send(OpenedReply(Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{})).id()), {fd.get()});
    EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  }
  void SendWriteOf(uint32_t uid, const FuseBytes& write) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof(header) + write.size());
    header.opcode = FUSE_WRITE;
    header.nodeid = kNode;
    header.uid = uid;
    guest_->SendHeader(header, write.bytes());
    EXPECT_EQ(Serve(), 0);
  }
  void ExpectWritten(const FuseAnswer& answer, uint32_t bytes) {
    EXPECT_EQ(answer.header.error, 0);
    EXPECT_EQ(ReadAs<fuse_write_out>(answer.payload).size, bytes);
  }
  std::string Content() {
    const int fd = (*shared_->open_files.Find(OpenFileId(kFile), NodeId(kNode)))->fd.get();
    std::string content(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '?');
    EXPECT_EQ(pread(fd, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    return content;
  }
  static FuseBytes SetMode(uint32_t mode) {
    fuse_setattr_in in{};
    in.valid = FATTR_MODE;
    in.mode = S_IFREG | mode;
    return FuseBytes().Add(in);
  }
};

TEST_F(BrokeredFileTest, SmallWriteIsOneRequestAndTouchesNothingHere) {
  OpenFileWithBits();
  const rpc::Request asked = Ask(FUSE_WRITE, Write("abc", 4));
  rpc::Request expected;
  expected.set_id(asked.id());
  expected.set_session(asked.session());
  auto& write = *expected.mutable_write_file();
  write.set_node_id(kNode);
  write.set_open_file_id(kFile);
  write.set_offset(4);
  write.set_data("abc");
  EXPECT_THAT(asked, IsMessage(expected));
  EXPECT_TRUE(Unanswered());
  Done(asked, 3);
  ExpectWritten(ServeAndTakeAnswer(), 3);
  EXPECT_EQ(Content(), "0123456789");
}

TEST_F(BrokeredFileTest, LargeWriteIsAskedPartByPart) {
  OpenFileWithBits();
  const std::string data = std::string(kPart, 'a') + std::string(kPart, 'b') + "c";
  const rpc::Request first = Ask(FUSE_WRITE, Write(data, 100));
  EXPECT_EQ(first.write_file().offset(), 100u);
  EXPECT_EQ(first.write_file().data(), std::string(kPart, 'a'));
  Done(first, kPart);
  ASSERT_EQ(Serve(), 0);
  const rpc::Request second = broker_->TakeOne();
  EXPECT_NE(second.id(), first.id());
  EXPECT_EQ(second.write_file().offset(), 100u + kPart);
  EXPECT_EQ(second.write_file().data(), std::string(kPart, 'b'));
  Done(second, kPart);
  ASSERT_EQ(Serve(), 0);
  const rpc::Request third = broker_->TakeOne();
  EXPECT_EQ(third.write_file().offset(), 100u + 2 * kPart);
  EXPECT_EQ(third.write_file().data(), "c");
  EXPECT_TRUE(Unanswered());
  Done(third, 1);
  ExpectWritten(ServeAndTakeAnswer(), 2 * kPart + 1);
}

TEST_F(BrokeredFileTest, WholePartsEndWithoutAnEmptyOne) {
  OpenFileWithBits();
  Done(Ask(FUSE_WRITE, Write(std::string(kPart, 'a'))), kPart);
  ExpectWritten(ServeAndTakeAnswer(), kPart);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokeredFileTest, ErrorOfTheFirstPartIsTheGuests) {
  OpenFileWithBits();
  broker_->Fail(Ask(FUSE_WRITE, Write("abc")).id(), ENOSPC);
  ExpectError(ServeAndTakeAnswer(), ENOSPC);
}

TEST_F(BrokeredFileTest, ErrorBeyondLinuxsIsEio) {
  OpenFileWithBits();
  broker_->Fail(Ask(FUSE_WRITE, Write("abc")).id(), 512);
  ExpectError(ServeAndTakeAnswer(), EIO);
}

TEST_F(BrokeredFileTest, ErrorOfALaterPartLeavesWhatWasWritten) {
  OpenFileWithBits();
  Done(Ask(FUSE_WRITE, Write(std::string(kPart + 1, 'a'))), kPart);
  ASSERT_EQ(Serve(), 0);
  broker_->Fail(broker_->TakeOne().id(), ENOSPC);
  ExpectWritten(ServeAndTakeAnswer(), kPart);
}

TEST_F(BrokeredFileTest, ShortPartIsTheLast) {
  OpenFileWithBits();
  Done(Ask(FUSE_WRITE, Write(std::string(2 * kPart, 'a'))), kPart - 1);
  ExpectWritten(ServeAndTakeAnswer(), kPart - 1);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokeredFileTest, MoreWrittenThanAskedIsEio) {
  OpenFileWithBits();
  Done(Ask(FUSE_WRITE, Write("abc")), 4);
  ExpectError(ServeAndTakeAnswer(), EIO);
}

TEST_F(BrokeredFileTest, AnswerOfTheWrongKindIsEio) {
  OpenFileWithBits();
  broker_->Send(EntryReply(Ask(FUSE_WRITE, Write("abc")).id(), 9));
  ExpectError(ServeAndTakeAnswer(), EIO);
}

TEST_F(BrokeredFileTest, SecondAnswerToAPartIsEbadmsg) {
  OpenFileWithBits();
  const rpc::Request first = Ask(FUSE_WRITE, Write(std::string(3 * kPart, 'a')));
  Done(first, kPart);
  ASSERT_EQ(Serve(), 0);
  broker_->TakeOne();
  Done(first, kPart);
  EXPECT_EQ(Serve(), EBADMSG);
}

TEST_F(BrokeredFileTest, AppendIsSaid) {
  OpenFileWithBits();
  EXPECT_TRUE(Ask(FUSE_WRITE, Write("abc", 0, 0, O_WRONLY | O_APPEND)).write_file().append());
}

TEST_F(BrokeredFileTest, WriteOfNothingIsAnsweredHere) {
  OpenFileWithBits();
  guest_->Send(FUSE_WRITE, kNode, Write(""));
  ExpectWritten(ServeAndTakeAnswer(), 0);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokeredFileTest, WriteBehindTheLargestOffsetIsEinval) {
  OpenFileWithBits();
  guest_->Send(FUSE_WRITE, kNode, Write("abc", INT64_MAX - 2));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  guest_->Send(FUSE_WRITE, kNode, Write("abc", UINT64_MAX - 2));
  ExpectError(ServeAndTakeAnswer(), EINVAL);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokeredFileTest, RootsWriteWithoutRoomIsAskedOfTheBroker) {
  OpenFullFile();
  SendWriteOf(0, Write("abc", 4));
  const rpc::Request asked = broker_->TakeOne();
  EXPECT_EQ(asked.write_file().data(), "abc");
  EXPECT_EQ(asked.write_file().offset(), 4u);
  EXPECT_TRUE(Unanswered());
  Done(asked, 3);
  ExpectWritten(ServeAndTakeAnswer(), 3);
}

TEST_F(BrokeredFileTest, NorHasTheBrokerRoom) {
  OpenFullFile();
  SendWriteOf(0, Write("abc"));
  broker_->Fail(broker_->TakeOne().id(), ENOSPC);
  ExpectError(ServeAndTakeAnswer(), ENOSPC);
  EXPECT_TRUE(broker_->Idle()) << "asked again";
}

TEST_F(BrokeredFileTest, OthersWriteWithoutRoomIsEnospcAndSoIsOneThatTakesSetIdBits) {
  OpenFullFile();
  SendWriteOf(1000, Write("abc"));
  ExpectError(TakeAnswer(), ENOSPC);
  SendWriteOf(0, Write("abc", 0, FUSE_WRITE_KILL_SUIDGID));
  ExpectError(TakeAnswer(), ENOSPC);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokeredFileTest, ManyWritesThatFillTheSocketAreAllDone) {
  OpenFileWithBits();
  constexpr int kWrites = 12;
  for (int i = 0; i < kWrites; ++i) {
    guest_->Send(FUSE_WRITE, kNode, Write(std::string(kPart + 1, 'a')), 64);
  }
  uint64_t written = 0;
  while (written < kWrites * (uint64_t{kPart} + 1)) {
    ASSERT_EQ(Serve(), 0);
    const rpc::RequestBatch batch = broker_->Take();
    for (const rpc::Request& asked : batch.requests()) {
      written += asked.write_file().data().size();
      Done(asked, asked.write_file().data().size());
    }
  }
  ASSERT_EQ(Serve(), 0);
  for (int i = 0; i < kWrites; ++i) ExpectWritten(TakeAnswer(), kPart + 1);
  EXPECT_EQ(virtqueue_->in_flight(), 0u);
  EXPECT_TRUE(broker_->Idle());
}

// ---- who kills the bits ----

TEST_F(BrokeredFileTest, WriteThatKillsThemIsDoneHere) {
  OpenFileWithBits(FUSE_HANDLE_KILLPRIV_V2);
  shared_->session.Begin(FUSE_HANDLE_KILLPRIV_V2);
  guest_->Send(FUSE_WRITE, kNode, Write("abc", 4, FUSE_WRITE_KILL_SUIDGID));
  ExpectWritten(ServeAndTakeAnswer(), 3);
  EXPECT_EQ(Content(), "0123abc789");
}

TEST_F(BrokeredFileTest, FlagCountsWhateverWasNegotiated) {
  OpenFileWithBits();
  guest_->Send(FUSE_WRITE, kNode, Write("abc", 4, FUSE_WRITE_KILL_SUIDGID));
  ExpectWritten(ServeAndTakeAnswer(), 3);
  EXPECT_TRUE(broker_->Idle());
}

TEST_F(BrokeredFileTest, WriteWithoutTheFlagKeepsThem) {
  OpenFileWithBits();
  shared_->session.Begin(FUSE_HANDLE_KILLPRIV_V2);
  EXPECT_TRUE(Ask(FUSE_WRITE, Write("abc")).has_write_file());
}

// There is no flag that says who may keep them.
TEST_F(BrokeredFileTest, AllocationAndCopyAreDoneHereWithKillprivV2) {
  OpenFileWithBits();
  shared_->session.Begin(FUSE_HANDLE_KILLPRIV_V2);
  guest_->Send(FUSE_FALLOCATE, kNode, FuseBytes().Add(fuse_fallocate_in{kFile, 0, 20, 0, 0}));
  ExpectError((Serve(), TakeCompletedAnswer()), 0);
  guest_->Send(FUSE_COPY_FILE_RANGE, kNode,
               FuseBytes().Add(fuse_copy_file_range_in{kFile, 0, kNode, kFile, 10, 3, 0}));
  EXPECT_EQ((Serve(), TakeCompletedAnswer()).header.error, 0);
  EXPECT_EQ(Content(), "0123456789012" + std::string(7, '\0'));
}

// ---- which files ----

TEST_F(BrokeredFileTest, FileWithoutBitsIsWrittenHere) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_WRITE, kNode, Write("abc", 4));
  ExpectWritten(ServeAndTakeAnswer(), 3);
  EXPECT_EQ(Content(), "0123abc789");
}

class SetModeTest : public BrokeredFileTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(SetModeTest, MarksTheFileBeforeItIsSent) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  Ask(FUSE_SETATTR, SetMode(GetParam()));
  EXPECT_TRUE(Ask(FUSE_WRITE, Write("abc")).has_write_file());
}

INSTANTIATE_TEST_SUITE_P(SetUidAndSetGid, SetModeTest, testing::Values(04755u, 02755u, 06777u));

TEST_F(BrokeredFileTest, ModeWithoutBitsMarksNothing) {
  StartSession();
  OpenFileOf(MemoryFile("0123456789"));
  Ask(FUSE_SETATTR, SetMode(01777));
  guest_->Send(FUSE_WRITE, kNode, Write("abc"));
  ExpectWritten(ServeAndTakeAnswer(), 3);
}

// The broker may have looked at the mode before it changed it.
TEST_F(BrokeredFileTest, OpenDuringAChangeOfModeIsMarked) {
  StartSession();
  const UniqueFd fd = MemoryFile("0123456789");
  const rpc::Request open = Ask(FUSE_OPEN, FuseBytes().Add(fuse_open_in{}));
  const rpc::Request set = Ask(FUSE_SETATTR, SetMode(04755));
  broker_->Fail(set.id(), EPERM);
  ExpectError(ServeAndTakeAnswer(), EPERM);
  broker_->Send(OpenedReply(open.id()), {fd.get()});
  EXPECT_EQ(ServeAndTakeAnswer().header.error, 0);
  EXPECT_TRUE(Ask(FUSE_WRITE, Write("abc")).has_write_file());
}

TEST_F(BrokeredFileTest, OpenAfterAnAnsweredChangeIsNotMarked) {
  StartSession();
  broker_->Fail(Ask(FUSE_SETATTR, SetMode(04755)).id(), EPERM);
  ExpectError(ServeAndTakeAnswer(), EPERM);
  OpenFileOf(MemoryFile("0123456789"));
  guest_->Send(FUSE_WRITE, kNode, Write("abc"));
  ExpectWritten(ServeAndTakeAnswer(), 3);
}

// ---- the other two ----

TEST_F(BrokeredFileTest, AllocationIsAsked) {
  OpenFileWithBits();
  const rpc::Request asked =
      Ask(FUSE_FALLOCATE, FuseBytes().Add(fuse_fallocate_in{kFile, 4096, 8192, 3, 0}));
  rpc::Request expected;
  expected.set_id(asked.id());
  expected.set_session(asked.session());
  auto& allocate = *expected.mutable_allocate();
  allocate.set_node_id(kNode);
  allocate.set_open_file_id(kFile);
  allocate.set_offset(4096);
  allocate.set_length(8192);
  allocate.set_mode(3);
  EXPECT_THAT(asked, IsMessage(expected));
  broker_->Acknowledge(asked.id());
  ExpectError(ServeAndTakeAnswer(), 0);
}

TEST_F(BrokeredFileTest, ErrorOfAnAllocationIsTheGuests) {
  OpenFileWithBits();
  broker_->Fail(Ask(FUSE_FALLOCATE, FuseBytes().Add(fuse_fallocate_in{kFile, 0, 1, 0, 0})).id(),
                EOPNOTSUPP);
  ExpectError(ServeAndTakeAnswer(), EOPNOTSUPP);
}

TEST_F(BrokeredFileTest, CopyToItIsAsked) {
  OpenFileWithBits();
  const FuseBytes arguments =
      FuseBytes().Add(fuse_copy_file_range_in{kFile, 1, kNode, kFile, 5000, UINT64_MAX / 4, 0});
  const rpc::Request asked = Ask(FUSE_COPY_FILE_RANGE, arguments);
  rpc::Request expected;
  expected.set_id(asked.id());
  expected.set_session(asked.session());
  auto& copy = *expected.mutable_copy_range();
  copy.set_from_node_id(kNode);
  copy.set_from_open_file_id(kFile);
  copy.set_from_offset(1);
  copy.set_to_node_id(kNode);
  copy.set_to_open_file_id(kFile);
  copy.set_to_offset(5000);
  copy.set_length(64 << 20);
  EXPECT_THAT(asked, IsMessage(expected));
  Done(asked, 9);
  ExpectWritten(ServeAndTakeAnswer(), 9);
}

TEST_F(BrokeredFileTest, WideCopyIsAnsweredWith64Bits) {
  OpenFileWithBits();
  const FuseBytes arguments =
      FuseBytes().Add(fuse_copy_file_range_in{kFile, 1, kNode, kFile, 5000, 10, 0});
  Done(Ask(kFuseCopyFileRange64, arguments), 9);
  const FuseAnswer answer = ServeAndTakeAnswer();
  EXPECT_EQ(ReadAs<uint64_t>(answer.payload), 9u);
  EXPECT_EQ(answer.payload.size(), 8u);
}

}  // namespace
}  // namespace postern
