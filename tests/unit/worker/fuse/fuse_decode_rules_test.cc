// The decoders' rules beyond form: counts, sizes, handles.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

class FuseDecodeTest : public testing::Test {
 protected:
  FuseDecoding decoding_;
};

// ---- forgets ----

TEST_F(FuseDecodeTest, BatchForgetOfNoneIsAccepted) {
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, FuseBytes().Add(fuse_batch_forget_in{0, 0})), 0);
  EXPECT_EQ(decoding_.request.forget().items_size(), 0);
}

TEST_F(FuseDecodeTest, BatchForgetCountBelowItsItemsIsRefused) {
  const FuseBytes arguments =
      FuseBytes().Add(fuse_batch_forget_in{1, 0}).Add(fuse_forget_one{}).Add(fuse_forget_one{});
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, arguments), EINVAL);
  EXPECT_EQ(decoding_.request.forget().items_size(), 0);
}

TEST_F(FuseDecodeTest, BatchForgetCountAboveItsItemsIsRefused) {
  const FuseBytes arguments =
      FuseBytes().Add(fuse_batch_forget_in{2, 0}).Add(fuse_forget_one{8, 1});
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, arguments), EINVAL);
  EXPECT_EQ(decoding_.request.forget().items_size(), 0);
}

TEST_F(FuseDecodeTest, BatchForgetCountOfAllOnesIsRefused) {
  const FuseBytes arguments =
      FuseBytes().Add(fuse_batch_forget_in{UINT32_MAX, 0}).Add(fuse_forget_one{8, 1});
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, arguments), EINVAL);
}

TEST_F(FuseDecodeTest, BatchForgetCountWhoseBytesWrapTo32BitsIsRefused) {
  // 0x10000001 * 16 is 16 modulo 2^32.
  const FuseBytes arguments =
      FuseBytes().Add(fuse_batch_forget_in{0x10000001, 0}).Add(fuse_forget_one{8, 1});
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, arguments), EINVAL);
}

TEST_F(FuseDecodeTest, BatchForgetWithATrailingByteAddsNothing) {
  // What a failed decoder has added to a batch's one forget request would be sent.
  const FuseBytes arguments =
      FuseBytes().Add(fuse_batch_forget_in{1, 0}).Add(fuse_forget_one{8, 1}).Zeros(1);
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, arguments), EINVAL);
  EXPECT_EQ(decoding_.request.forget().items_size(), 0);
}

