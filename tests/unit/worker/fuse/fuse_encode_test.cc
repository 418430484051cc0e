#include "worker/fuse/fuse_encode.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/unit/worker/fuse_bytes.h"
#include "worker/fuse/fuse_operations.h"

namespace postern {
namespace {

void FillAttributes(rpc::Attributes& attributes) {
  attributes.set_ino(1234);
  attributes.set_size(5000);
  attributes.set_blocks(16);
  attributes.set_atime_seconds(-1);
  attributes.set_atime_nanoseconds(1);
  attributes.set_mtime_seconds(1700000000);
  attributes.set_mtime_nanoseconds(2);
  attributes.set_ctime_seconds(1700000001);
  attributes.set_ctime_nanoseconds(999'999'999);
  attributes.set_mode(S_IFREG | 0644);
  attributes.set_nlink(3);
  attributes.set_uid(1000);
  attributes.set_gid(1001);
  attributes.set_rdev_major(8);
  attributes.set_rdev_minor(0xabc10);
  attributes.set_block_size(4096);
}

constexpr fuse_attr kAttributes = {.ino = 1234,
                                   .size = 5000,
                                   .blocks = 16,
                                   .atime = UINT64_MAX,
                                   .mtime = 1700000000,
                                   .ctime = 1700000001,
                                   .atimensec = 1,
                                   .mtimensec = 2,
                                   .ctimensec = 999'999'999,
                                   .mode = S_IFREG | 0644,
                                   .nlink = 3,
                                   .uid = 1000,
                                   .gid = 1001,
                                   .rdev = 0xabc00810,
                                   .blksize = 4096,
                                   .flags = 0};

constexpr fuse_entry_out kEntry = {.nodeid = 9,
                                   .generation = 0,
                                   .entry_valid = 86400,
                                   .attr_valid = 86400,
                                   .entry_valid_nsec = 0,
                                   .attr_valid_nsec = 0,
                                   .attr = kAttributes};

void FillEntry(rpc::Entry& entry) {
  entry.set_node_id(9);
  FillAttributes(*entry.mutable_attributes());
}

class FuseEncodeTest : public testing::Test {
 protected:
  FuseEncodeTest() {
    header_.nodeid = 5;
    options_.cache.timeout_seconds = 86400;
    options_.cache.open_flags = FOPEN_KEEP_CACHE;
    options_.cache.open_directory_flags = FOPEN_CACHE_DIR;
  }

  // Through the table. 0 or an errno.
  int Encode(uint32_t opcode) {
    payload_.Clear();
    const EncodeContext context{header_, options_, session_, open_files_, notes_, descriptor_};
    return FindFuseOperation(opcode)->encode(context, reply_, payload_).errno_value();
  }
  void ExpectPayload(uint32_t opcode, const FuseBytes& expected) {
    EXPECT_EQ(Encode(opcode), 0);
    EXPECT_THAT(payload_.bytes(), AreBytes(expected.bytes()));
  }
  static UniqueFd OpenNull() { return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)); }
  // What precedes a dirent without an entry.
  static fuse_entry_out NoEntry(uint64_t ino, uint32_t type) {
    fuse_entry_out none{};
    none.attr.ino = ino;
    none.attr.mode = type << 12;
    return none;
  }
  rpc::DirectoryListing::Item& AddItem(const std::string& name) {
    auto& item = *reply_.mutable_listing()->add_items();
    item.set_name(name);
    item.set_ino(55);
    item.set_next_offset(66);
    item.set_type(DT_REG);
    return item;
  }

  fuse_in_header header_ = {};
  FuseOptions options_;
  FuseSession session_;
  RequestNotes notes_;
  OpenFiles open_files_;
  UniqueFd descriptor_;
  rpc::Reply reply_;
  FusePayload payload_;
};

TEST_F(FuseEncodeTest, EntryIsFuseEntryOut) {
  FillEntry(*reply_.mutable_entry());
  ExpectPayload(FUSE_LOOKUP, FuseBytes().Add(kEntry));
  EXPECT_EQ(payload_.bytes().size(), 128u);
}

