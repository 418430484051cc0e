#include "worker/fuse/fuse_operations.h"

#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>

namespace postern {
namespace {

struct Expectation {
  uint32_t opcode;
  const char* name;
  FuseRoute route;
  bool replies;
};

constexpr FuseRoute kBroker = FuseRoute::kBroker;
constexpr FuseRoute kFile = FuseRoute::kFile;

// linux/fuse.h's numbers, written out.
constexpr Expectation kServed[] = {
    {1, "lookup", kBroker, true},
    {2, "forget", FuseRoute::kForget, false},
    {3, "getattr", kBroker, true},
    {4, "setattr", kBroker, true},
    {5, "readlink", kBroker, true},
    {6, "symlink", kBroker, true},
    {8, "mknod", kBroker, true},
    {9, "mkdir", kBroker, true},
    {10, "unlink", kBroker, true},
    {11, "rmdir", kBroker, true},
    {12, "rename", kBroker, true},
    {13, "link", kBroker, true},
    {14, "open", kBroker, true},
    {15, "read", kFile, true},
    {16, "write", kFile, true},
    {17, "statfs", kBroker, true},
    {18, "release", kBroker, true},
    {20, "fsync", kFile, true},
    {21, "setxattr", kBroker, true},
    {22, "getxattr", kBroker, true},
    {23, "listxattr", kBroker, true},
    {24, "removexattr", kBroker, true},
    {25, "flush", kFile, true},
    {26, "init", FuseRoute::kInitialize, true},
    {27, "opendir", kBroker, true},
    {28, "readdir", kBroker, true},
    {29, "releasedir", kBroker, true},
    {30, "fsyncdir", kBroker, true},
    {34, "access", kBroker, true},
    {35, "create", kBroker, true},
    {36, "interrupt", FuseRoute::kIgnore, false},
    {38, "destroy", kBroker, true},
    {42, "batch_forget", FuseRoute::kForget, false},
    {43, "fallocate", kFile, true},
    {44, "readdirplus", kBroker, true},
    {45, "rename2", kBroker, true},
    {46, "lseek", kFile, true},
    {47, "copy_file_range", kFile, true},
    {50, "syncfs", kBroker, true},
    {51, "tmpfile", kBroker, true},
    {52, "statx", kBroker, true},
    {53, "copy_file_range_64", kFile, true},
};

class ServedOpcodeTest : public testing::TestWithParam<Expectation> {};

TEST_P(ServedOpcodeTest, HasItsRow) {
  const FuseOperation* const row = FindFuseOperation(GetParam().opcode);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->opcode, GetParam().opcode);
  EXPECT_STREQ(row->name, GetParam().name);
  EXPECT_EQ(row->route, GetParam().route);
  EXPECT_EQ(row->replies(), GetParam().replies);
}

TEST_P(ServedOpcodeTest, HasTheFunctionsOfItsRoute) {
  const FuseOperation* const row = FindFuseOperation(GetParam().opcode);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->decode != nullptr,
            row->route == FuseRoute::kBroker || row->route == FuseRoute::kForget);
  EXPECT_EQ(row->encode != nullptr, row->route == FuseRoute::kBroker);
  EXPECT_EQ(row->decode_file != nullptr, row->route == FuseRoute::kFile);
  EXPECT_TRUE(row->encode_file == nullptr || row->route == FuseRoute::kFile);
}

INSTANTIATE_TEST_SUITE_P(All, ServedOpcodeTest, testing::ValuesIn(kServed),
                         [](const auto& instance) { return std::string(instance.param.name); });

// Every number of linux/fuse.h that isn't served, the gaps between, the first behind, and an INIT
// of the other endianness.
class UnservedOpcodeTest : public testing::TestWithParam<uint32_t> {};

TEST_P(UnservedOpcodeTest, HasNoRow) { EXPECT_EQ(FindFuseOperation(GetParam()), nullptr); }

INSTANTIATE_TEST_SUITE_P(Gaps, UnservedOpcodeTest, testing::Values(0u, 7u, 19u));
INSTANTIATE_TEST_SUITE_P(Known, UnservedOpcodeTest,
                         testing::Values(FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW, FUSE_BMAP, FUSE_IOCTL,
                                         FUSE_POLL, FUSE_NOTIFY_REPLY, FUSE_SETUPMAPPING,
                                         FUSE_REMOVEMAPPING));
INSTANTIATE_TEST_SUITE_P(Beyond, UnservedOpcodeTest,
                         testing::Values(54u, 127u, 128u, 255u, 256u, 4096u, 0x1a000000u,
                                         0x7fffffffu, 0x80000000u, UINT32_MAX));

TEST(FuseOperationsTest, TableHoldsWhatIsServedAndNothingTwice) {
  std::set<uint32_t> opcodes;
  std::set<std::string> names;
  for (const FuseOperation& row : AllFuseOperations()) {
    EXPECT_TRUE(opcodes.insert(row.opcode).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
  EXPECT_EQ(opcodes.size(), std::size(kServed));
}

TEST(FuseOperationsTest, EveryRowIsFoundUnderItsOpcode) {
  for (const FuseOperation& row : AllFuseOperations()) {
    EXPECT_EQ(FindFuseOperation(row.opcode), &row) << row.name;
  }
}

}  // namespace
}  // namespace postern