TEST_F(FuseDecodeTest, BatchForgetTakesAllThatItBrings) {
  FuseBytes many = FuseBytes().Add(fuse_batch_forget_in{65'535, 0});
  EXPECT_EQ(decoding_.Decode(FUSE_BATCH_FORGET, many.Zeros(65'535 * 16)), 0);
  EXPECT_EQ(decoding_.request.forget().items_size(), 65'535);
}

// ---- transfers ----

FuseBytes Read(uint32_t size) {
  return FuseBytes().Add(fuse_read_in{FuseDecoding::kFile, 0, size, 0, 0, 0, 0});
}
FuseBytes Write(uint32_t size) {
  return FuseBytes().Add(fuse_write_in{FuseDecoding::kFile, 0, size, 0, 0, 0, 0});
}

TEST_F(FuseDecodeTest, ReadFillsItsBufferAtMost) {
  decoding_.reply_bytes = 4096;
  EXPECT_EQ(decoding_.Decode(FUSE_READ, Read(4096)), 0);
  EXPECT_EQ(decoding_.Decode(FUSE_READ, Read(4097)), EINVAL);
  EXPECT_EQ(decoding_.Decode(FUSE_READ, Read(UINT32_MAX)), EINVAL);
}

// Guests with pages of 64 KiB, and firmware, read more than a mebibyte.
TEST_F(FuseDecodeTest, ReadIsBoundByTheAnswersLengthFieldAlone) {
  decoding_.reply_bytes = size_t{4} << 30;
  EXPECT_EQ(decoding_.Decode(FUSE_READ, Read(UINT32_MAX - 16)), 0);
  EXPECT_EQ(decoding_.Decode(FUSE_READ, Read(UINT32_MAX - 15)), EINVAL);
}

TEST_F(FuseDecodeTest, ReadOfNothingIsAccepted) {
  decoding_.reply_bytes = 0;
  EXPECT_EQ(decoding_.Decode(FUSE_READ, Read(0)), 0);
}

TEST_F(FuseDecodeTest, WriteTakesTheDataThatIsThereAtMost) {
  decoding_.data_bytes = 100;
  EXPECT_EQ(decoding_.Decode(FUSE_WRITE, Write(100)), 0);
  EXPECT_EQ(decoding_.Decode(FUSE_WRITE, Write(101)), EINVAL);
  EXPECT_EQ(decoding_.Decode(FUSE_WRITE, Write(UINT32_MAX)), EINVAL);
}

TEST_F(FuseDecodeTest, WriteIsAtMostOneMebibyte) {
  decoding_.data_bytes = size_t{4} << 30;
  EXPECT_EQ(decoding_.Decode(FUSE_WRITE, Write(1048576)), 0);
  EXPECT_EQ(decoding_.Decode(FUSE_WRITE, Write(1048577)), EINVAL);
}

TEST_F(FuseDecodeTest, DirectoryBudgetIsWhatFitsTheReply) {
  decoding_.reply_bytes = 512;
  const FuseBytes arguments = FuseBytes().Add(fuse_read_in{40, 0, 4096, 0, 0, 0, 0});
  EXPECT_EQ(decoding_.Decode(FUSE_READDIR, arguments), 0);
  EXPECT_EQ(decoding_.request.read_directory().budget(), 512u);
}

TEST_F(FuseDecodeTest, DirectoryBudgetIsAtMostOneMebibyte) {
  decoding_.reply_bytes = size_t{4} << 30;
  const FuseBytes arguments = FuseBytes().Add(fuse_read_in{40, 0, UINT32_MAX, 0, 0, 0, 0});
  EXPECT_EQ(decoding_.Decode(FUSE_READDIRPLUS, arguments), 0);
  EXPECT_EQ(decoding_.request.read_directory().budget(), 1048576u);
}

FuseBytes Copy(uint64_t target_node, uint64_t target, uint64_t size, uint64_t flags = 0) {
  return FuseBytes().Add(fuse_copy_file_range_in{.fh_in = FuseDecoding::kFile,
                                                 .off_in = 1,
                                                 .nodeid_out = target_node,
                                                 .fh_out = target,
                                                 .off_out = 2,
                                                 .len = size,
                                                 .flags = flags});
}

TEST_F(FuseDecodeTest, CopyKnowsItsTarget) {
  EXPECT_EQ(decoding_.Decode(FUSE_COPY_FILE_RANGE, Copy(6, FuseDecoding::kOtherNodesFile, 3)), 0);
  EXPECT_EQ(decoding_.file.target,
            *decoding_.open_files.Find(OpenFileId(FuseDecoding::kOtherNodesFile), NodeId(6)));
  EXPECT_EQ(decoding_.file.target_offset, 2u);
}

TEST_F(FuseDecodeTest, CopyToAFileThatIsNotTheTargetNodesIsEbadf) {
  EXPECT_EQ(decoding_.Decode(FUSE_COPY_FILE_RANGE, Copy(5, FuseDecoding::kOtherNodesFile, 3)),
            EBADF);
  EXPECT_EQ(decoding_.Decode(FUSE_COPY_FILE_RANGE, Copy(6, 1234, 3)), EBADF);
}

// The answer has 32 bits for the count.
TEST_F(FuseDecodeTest, CopyIsCutTo64Mebibytes) {
  EXPECT_EQ(
      decoding_.Decode(FUSE_COPY_FILE_RANGE, Copy(6, FuseDecoding::kOtherNodesFile, UINT64_MAX)),
      0);
  EXPECT_EQ(decoding_.file.size, uint64_t{64} << 20);
}

TEST_F(FuseDecodeTest, CopyWithFlagsIsRefused) {
  EXPECT_EQ(decoding_.Decode(FUSE_COPY_FILE_RANGE, Copy(6, FuseDecoding::kOtherNodesFile, 3, 1)),
            EINVAL);
}

// ---- handles ----

TEST_F(FuseDecodeTest, ReleaseTakesTheFileOutOfTheTable) {
  const FuseBytes arguments = FuseBytes().Add(fuse_release_in{FuseDecoding::kFile, 0, 0, 0});
  EXPECT_EQ(decoding_.Decode(FUSE_RELEASE, arguments), 0);
  EXPECT_EQ(decoding_.Decode(FUSE_FLUSH, FuseBytes().Add(fuse_flush_in{77, 0, 0, 0})), EBADF);
  EXPECT_EQ(decoding_.Decode(FUSE_RELEASE, arguments), EBADF);
}

TEST_F(FuseDecodeTest, ReleaseOfAnotherNodesFileIsRefused) {
  const FuseBytes arguments =
      FuseBytes().Add(fuse_release_in{FuseDecoding::kOtherNodesFile, 0, 0, 0});
  EXPECT_EQ(decoding_.Decode(FUSE_RELEASE, arguments), EBADF);
  EXPECT_TRUE(decoding_.open_files.Find(OpenFileId(FuseDecoding::kOtherNodesFile), NodeId(6)).ok());
}

// A reply with a new handle that can't be delivered would leave a file open that nobody can close.
TEST_F(FuseDecodeTest, OpeningWithoutRoomForTheHandleIsRefused) {
  const FuseBytes open = FuseBytes().Add(fuse_open_in{});
  const FuseBytes create = FuseBytes().Add(fuse_create_in{}).Name("name");
  decoding_.reply_bytes = 15;
  EXPECT_EQ(decoding_.Decode(FUSE_OPEN, open), EINVAL);
  EXPECT_EQ(decoding_.Decode(FUSE_OPENDIR, open), EINVAL);
  decoding_.reply_bytes = 16;
  EXPECT_EQ(decoding_.Decode(FUSE_OPEN, open), 0);
  EXPECT_EQ(decoding_.Decode(FUSE_OPENDIR, open), 0);
  decoding_.reply_bytes = 128 + 15;
  EXPECT_EQ(decoding_.Decode(FUSE_CREATE, create), EINVAL);
  decoding_.reply_bytes = 128 + 16;
  EXPECT_EQ(decoding_.Decode(FUSE_CREATE, create), 0);
}

// ---- the rest ----

TEST_F(FuseDecodeTest, AccessMaskWithUnknownBitsIsRefused) {
  EXPECT_EQ(decoding_.Decode(FUSE_ACCESS, FuseBytes().Add(fuse_access_in{8, 0})), EINVAL);
  EXPECT_EQ(decoding_.Decode(FUSE_ACCESS, FuseBytes().Add(fuse_access_in{0, 0})), 0);
}

TEST_F(FuseDecodeTest, SymlinkTargetIsOneTo4095Bytes) {
  const auto symlink = [](const std::string& target) {
    return FuseBytes().Name("name").Name(target);
  };
  EXPECT_EQ(decoding_.Decode(FUSE_SYMLINK, symlink("")), ENOENT);
  EXPECT_EQ(decoding_.Decode(FUSE_SYMLINK, symlink(std::string(4095, 't'))), 0);
  EXPECT_EQ(decoding_.request.symlink().target().size(), 4095u);
  EXPECT_EQ(decoding_.Decode(FUSE_SYMLINK, symlink(std::string(4096, 't'))), ENAMETOOLONG);
}

TEST_F(FuseDecodeTest, SymlinkTargetWithoutNulIsRefused) {
  EXPECT_EQ(decoding_.Decode(FUSE_SYMLINK, FuseBytes().Name("name").Text("target")), EINVAL);
}

}  // namespace
}  // namespace postern