TEST_F(FuseEncodeTest, SubmountIsMarkedInTheEntry) {
  FillEntry(*reply_.mutable_entry());
  reply_.mutable_entry()->set_is_submount(true);
  session_.Begin(FUSE_SUBMOUNTS);
  fuse_entry_out expected = kEntry;
  expected.attr.flags = 1;  // FUSE_ATTR_SUBMOUNT
  ExpectPayload(FUSE_MKDIR, FuseBytes().Add(expected));
}

TEST_F(FuseEncodeTest, SubmountIsNotMarkedForAGuestThatDoesNotKnowThem) {
  FillEntry(*reply_.mutable_entry());
  reply_.mutable_entry()->set_is_submount(true);
  session_.Begin(0);
  ExpectPayload(FUSE_LOOKUP, FuseBytes().Add(kEntry));
}

TEST_F(FuseEncodeTest, SubmountIsNotMarkedIfTheyAreNotAnnounced) {
  FillEntry(*reply_.mutable_entry());
  reply_.mutable_entry()->set_is_submount(true);
  session_.Begin(FUSE_SUBMOUNTS);
  options_.announce_submounts = false;
  ExpectPayload(FUSE_LOOKUP, FuseBytes().Add(kEntry));
}

TEST_F(FuseEncodeTest, AttributesAreFuseAttrOut) {
  FillAttributes(*reply_.mutable_attributes());
  const fuse_attr_out expected{
      .attr_valid = 86400, .attr_valid_nsec = 0, .dummy = 0, .attr = kAttributes};
  ExpectPayload(FUSE_GETATTR, FuseBytes().Add(expected));
  EXPECT_EQ(payload_.bytes().size(), 104u);
}

TEST_F(FuseEncodeTest, ExtendedAttributeIsItsValue) {
  reply_.mutable_extended_attribute()->set_value(std::string("va\0lue", 6));
  const FuseBytes expected = FuseBytes().Text(std::string("va\0lue", 6));
  ExpectPayload(FUSE_GETXATTR, expected);
  ExpectPayload(FUSE_LISTXATTR, expected);
}

TEST_F(FuseEncodeTest, EmptyExtendedAttributeIsAnEmptyPayload) {
  reply_.mutable_extended_attribute();
  ExpectPayload(FUSE_GETXATTR, FuseBytes());
}

TEST_F(FuseEncodeTest, SizeOfAnExtendedAttributeIsFuseGetxattrOut) {
  notes_.size_only = true;
  reply_.mutable_extended_attribute()->set_size(65536);
  ExpectPayload(FUSE_GETXATTR, FuseBytes().Add(fuse_getxattr_out{65536, 0}));
  ExpectPayload(FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_out{65536, 0}));
}

TEST_F(FuseEncodeTest, SizeZeroOfAnExtendedAttributeIsSaid) {
  notes_.size_only = true;
  reply_.mutable_extended_attribute();
  ExpectPayload(FUSE_GETXATTR, FuseBytes().Zeros(8));
}

// The layout is that of struct statx but for the last 14 words; offsets written out.
TEST_F(FuseEncodeTest, StatxIsFuseStatxOut) {
  FillAttributes(*reply_.mutable_attributes());
  reply_.mutable_attributes()->mutable_birth_time()->set_seconds(-3);
  reply_.mutable_attributes()->mutable_birth_time()->set_nanoseconds(33);
  ASSERT_EQ(Encode(kFuseStatx), 0);
  const auto bytes = payload_.bytes();
  ASSERT_EQ(bytes.size(), 288u);
  const auto& from = reply_.attributes();
  EXPECT_EQ(ReadAs<uint64_t>(bytes, 0), 86400u);
  constexpr size_t kStatx = 32;
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx), 0xfffu);  // BASIC_STATS and BTIME.
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 4), from.block_size());
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 16), from.nlink());
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 20), from.uid());
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 24), from.gid());
  EXPECT_EQ(ReadAs<uint16_t>(bytes, kStatx + 28), from.mode());
  EXPECT_EQ(ReadAs<uint64_t>(bytes, kStatx + 32), from.ino());
  EXPECT_EQ(ReadAs<uint64_t>(bytes, kStatx + 40), from.size());
  EXPECT_EQ(ReadAs<uint64_t>(bytes, kStatx + 48), from.blocks());
  EXPECT_EQ(ReadAs<int64_t>(bytes, kStatx + 64), from.atime_seconds());
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 72), from.atime_nanoseconds());
  EXPECT_EQ(ReadAs<int64_t>(bytes, kStatx + 80), -3);
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 88), 33u);
  EXPECT_EQ(ReadAs<int64_t>(bytes, kStatx + 96), from.ctime_seconds());
  EXPECT_EQ(ReadAs<int64_t>(bytes, kStatx + 112), from.mtime_seconds());
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 128), from.rdev_major());
  EXPECT_EQ(ReadAs<uint32_t>(bytes, kStatx + 132), from.rdev_minor());
}

