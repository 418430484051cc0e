// READ, WRITE and what else works on an open regular file.
#include <linux/falloc.h>
#include <unistd.h>

#include <cstring>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

constexpr size_t kMegabyte = size_t{1} << 20;

// With one file "file", open for reading and writing.
class FileIoTest : public ShareFixture {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    Setup setup;
    setup.front_end.queue.size = 512;  // Room for requests of 1 MiB.
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created, fuse().Create(kRoot, "file", O_RDWR));
    node_ = NodeOf(created.entry);
    handle_ = HandleOf(created.opened);
  }

  ErrnoOr<std::string> ReadBack(uint64_t offset, size_t size) {
    return fuse().ReadString(node_, handle_, offset, size);
  }

  NodeId node_{0};
  vmm::FuseHandle handle_{0};
};

TEST_F(FileIoTest, WrittenBytesAreOnTheHostAndReadBack) {
  const std::string data = Pattern(10'000, 1);
  ASSERT_OK_AND_ASSIGN(const size_t written, fuse().WriteString(node_, handle_, 0, data));
  EXPECT_EQ(written, data.size());
  EXPECT_EQ(ReadHost("file"), data);
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadBack(0, data.size()));
  EXPECT_EQ(read, data);
}

TEST_F(FileIoTest, OneMegabyteGoesInOneRequestEachWay) {
  const std::string data = Pattern(kMegabyte, 2);
  ASSERT_OK_AND_ASSIGN(const size_t written, fuse().WriteString(node_, handle_, 0, data));
  EXPECT_EQ(written, kMegabyte);
  EXPECT_TRUE(ReadHost("file") == data);
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadBack(0, kMegabyte));
  EXPECT_TRUE(read == data);
}

TEST_F(FileIoTest, UnalignedOffsetsSizesAndBuffersKeepEveryByte) {
  const std::string data = Pattern(100'001, 3);
  const vmm::GuestBuffer buffer = fuse().buffer().Part(4093, data.size());
  std::memcpy(buffer.bytes.data(), data.data(), data.size());
  ASSERT_OK_AND_ASSIGN(const size_t written, fuse().Write(node_, handle_, 4097, buffer));
  EXPECT_EQ(written, data.size());
  EXPECT_TRUE(ReadHost("file") == std::string(4097, '\0') + data);

  std::memset(buffer.bytes.data(), 0, buffer.size());
  ASSERT_OK_AND_ASSIGN(const size_t count, fuse().Read(node_, handle_, 4098, buffer));
  EXPECT_EQ(count, data.size() - 1);
  EXPECT_EQ(std::memcmp(buffer.bytes.data(), data.data() + 1, count), 0);
}

TEST_F(FileIoTest, ReadDoesntTouchTheGuestBeyondWhatItReturns) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "short"));
  const vmm::GuestBuffer buffer = fuse().buffer();
  std::memset(buffer.bytes.data(), 0x5a, buffer.size());
  ASSERT_OK_AND_ASSIGN(const size_t count, fuse().Read(node_, handle_, 0, buffer.Part(100, 8192)));
  EXPECT_EQ(count, 5u);
  EXPECT_EQ(std::memcmp(buffer.bytes.data() + 100, "short", 5), 0);
  EXPECT_EQ(buffer.bytes[99], std::byte{0x5a});
  EXPECT_EQ(buffer.bytes[105], std::byte{0x5a});
  EXPECT_EQ(buffer.bytes[8291], std::byte{0x5a});
}

TEST_F(FileIoTest, ReadAtAndBeyondTheEndIsEmpty) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "0123456789"));
  ASSERT_OK_AND_ASSIGN(const std::string across, ReadBack(7, 100));
  EXPECT_EQ(across, "789");
  ASSERT_OK_AND_ASSIGN(const std::string at, ReadBack(10, 100));
  EXPECT_EQ(at, "");
  ASSERT_OK_AND_ASSIGN(const std::string beyond, ReadBack(1'000'000, 100));
  EXPECT_EQ(beyond, "");
}

TEST_F(FileIoTest, ReadOfNothingIsEmpty) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "0123456789"));
  ASSERT_OK_AND_ASSIGN(const std::string nothing, ReadBack(0, 0));
  EXPECT_EQ(nothing, "");
}

TEST_F(FileIoTest, HolesReadAsZeros) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 1'000'000, "end"));
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadBack(999'990, 100));
  EXPECT_EQ(read, std::string(10, '\0') + "end");
}

TEST_F(FileIoTest, OffsetBeyondTheSignedRangeIsEinval) {
  POSTERN_ONLY("virtiofsd ends");
  EXPECT_ERRNO(fuse().WriteString(node_, handle_, uint64_t{1} << 63, "x"), EINVAL);
  EXPECT_ERRNO(ReadBack(uint64_t{1} << 63, 10), EINVAL);
}

TEST_F(FileIoTest, HostsWritesAreSeen) {
  WriteHost("file", "from the host");
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadBack(0, 100));
  EXPECT_EQ(read, "from the host");
}

