#include "worker/queue/file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "tests/unit/worker/queue/file_io_fixture.h"

namespace postern {
namespace {

class FileOperationTest : public FileOperationFixture {};

// ---- offsets that off_t doesn't hold: the kernel would take them for negative ones ----

class HugeOffsetTest : public FileOperationTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(HugeOffsetTest, ReadIsEinval) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123"), GetParam(), 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
}

TEST_P(HugeOffsetTest, WriteIsEinval) {
  BeginTransfer(Kind::kWrite, TemporaryFile("0123"), GetParam(), 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
  EXPECT_EQ(Content(), "0123");
}

TEST_P(HugeOffsetTest, CopyIsEinval) {
  BeginCopy(TemporaryFile("0123"), GetParam(), TemporaryFile(), 0, 4);
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
  BeginCopy(TemporaryFile("0123"), 0, TemporaryFile(), GetParam(), 4);
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
}

TEST_P(HugeOffsetTest, SeekIsEnxio) {
  BeginTransfer(Kind::kSeek, TemporaryFile("0123"), GetParam(), 0);
  operation_.flags = SEEK_DATA;
  Finish();
  EXPECT_EQ(operation_.error, ENXIO);
}

TEST_P(HugeOffsetTest, AllocationIsEinval) {
  BeginTransfer(Kind::kAllocate, TemporaryFile("0123"), GetParam(), 1);
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
  BeginTransfer(Kind::kAllocate, TemporaryFile("0123"), 1, GetParam());
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
}

INSTANTIATE_TEST_SUITE_P(All, HugeOffsetTest,
                         testing::Values(uint64_t{1} << 63, UINT64_MAX - 3, UINT64_MAX));

TEST_F(FileOperationTest, ReadAtTheLargestOffsetIsNoCrash) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123"), INT64_MAX, 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.result, 0u);  // 0 bytes, or an error, as the filesystem has it.
}

// ---- the rest ----

TEST_F(FileOperationTest, FlushLeavesNoDescriptorBehind) {
  Begin(Kind::kFlush, TemporaryFile());  // As if open for reading only.
  const size_t open = OpenDescriptors().size();
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kDone);
  ExpectResult(0);
  EXPECT_EQ(OpenDescriptors().size(), open);
}

// It may write back to a server, and wait for it.
TEST_F(FileOperationTest, FlushThatMayStallIsNeverDoneOnTheQueuesThread) {
  Begin(Kind::kFlush, TemporaryFile());
  operation_.file->may_stall = true;
  const size_t open = OpenDescriptors().size();
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kWouldBlock);
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(0);
  EXPECT_EQ(OpenDescriptors().size(), open);
}

TEST_F(FileOperationTest, SeekIsNeverDoneOnTheQueuesThread) {
  BeginTransfer(Kind::kSeek, MemoryFile("0123"), 0, 0);
  operation_.flags = SEEK_HOLE;
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kWouldBlock);
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(4);
}

TEST_F(FileOperationTest, SyncIsNeverDoneOnTheQueuesThread) {
  Begin(Kind::kSync, TemporaryFile("0123"));
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kWouldBlock);
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(0);
  operation_.flags = 1;
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(0);
}

TEST_F(FileOperationTest, SyncOfWhatCannotBeSyncedIsItsError) {
  Begin(Kind::kSync, UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
}

TEST_F(FileOperationTest, AllocationIsNeverDoneOnTheQueuesThread) {
  BeginTransfer(Kind::kAllocate, TemporaryFile("0123"), 0, 8192);
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kWouldBlock);
  EXPECT_EQ(Content().size(), 4u);
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(0);
  EXPECT_EQ(Content().size(), 8192u);
}

TEST_F(FileOperationTest, AllocationOfAHoleRemovesBytesAndKeepsTheSize) {
  BeginTransfer(Kind::kAllocate, MemoryFile(std::string(3 * 4096, 'x')), 4096, 4096);
  operation_.flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  Finish();
  ExpectResult(0);
  EXPECT_EQ(Content(), std::string(4096, 'x') + std::string(4096, '\0') + std::string(4096, 'x'));
}

TEST_F(FileOperationTest, AllocationOfNothingIsEinval) {
  BeginTransfer(Kind::kAllocate, TemporaryFile("0123"), 0, 0);
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
}

TEST_F(FileOperationTest, AllocationWithAnUnknownModeIsRefused) {
  BeginTransfer(Kind::kAllocate, TemporaryFile("0123"), 0, 4096);
  operation_.flags = 0x80000000;
  Finish();
  EXPECT_EQ(operation_.error, EOPNOTSUPP);
}

TEST_F(FileOperationTest, CopyIsNeverDoneOnTheQueuesThread) {
  BeginCopy(TemporaryFile("0123456789"), 2, TemporaryFile("abcdefghij"), 4, 3);
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kWouldBlock);
  EXPECT_EQ(ContentOf(*operation_.target), "abcdefghij");
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(3);
  EXPECT_EQ(ContentOf(*operation_.target), "abcd234hij");
  EXPECT_EQ(Content(), "0123456789");
}

TEST_F(FileOperationTest, CopyEndsWithItsSource) {
  BeginCopy(TemporaryFile("0123456789"), 7, TemporaryFile(), 0, 100);
  Finish();
  ExpectResult(3);
  EXPECT_EQ(ContentOf(*operation_.target), "789");
  BeginCopy(TemporaryFile("0123456789"), 10, TemporaryFile(), 0, 100);
  Finish();
  ExpectResult(0);
}

TEST_F(FileOperationTest, CopyToAFileOpenForReadingIsEbadf) {
  UniqueFd target = TemporaryFile("abc");
  const std::string path = "/proc/self/fd/" + std::to_string(target.get());
  BeginCopy(TemporaryFile("0123"), 0, UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC)), 0, 4);
  Finish();
  EXPECT_EQ(operation_.error, EBADF);
}

TEST_F(FileOperationTest, SeekFindsHolesAndData) {
  UniqueFd fd = MemoryFile();
  ASSERT_EQ(ftruncate(fd.get(), 3 * 4096), 0);
  ASSERT_EQ(pwrite(fd.get(), "x", 1, 4096), 1);
  BeginTransfer(Kind::kSeek, std::move(fd), 0, 0);
  operation_.flags = SEEK_DATA;
  Finish();
  ExpectResult(4096);
  operation_.offset = 4096;
  operation_.flags = SEEK_HOLE;
  Finish();
  ExpectResult(8192);
}

TEST_F(FileOperationTest, SeekBehindTheLastDataIsEnxio) {
  BeginTransfer(Kind::kSeek, MemoryFile("0123"), 4, 0);
  operation_.flags = SEEK_DATA;
  Finish();
  EXPECT_EQ(operation_.error, ENXIO);
}

class SeekWhenceTest : public FileOperationTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(SeekWhenceTest, OthersThanDataAndHoleAreRefused) {
  BeginTransfer(Kind::kSeek, TemporaryFile("0123"), 0, 0);
  operation_.flags = GetParam();
  Finish();
  EXPECT_EQ(operation_.error, EINVAL);
}

INSTANTIATE_TEST_SUITE_P(All, SeekWhenceTest,
                         testing::Values(uint32_t{SEEK_SET}, uint32_t{SEEK_CUR}, uint32_t{SEEK_END},
                                         5u, UINT32_MAX));

}  // namespace
}  // namespace postern