TEST_F(FuseEncodeTest, StatxWithoutBirthTimeSaysSo) {
  FillAttributes(*reply_.mutable_attributes());
  ASSERT_EQ(Encode(kFuseStatx), 0);
  EXPECT_EQ(ReadAs<uint32_t>(payload_.bytes(), 32), 0x7ffu);
  EXPECT_EQ(ReadAs<int64_t>(payload_.bytes(), 32 + 80), 0);
}

TEST_F(FuseEncodeTest, LinkTargetHasNoNul) {
  reply_.set_link_target("../target");
  ExpectPayload(FUSE_READLINK, FuseBytes().Text("../target"));
}

TEST_F(FuseEncodeTest, OpenedFileIsFuseOpenOutAndIsKept) {
  descriptor_ = OpenNull();
  const int number = descriptor_.get();
  reply_.mutable_opened()->set_open_file_id(77);
  ExpectPayload(FUSE_OPEN, FuseBytes().Add(fuse_open_out{77, FOPEN_KEEP_CACHE, 0}));
  const auto file = open_files_.Find(OpenFileId(77), NodeId(5));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->fd.get(), number);
  EXPECT_FALSE(descriptor_.valid());
}

TEST_F(FuseEncodeTest, OpenedFileWithoutDescriptorIsEio) {
  reply_.mutable_opened()->set_open_file_id(77);
  EXPECT_EQ(Encode(FUSE_OPEN), EIO);
  EXPECT_FALSE(open_files_.Find(OpenFileId(77), NodeId(5)).ok());
}

TEST_F(FuseEncodeTest, CreatedFileIsEntryAndHandleAndIsKeptUnderItsOwnNode) {
  descriptor_ = OpenNull();
  FillEntry(*reply_.mutable_created()->mutable_entry());
  reply_.mutable_created()->mutable_opened()->set_open_file_id(77);
  ExpectPayload(FUSE_CREATE, FuseBytes().Add(kEntry).Add(fuse_open_out{77, FOPEN_KEEP_CACHE, 0}));
  EXPECT_TRUE(open_files_.Find(OpenFileId(77), NodeId(9)).ok());
  EXPECT_EQ(open_files_.Find(OpenFileId(77), NodeId(5)).errno_value(), EBADF);
}

TEST_F(FuseEncodeTest, CreatedFileWithoutDescriptorIsEio) {
  FillEntry(*reply_.mutable_created()->mutable_entry());
  EXPECT_EQ(Encode(FUSE_CREATE), EIO);
}

TEST_F(FuseEncodeTest, OpenedDirectoryNeedsNoDescriptorAndIsNotKept) {
  reply_.mutable_opened()->set_open_file_id(40);
  ExpectPayload(FUSE_OPENDIR, FuseBytes().Add(fuse_open_out{40, FOPEN_CACHE_DIR, 0}));
  EXPECT_FALSE(open_files_.Find(OpenFileId(40), NodeId(5)).ok());
}

TEST_F(FuseEncodeTest, StatisticsAreFuseStatfsOut) {
  auto& statistics = *reply_.mutable_statistics();
  statistics.set_blocks(1);
  statistics.set_blocks_free(2);
  statistics.set_blocks_available(3);
  statistics.set_files(4);
  statistics.set_files_free(5);
  statistics.set_block_size(6);
  statistics.set_fragment_size(7);
  statistics.set_name_max(8);
  fuse_statfs_out expected{};
  expected.st = {.blocks = 1,
                 .bfree = 2,
                 .bavail = 3,
                 .files = 4,
                 .ffree = 5,
                 .bsize = 6,
                 .namelen = 8,
                 .frsize = 7,
                 .padding = 0,
                 .spare = {}};
  ExpectPayload(FUSE_STATFS, FuseBytes().Add(expected));
  EXPECT_EQ(payload_.bytes().size(), 80u);
}

