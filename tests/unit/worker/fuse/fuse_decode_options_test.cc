// What options change in the decoders.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

// ---- open flags: what the guest says, whether it writes back, what the broker is asked ----

struct FlagsExpectation {
  std::string name;
  uint32_t flags;
  bool writeback;
  uint32_t expected;
};

class OpenFlagsTest : public testing::TestWithParam<FlagsExpectation> {
 protected:
  OpenFlagsTest() { decoding_.session.Begin(GetParam().writeback ? FUSE_WRITEBACK_CACHE : 0); }
  FuseDecoding decoding_;
};

TEST_P(OpenFlagsTest, OfOpen) {
  ASSERT_EQ(decoding_.Decode(FUSE_OPEN, FuseBytes().Add(fuse_open_in{GetParam().flags, 0})), 0);
  EXPECT_EQ(decoding_.request.open().flags(), GetParam().expected);
}

TEST_P(OpenFlagsTest, OfCreate) {
  ASSERT_EQ(decoding_.Decode(FUSE_CREATE,
                             FuseBytes().Add(fuse_create_in{GetParam().flags, 0, 0, 0}).Name("n")),
            0);
  EXPECT_EQ(decoding_.request.create().flags(), GetParam().expected);
}

TEST_P(OpenFlagsTest, OfTmpfile) {
  ASSERT_EQ(decoding_.Decode(FUSE_TMPFILE,
                             FuseBytes().Add(fuse_create_in{GetParam().flags, 0, 0, 0}).Name("/")),
            0);
  EXPECT_EQ(decoding_.request.create_temporary_file().flags(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, OpenFlagsTest,
    testing::Values(
        FlagsExpectation{"ReadOnly", O_RDONLY, false, O_RDONLY},
        FlagsExpectation{"WriteOnly", O_WRONLY | O_TRUNC, false, O_WRONLY | O_TRUNC},
        FlagsExpectation{"Append", O_WRONLY | O_APPEND, false, O_WRONLY | O_APPEND},
        FlagsExpectation{"ReadOnlyWithWriteback", O_RDONLY, true, O_RDONLY},
        FlagsExpectation{"WriteOnlyWithWriteback", O_WRONLY | O_TRUNC, true, O_RDWR | O_TRUNC},
        FlagsExpectation{"AppendWithWriteback", O_WRONLY | O_APPEND, true, O_RDWR | O_APPEND},
        FlagsExpectation{"ReadWriteWithWriteback", O_RDWR, true, O_RDWR}),
    [](const auto& instance) { return instance.param.name; });

// ---- readonly ----

struct WritingRequest {
  std::string name;
  uint32_t opcode;
  FuseBytes arguments;
};

class ReadonlyTest : public testing::TestWithParam<WritingRequest> {
 protected:
  FuseDecoding decoding_;
};

TEST_P(ReadonlyTest, IsErofs) {
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, GetParam().arguments), 0);
  decoding_.options.readonly = true;
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, GetParam().arguments), EROFS);
}

INSTANTIATE_TEST_SUITE_P(
    All, ReadonlyTest,
    testing::Values(
        WritingRequest{"Write", FUSE_WRITE, FuseBytes().Add(fuse_write_in{77, 0, 0, 0, 0, 0, 0})},
        WritingRequest{"Fallocate", FUSE_FALLOCATE,
                       FuseBytes().Add(fuse_fallocate_in{77, 0, 1, 0, 0})},
        WritingRequest{"CopyFileRange", FUSE_COPY_FILE_RANGE,
                       FuseBytes().Add(fuse_copy_file_range_in{77, 0, 5, 77, 10, 1, 0})},
        WritingRequest{"CopyFileRange64", kFuseCopyFileRange64,
                       FuseBytes().Add(fuse_copy_file_range_in{77, 0, 5, 77, 10, 1, 0})}),
    [](const auto& instance) { return instance.param.name; });

TEST(ReadonlyDeviceTest, LeavesReading) {
  FuseDecoding decoding;
  decoding.options.readonly = true;
  EXPECT_EQ(decoding.Decode(FUSE_READ, FuseBytes().Add(fuse_read_in{77, 0, 1, 0, 0, 0, 0})), 0);
  EXPECT_EQ(decoding.Decode(FUSE_FLUSH, FuseBytes().Add(fuse_flush_in{77, 0, 0, 0})), 0);
  EXPECT_EQ(decoding.Decode(FUSE_LSEEK, FuseBytes().Add(fuse_lseek_in{77, 0, SEEK_DATA, 0})), 0);
}

}  // namespace
}  // namespace postern