TEST_F(FileIoTest, AppendingWriteIgnoresItsOffset) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "first,"));
  const vmm::WriteFlags append{.write_flags = 0, .open_flags = O_WRONLY | O_APPEND};
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "second", append));
  EXPECT_EQ(ReadHost("file"), "first,second");
}

TEST_F(FileIoTest, AppendingWriteFromTheCacheGoesToItsOffset) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "aaaa"));
  const vmm::WriteFlags cached{.write_flags = FUSE_WRITE_CACHE, .open_flags = O_WRONLY | O_APPEND};
  ASSERT_OK(fuse().WriteString(node_, handle_, 1, "b", cached));
  EXPECT_EQ(ReadHost("file"), "abaa");
}

TEST_F(FileIoTest, FileOpenedWithAppendTakesPlainWritesAtTheirOffset) {
  // The guest says in each write whether it appends; a page written back late must not.
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "aaaa"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node_, O_WRONLY | O_APPEND));
  ASSERT_OK(fuse().WriteString(node_, HandleOf(opened), 1, "b"));
  EXPECT_EQ(ReadHost("file"), "abaa");
}

TEST_F(FileIoTest, UnlinkedFileStaysUsable) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "still here"));
  ASSERT_OK(fuse().Unlink(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadBack(0, 100));
  EXPECT_EQ(read, "still here");
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "STILL"));
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(node_, handle_));
  EXPECT_EQ(attributes.nlink, 0u);
  EXPECT_EQ(attributes.size, 10u);
  EXPECT_FALSE(HostExists("file"));
}

TEST_F(FileIoTest, FlushFsyncAndReleaseSucceed) {
  EXPECT_OK(fuse().Flush(node_, handle_));
  EXPECT_OK(fuse().Fsync(node_, handle_));
  EXPECT_OK(fuse().Fsync(node_, handle_, /*data_only=*/true));
  EXPECT_OK(fuse().Release(node_, handle_));
}

TEST_F(FileIoTest, FallocateExtendsTheFile) {
  ASSERT_OK(fuse().Fallocate(node_, handle_, 0, 65536, 0));
  EXPECT_EQ(StatHost("file").st_size, 65536);
  EXPECT_GE(StatHost("file").st_blocks, 128);
}

TEST_F(FileIoTest, FallocateKeepsTheSizeIfAsked) {
  ASSERT_OK(fuse().Fallocate(node_, handle_, 0, 65536, FALLOC_FL_KEEP_SIZE));
  EXPECT_EQ(StatHost("file").st_size, 0);
  EXPECT_GE(StatHost("file").st_blocks, 128);
}

TEST_F(FileIoTest, FallocatePunchesAHoleThatLseekFinds) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, std::string(3 * 65536, 'd')));
  ASSERT_OK(
      fuse().Fallocate(node_, handle_, 65536, 65536, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));
  ASSERT_OK_AND_ASSIGN(const uint64_t hole, fuse().Lseek(node_, handle_, 0, SEEK_HOLE));
  EXPECT_EQ(hole, 65536u);
  ASSERT_OK_AND_ASSIGN(const uint64_t data, fuse().Lseek(node_, handle_, 65536, SEEK_DATA));
  EXPECT_EQ(data, 2u * 65536);
  ASSERT_OK_AND_ASSIGN(const std::string zeros, ReadBack(65536, 65536));
  EXPECT_TRUE(zeros == std::string(65536, '\0'));
}

TEST_F(FileIoTest, LseekBeyondTheEndIsEnxio) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "data"));
  EXPECT_ERRNO(fuse().Lseek(node_, handle_, 100, SEEK_DATA), ENXIO);
  EXPECT_ERRNO(fuse().Lseek(node_, handle_, 100, SEEK_HOLE), ENXIO);
}

TEST_F(FileIoTest, LseekDoesntMoveReads) {
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, "0123456789"));
  ASSERT_OK(fuse().Lseek(node_, handle_, 5, SEEK_DATA));
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadBack(0, 3));
  EXPECT_EQ(read, "012");
}

TEST_F(FileIoTest, CopyFileRangeCopiesOnTheHost) {
  const std::string data = Pattern(200'000, 4);
  ASSERT_OK(fuse().WriteString(node_, handle_, 0, data));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile to, fuse().Create(kRoot, "copy", O_RDWR));
  const auto copied =
      fuse().CopyFileRange(node_, handle_, 100, NodeOf(to.entry), HandleOf(to.opened), 7, 100'000);
  ASSERT_OK(copied);
  EXPECT_EQ(*copied, 100'000u);
  EXPECT_TRUE(ReadHost("copy") == std::string(7, '\0') + data.substr(100, 100'000));
}

TEST_F(FileIoTest, SyncfsSucceedsOnRootAndFile) {
  EXPECT_OK(fuse().Syncfs(kRoot));
  EXPECT_OK(fuse().Syncfs(node_));
}

}  // namespace
}  // namespace postern