TEST_F(FuseEncodeTest, NothingIsAnEmptyPayload) { ExpectPayload(FUSE_UNLINK, FuseBytes()); }

// ---- directories ----

TEST_F(FuseEncodeTest, EmptyListingIsAnEmptyPayload) {
  reply_.mutable_listing();
  ExpectPayload(FUSE_READDIR, FuseBytes());
  ExpectPayload(FUSE_READDIRPLUS, FuseBytes());
}

// 24 bytes, the name, and zeros up to a multiple of 8.
class DirentPaddingTest : public FuseEncodeTest, public testing::WithParamInterface<size_t> {};

TEST_P(DirentPaddingTest, RecordIsAMultipleOfEight) {
  const std::string name(GetParam(), 'n');
  const size_t padding = GetParam() == 9 ? 7 : 8 - GetParam();
  AddItem(name);
  const fuse_dirent expected{
      .ino = 55, .off = 66, .namelen = static_cast<uint32_t>(GetParam()), .type = 8};
  ExpectPayload(FUSE_READDIRPLUS,
                FuseBytes().Add(NoEntry(55, DT_REG)).Add(expected).Text(name).Zeros(padding));
  EXPECT_EQ(payload_.bytes().size(), 128u + (GetParam() == 9 ? 40u : 32u));
}

INSTANTIATE_TEST_SUITE_P(NameLengths, DirentPaddingTest, testing::Range(size_t{1}, size_t{10}));

TEST_F(FuseEncodeTest, DirentsFollowEachOtherInOrder) {
  AddItem("a");
  auto& second = AddItem("bcd");
  second.set_ino(56);
  second.set_next_offset(67);
  second.set_type(DT_DIR);
  ExpectPayload(FUSE_READDIRPLUS,
                FuseBytes()
                    .Add(NoEntry(55, DT_REG))
                    .Add(fuse_dirent{.ino = 55, .off = 66, .namelen = 1, .type = 8})
                    .Text("a")
                    .Zeros(7)
                    .Add(NoEntry(56, DT_DIR))
                    .Add(fuse_dirent{.ino = 56, .off = 67, .namelen = 3, .type = 4})
                    .Text("bcd")
                    .Zeros(5));
}

TEST_F(FuseEncodeTest, DirentplusHasItsEntryBefore) {
  FillEntry(*AddItem("name").mutable_entry());
  ExpectPayload(FUSE_READDIRPLUS,
                FuseBytes()
                    .Add(kEntry)
                    .Add(fuse_dirent{.ino = 55, .off = 66, .namelen = 4, .type = 8})
                    .Text("name")
                    .Zeros(4));
}

TEST_F(FuseEncodeTest, DirentplusWithoutEntryHasNodeZeroAndNoTimeout) {
  AddItem("..").set_type(DT_DIR);
  fuse_entry_out none{};
  none.attr.ino = 55;
  none.attr.mode = S_IFDIR;
  ExpectPayload(FUSE_READDIRPLUS,
                FuseBytes()
                    .Add(none)
                    .Add(fuse_dirent{.ino = 55, .off = 66, .namelen = 2, .type = 4})
                    .Text("..")
                    .Zeros(6));
}

TEST_F(FuseEncodeTest, ReaddirGivesThePackedListingAsItIs) {
  const std::string packed(64, 'p');
  reply_.mutable_listing()->set_packed(packed);
  ExpectPayload(FUSE_READDIR, FuseBytes().Text(packed));
}

// ---- answers of another kind ----

class WrongKindTest : public FuseEncodeTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(WrongKindTest, NoResultIsEio) { EXPECT_EQ(Encode(GetParam()), EIO); }

TEST_P(WrongKindTest, AnotherResultIsEio) {
  descriptor_ = OpenNull();
  // What comes nearest: a link target is nobody's but READLINK's.
  if (GetParam() == FUSE_READLINK) {
    FillEntry(*reply_.mutable_entry());
  } else {
    reply_.set_link_target("target");
  }
  EXPECT_EQ(Encode(GetParam()), EIO);
  EXPECT_TRUE(payload_.bytes().empty());
}

