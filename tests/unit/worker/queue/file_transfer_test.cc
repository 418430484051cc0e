// READ and WRITE on real files.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/unit/worker/queue/file_io_fixture.h"

namespace postern {
namespace {

class FileTransferTest : public FileOperationFixture {};

// ---- reading ----

TEST_F(FileTransferTest, ReadBringsTheFilesBytes) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 2, 5);
  AddRanges(5, 5);
  Finish();
  ExpectResult(5);
  EXPECT_EQ(buffer_, "23456");
}

TEST_F(FileTransferTest, ReadEndsWithTheFile) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 7, 8);
  AddRanges(8, 8);
  Finish();
  ExpectResult(3);
  EXPECT_EQ(buffer_, "789.....");
}

TEST_F(FileTransferTest, ReadBehindTheEndBringsNothing) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 10, 8);
  AddRanges(8, 8);
  Finish();
  ExpectResult(0);
}

TEST_F(FileTransferTest, ReadOfNothingBringsNothing) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 0, 0);
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kDone);
  ExpectResult(0);
}

TEST_F(FileTransferTest, ReadLeavesWhatIsBeforeItsDataAlone) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 0, 4);
  operation_.data_offset = 3;
  AddRanges(10, 2);
  Finish();
  ExpectResult(4);
  EXPECT_EQ(buffer_, "...0123...");
}

TEST_F(FileTransferTest, ReadFillsMoreRangesThanOneCallTakes) {
  constexpr size_t kRanges = IOV_MAX * 2 + 10;
  std::string content(kRanges, ' ');
  for (size_t i = 0; i < kRanges; ++i) content[i] = static_cast<char>('a' + i % 26);
  BeginTransfer(Kind::kRead, TemporaryFile(content), 0, kRanges);
  AddRanges(kRanges, 1, /*apart=*/true);
  Finish();
  ExpectResult(kRanges);
  for (size_t i = 0; i < kRanges; ++i) {
    ASSERT_EQ(buffer_[2 * i], content[i]) << i;
    ASSERT_EQ(buffer_[2 * i + 1], '.') << i;
  }
}

TEST_F(FileTransferTest, ReadBeyondTheChainIsEfaultAndTouchesNothing) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 0, 5);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EFAULT);
  EXPECT_EQ(buffer_, "....");
}

// A short READ means the end of the file to the guest, which would take zeros for the rest.
TEST_F(FileTransferTest, ReadThatFailsMidwayIsAnErrorAndNotTheEndOfTheFile) {
  constexpr size_t kPage = 4096;
  BeginTransfer(Kind::kRead, TemporaryFile(std::string(2 * kPage, 'x')), 0, 2 * kPage);
  void* const pages =
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(static_cast<char*>(pages) + kPage, kPage, PROT_NONE), 0);
  chain_.AddWritable({pages, 2 * kPage});
  Finish();
  EXPECT_EQ(operation_.error, EFAULT);
  munmap(pages, 2 * kPage);
}

TEST_F(FileTransferTest, ReadThatWouldBlockIsLeftToAnotherThread) {
  constexpr size_t kSize = 16384;
  AddRanges(kSize, 4096);
  FileProgress first = FileProgress::kDone;
  // Evicting a file from the page cache is a wish that the kernel doesn't always grant.
  for (int attempt = 0; attempt < 100 && first == FileProgress::kDone; ++attempt) {
    UniqueFd fd = TemporaryFile(std::string(kSize, 'x'));
    fsync(fd.get());
    posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    BeginTransfer(Kind::kRead, std::move(fd), 0, kSize);
    first = Run(Blocking::kAvoid);
  }
  if (first == FileProgress::kDone || !operation_.file->read_nowait) {
    GTEST_SKIP() << "the temporary directory's filesystem never blocks";
  }
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(kSize);
  EXPECT_EQ(buffer_, std::string(kSize, 'x'));
}

TEST_F(FileTransferTest, ReadWithoutNowaitIsLeftToAnotherThreadAndRemembered) {
  BeginTransfer(Kind::kRead, MemoryFile("0123456789"), 0, 4);
  AddRanges(4, 4);
  if (Run(Blocking::kAvoid) == FileProgress::kDone) {
    GTEST_SKIP() << "memfds know RWF_NOWAIT here";
  }
  EXPECT_FALSE(operation_.file->read_nowait);
  EXPECT_TRUE(operation_.file->write_nowait);
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(4);
  EXPECT_EQ(buffer_, "0123");
}

TEST_F(FileTransferTest, ReadGoesOnWhereTheFirstStepEnded) {
  BeginTransfer(Kind::kRead, TemporaryFile("0123456789"), 0, 10);
  AddRanges(10, 10);
  operation_.result = 4;  // As after a first step that then would have blocked.
  EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  ExpectResult(10);
  EXPECT_EQ(buffer_, "....456789");
}

// ---- writing ----

TEST_F(FileTransferTest, WriteStoresTheGuestsBytes) {
  BeginTransfer(Kind::kWrite, TemporaryFile("0123456789"), 3, 4);
  AddRanges(4, 2);
  buffer_.replace(0, 4, "abcd");
  Finish();
  ExpectResult(4);
  EXPECT_EQ(Content(), "012abcd789");
}