INSTANTIATE_TEST_SUITE_P(All, WrongKindTest,
                         testing::Values(FUSE_LOOKUP, FUSE_GETATTR, FUSE_SETATTR, FUSE_READLINK,
                                         FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR, FUSE_LINK, FUSE_OPEN,
                                         FUSE_STATFS, FUSE_OPENDIR, FUSE_READDIR, FUSE_READDIRPLUS,
                                         FUSE_CREATE, FUSE_TMPFILE, FUSE_GETXATTR, FUSE_LISTXATTR,
                                         kFuseStatx),
                         [](const auto& instance) {
                           return std::string(FindFuseOperation(instance.param)->name);
                         });

class NothingExpectedTest : public FuseEncodeTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(NothingExpectedTest, AResultIsEio) {
  FillEntry(*reply_.mutable_entry());
  EXPECT_EQ(Encode(GetParam()), EIO);
}

INSTANTIATE_TEST_SUITE_P(All, NothingExpectedTest,
                         testing::Values(FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME, FUSE_RENAME2,
                                         FUSE_RELEASE, FUSE_RELEASEDIR, FUSE_FSYNCDIR, FUSE_ACCESS,
                                         FUSE_SYNCFS, FUSE_DESTROY, FUSE_SETXATTR,
                                         FUSE_REMOVEXATTR),
                         [](const auto& instance) {
                           return std::string(FindFuseOperation(instance.param)->name);
                         });

TEST_F(FuseEncodeTest, OpenedIsNotCreated) {
  descriptor_ = OpenNull();
  reply_.mutable_opened()->set_open_file_id(77);
  EXPECT_EQ(Encode(FUSE_CREATE), EIO);
  EXPECT_EQ(Encode(FUSE_LOOKUP), EIO);
}

// ---- the worker's own operations ----

TEST_F(FuseEncodeTest, WrittenIsFuseWriteOut) {
  FileOperation operation;
  operation.result = 1048576;
  EncodeWritten(operation, payload_);
  EXPECT_THAT(payload_.bytes(), AreBytes(FuseBytes().Add(fuse_write_out{1048576, 0}).bytes()));
}

TEST_F(FuseEncodeTest, CopiedIsFuseCopyFileRangeOut) {
  FileOperation operation;
  operation.result = uint64_t{1} << 40;
  EncodeCopied(operation, payload_);
  EXPECT_THAT(payload_.bytes(), AreBytes(FuseBytes().Add(uint64_t{1} << 40).bytes()));
}

TEST_F(FuseEncodeTest, OffsetIsFuseLseekOut) {
  FileOperation operation;
  operation.result = uint64_t{1} << 40;
  EncodeOffset(operation, payload_);
  EXPECT_THAT(payload_.bytes(),
              AreBytes(FuseBytes().Add(fuse_lseek_out{uint64_t{1} << 40}).bytes()));
}

// ---- undoing ----

class UndoLookupsTest : public FuseEncodeTest {
 protected:
  void Expect(uint64_t node_id, uint64_t count) {
    auto& item = *expected_.add_items();
    item.set_node_id(node_id);
    item.set_count(count);
  }
  void Check() {
    rpc::ForgetRequest forget;
    UndoLookups(reply_, forget);
    EXPECT_THAT(forget, IsMessage(expected_));
  }
  rpc::ForgetRequest expected_;
};

TEST_F(UndoLookupsTest, EntryIsForgottenOnce) {
  reply_.mutable_entry()->set_node_id(9);
  Expect(9, 1);
  Check();
}

TEST_F(UndoLookupsTest, CreatedFileIsForgottenOnce) {
  reply_.mutable_created()->mutable_entry()->set_node_id(9);
  Expect(9, 1);
  Check();
}

TEST_F(UndoLookupsTest, EachEntryOfAListingIsForgotten) {
  AddItem(".");
  AddItem("a").mutable_entry()->set_node_id(9);
  AddItem("gone");
  AddItem("b").mutable_entry()->set_node_id(10);
  AddItem("link to a").mutable_entry()->set_node_id(9);
  Expect(9, 1);
  Expect(10, 1);
  Expect(9, 1);
  Check();
}

TEST_F(UndoLookupsTest, WhatCountsNothingForgetsNothing) {
  reply_.mutable_attributes()->set_ino(9);
  Check();
  reply_.mutable_opened()->set_open_file_id(9);
  Check();
}

}  // namespace
}  // namespace postern