TEST_F(FileTransferTest, WriteSkipsWhatIsBeforeItsData) {
  BeginTransfer(Kind::kWrite, TemporaryFile(), 0, 2);
  operation_.data_offset = 3;
  AddRanges(6, 2);
  buffer_.replace(0, 6, "abcdef");
  Finish();
  ExpectResult(2);
  EXPECT_EQ(Content(), "de");
}

TEST_F(FileTransferTest, WriteTakesMoreRangesThanOneCallTakes) {
  constexpr size_t kRanges = IOV_MAX + 1;
  BeginTransfer(Kind::kWrite, TemporaryFile(), 0, kRanges);
  AddRanges(kRanges, 1);
  buffer_.back() = '!';
  Finish();
  ExpectResult(kRanges);
  std::string expected(IOV_MAX, '.');
  expected += '!';
  EXPECT_EQ(Content(), expected);
}

TEST_F(FileTransferTest, WriteToTheEndIgnoresItsOffset) {
  BeginTransfer(Kind::kWrite, TemporaryFile("0123456789"), 2, 3);
  operation_.flags = RWF_APPEND;
  AddRanges(3, 3);
  Finish();
  ExpectResult(3);
  EXPECT_EQ(Content(), "0123456789...");
}

TEST_F(FileTransferTest, WriteToTheEndStaysInOrderOverManyRanges) {
  constexpr size_t kRanges = IOV_MAX + 2;
  BeginTransfer(Kind::kWrite, TemporaryFile("^"), 0, kRanges);
  operation_.flags = RWF_APPEND;
  AddRanges(kRanges, 1);
  buffer_[kRanges - 2] = 'y';
  buffer_[kRanges - 1] = 'z';
  Finish();
  ExpectResult(kRanges);
  EXPECT_EQ(Content(), "^" + std::string(IOV_MAX, '.') + "yz");
}

TEST_F(FileTransferTest, WriteWithoutNowaitIsDoneAtOnceAndRemembered) {
  BeginTransfer(Kind::kWrite, MemoryFile(), 0, 4);
  AddRanges(4, 4);
  EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kDone);
  ExpectResult(4);
  EXPECT_EQ(Content(), "....");
  EXPECT_TRUE(operation_.file->read_nowait);
}

TEST_F(FileTransferTest, WriteBeyondTheChainIsEfaultAndWritesNothing) {
  BeginTransfer(Kind::kWrite, TemporaryFile("0123"), 0, 5);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EFAULT);
  EXPECT_EQ(Content(), "0123");
}

TEST_F(FileTransferTest, WriteThatFailsMidwayCountsWhatWasWritten) {
  BeginTransfer(Kind::kWrite, MemoryFile("01234567"), 0, 8);
  // Bytes that may be changed, but not added to.
  UniqueFd sealed(memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(sealed.get(), 4096), 0);
  ASSERT_EQ(fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_GROW), 0);
  operation_.file->fd = std::move(sealed);
  operation_.offset = 4090;
  AddRanges(8, 8);
  Finish();
  if (operation_.error == EPERM) GTEST_SKIP() << "this kernel refuses the write as a whole";
  ExpectResult(6);
}

TEST_F(FileTransferTest, WriteToAFullDeviceIsEnospc) {
  BeginTransfer(Kind::kWrite, UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)), 0, 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, ENOSPC);
}

TEST_F(FileTransferTest, WriteToAFileOpenForReadingIsEbadf) {
  BeginTransfer(Kind::kWrite, UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)), 0, 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EBADF);
}

TEST_F(FileTransferTest, ReadFromAFileOpenForWritingIsEbadf) {
  BeginTransfer(Kind::kRead, UniqueFd(open("/dev/null", O_WRONLY | O_CLOEXEC)), 0, 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EBADF);
}

TEST_F(FileTransferTest, ReadOfADirectoryIsEisdir) {
  BeginTransfer(Kind::kRead, UniqueFd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), 0, 4);
  AddRanges(4, 4);
  Finish();
  EXPECT_EQ(operation_.error, EISDIR);
}

// Dirty throttling, or a read where RWF_NOWAIT isn't known: the queue's thread is spared the next.
TEST_F(FileTransferTest, AfterASlowTransferTheNextOnesLeaveTheQueuesThread) {
  for (const Kind kind : {Kind::kRead, Kind::kWrite}) {
    BeginTransfer(kind, MemoryFile("0123"), 0, 4);
    AddRanges(4, 4);
    operation_.file->read_nowait = operation_.file->write_nowait = false;
    const auto now = SlowTransfers::Clock::now();
    operation_.file->slow_transfers.Took(SlowTransfers::kSlow, now + std::chrono::hours(1));
    EXPECT_EQ(Run(Blocking::kAvoid), FileProgress::kWouldBlock);
    ExpectResult(0);
    EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
    ExpectResult(4);
    chain_ = DescriptorChain();
  }
}

}  // namespace
}  // namespace postern
