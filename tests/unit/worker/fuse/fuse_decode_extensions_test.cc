// The extension records of creating requests.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

// ---- supplementary groups ----

class ExtensionTest : public testing::Test {
 protected:
  ExtensionTest() { decoding_.session.Begin(kFuseCreateSuppGroup); }

  static FuseBytes Mkdir() { return FuseBytes().Add(fuse_mkdir_in{0755, 0}).Name("directory"); }
  int Decode(const FuseBytes& arguments) { return decoding_.Decode(FUSE_MKDIR, arguments); }
  std::vector<uint32_t> Groups() const {
    const auto& groups = decoding_.request.make_directory().credentials().supplementary_gids();
    return {groups.begin(), groups.end()};
  }
  // One context, padded.
  static FuseBytes SecurityRecord(const std::string& name, const std::string& value,
                                  uint32_t count = 1) {
    FuseBytes body = FuseBytes().Add(fuse_secctx{static_cast<uint32_t>(value.size()), 0});
    body.Name(name).Text(value);
    body.Zeros((8 - body.size() % 8) % 8);
    return FuseBytes()
        .Add(fuse_ext_header{static_cast<uint32_t>(8 + body.size()), count})
        .Raw(body.bytes());
  }

  FuseDecoding decoding_;
};

TEST_F(ExtensionTest, OneGroupIsTaken) {
  // 8 + 4 + 4 bytes: nothing to pad.
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44});
  EXPECT_EQ(Decode(arguments), 0);
  EXPECT_EQ(Groups(), std::vector<uint32_t>({44}));
  EXPECT_EQ(decoding_.request.make_directory().credentials().uid(), 1000u);
}

TEST_F(ExtensionTest, TwoGroupsAndPaddingAreTaken) {
  const FuseBytes arguments = Mkdir()
                                  .Add(fuse_ext_header{24, kFuseExtGroups})
                                  .Add(uint32_t{2})
                                  .Add(uint32_t{44})
                                  .Add(uint32_t{45})
                                  .Zeros(4);
  EXPECT_EQ(Decode(arguments), 0);
  EXPECT_EQ(Groups(), std::vector<uint32_t>({44, 45}));
}

TEST_F(ExtensionTest, NoGroupIsTaken) {
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{0}).Zeros(4);
  EXPECT_EQ(Decode(arguments), 0);
  EXPECT_EQ(Groups(), std::vector<uint32_t>());
}

TEST_F(ExtensionTest, SoManyGroupsAreTheMost) {
  FuseBytes arguments = Mkdir().Add(fuse_ext_header{8 + 4 + 1024 * 4 + 4, kFuseExtGroups});
  arguments.Add(uint32_t{1024});
  for (uint32_t gid = 0; gid < 1024; ++gid) arguments.Add(gid);
  EXPECT_EQ(Decode(arguments.Zeros(4)), 0);
  EXPECT_EQ(Groups().size(), 1024u);
}

TEST_F(ExtensionTest, OneGroupMoreIsRefused) {
  FuseBytes arguments = Mkdir().Add(fuse_ext_header{8 + 4 + 1025 * 4, kFuseExtGroups});
  arguments.Add(uint32_t{1025});
  for (uint32_t gid = 0; gid < 1025; ++gid) arguments.Add(gid);
  EXPECT_EQ(Decode(arguments), EINVAL);
}

TEST_F(ExtensionTest, CountBeyondTheRecordIsRefused) {
  EXPECT_EQ(
      Decode(Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{2}).Add(uint32_t{44})),
      EINVAL);
}

TEST_F(ExtensionTest, CountThatWouldWrapIsRefused) {
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(UINT32_MAX).Add(uint32_t{44});
  EXPECT_EQ(Decode(arguments), EINVAL);
}

TEST_F(ExtensionTest, CountReachingIntoTheNextRecordIsRefused) {
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{3}).Add(uint32_t{44}).Zeros(16);
  EXPECT_EQ(Decode(arguments), EINVAL);
}

TEST_F(ExtensionTest, MoreThanPaddingBehindTheGroupsIsRefused) {
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{24, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44}).Zeros(8);
  EXPECT_EQ(Decode(arguments), EINVAL);
}

TEST_F(ExtensionTest, GroupsThatWereNotNegotiatedAreRefused) {
  decoding_.session.Begin(0);
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44});
  EXPECT_EQ(Decode(arguments), EINVAL);
}

TEST_F(ExtensionTest, GroupsTwiceAreRefused) {
  const FuseBytes arguments = Mkdir()
                                  .Add(fuse_ext_header{16, kFuseExtGroups})
                                  .Add(uint32_t{1})
                                  .Add(uint32_t{44})
                                  .Add(fuse_ext_header{16, kFuseExtGroups})
                                  .Add(uint32_t{1})
                                  .Add(uint32_t{45});
  EXPECT_EQ(Decode(arguments), EINVAL);
}

TEST_F(ExtensionTest, ASecurityContextThatWasNotNegotiatedIsRefused) {
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{8, 0})), EINVAL);
  EXPECT_EQ(Decode(Mkdir().Raw(SecurityRecord("n", "v").bytes())), EINVAL);
}

TEST_F(ExtensionTest, AnUnknownTypeIsRefused) {
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{16, 33}).Zeros(8)), EINVAL);
}

TEST_F(ExtensionTest, ARecordSmallerThanItsHeaderIsRefused) {
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{0, kFuseExtGroups})), EINVAL);
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{7, kFuseExtGroups})), EINVAL);
}

TEST_F(ExtensionTest, ARecordWithoutBodyIsRefused) {
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{8, kFuseExtGroups})), EINVAL);
}

TEST_F(ExtensionTest, ARecordOfUnalignedSizeIsRefused) {
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{12, kFuseExtGroups}).Add(uint32_t{0})), EINVAL);
}

TEST_F(ExtensionTest, ARecordBeyondTheArgumentsIsRefused) {
  const FuseBytes arguments =
      Mkdir().Add(fuse_ext_header{24, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44});
  EXPECT_EQ(Decode(arguments), EINVAL);
  EXPECT_EQ(Decode(Mkdir().Add(fuse_ext_header{0xfffffff8, kFuseExtGroups})), EINVAL);
}

TEST_F(ExtensionTest, AHeaderCutShortIsRefused) { EXPECT_EQ(Decode(Mkdir().Zeros(7)), EINVAL); }

TEST_F(ExtensionTest, EveryCreatingRequestTakesGroups) {
  const FuseBytes record =
      FuseBytes().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44});
  EXPECT_EQ(decoding_.Decode(FUSE_SYMLINK, FuseBytes().Name("n").Name("t").Raw(record.bytes())), 0);
  EXPECT_EQ(decoding_.request.symlink().credentials().supplementary_gids(0), 44u);
  EXPECT_EQ(
      decoding_.Decode(FUSE_MKNOD, FuseBytes().Add(fuse_mknod_in{}).Name("n").Raw(record.bytes())),
      0);
  EXPECT_EQ(decoding_.request.make_node().credentials().supplementary_gids(0), 44u);
  EXPECT_EQ(decoding_.Decode(FUSE_CREATE,
                             FuseBytes().Add(fuse_create_in{}).Name("n").Raw(record.bytes())),
            0);
  EXPECT_EQ(decoding_.request.create().credentials().supplementary_gids(0), 44u);
  EXPECT_EQ(decoding_.Decode(FUSE_TMPFILE,
                             FuseBytes().Add(fuse_create_in{}).Name("/").Raw(record.bytes())),
            0);
  EXPECT_EQ(decoding_.request.create_temporary_file().credentials().supplementary_gids(0), 44u);
}

TEST_F(ExtensionTest, OtherRequestsTakeNone) {
  const FuseBytes record =
      FuseBytes().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44});
  EXPECT_EQ(decoding_.Decode(FUSE_UNLINK, FuseBytes().Name("n").Raw(record.bytes())), EINVAL);
  EXPECT_EQ(
      decoding_.Decode(FUSE_LINK, FuseBytes().Add(fuse_link_in{9}).Name("n").Raw(record.bytes())),
      EINVAL);
}

// ---- the length of all records, in units of 8 bytes ----

TEST_F(ExtensionTest, LengthOfAllRecordsIsTakenIfItIsTheirs) {
  decoding_.header.total_extlen = 2;
  EXPECT_EQ(
      Decode(Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44})),
      0);
}

class WrongTotalTest : public ExtensionTest, public testing::WithParamInterface<uint16_t> {};

TEST_P(WrongTotalTest, IsRefused) {
  decoding_.header.total_extlen = GetParam();
  EXPECT_EQ(
      Decode(Mkdir().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44})),
      EINVAL);
}

INSTANTIATE_TEST_SUITE_P(All, WrongTotalTest,
                         testing::Values(uint16_t{1}, uint16_t{3}, uint16_t{UINT16_MAX}));

TEST_F(ExtensionTest, LengthWithoutRecordsIsRefused) {
  decoding_.header.total_extlen = 1;
  EXPECT_EQ(Decode(Mkdir()), EINVAL);
}

// ---- security contexts ----

class SecurityContextTest : public ExtensionTest {
 protected:
  SecurityContextTest() { decoding_.session.Begin(kFuseCreateSuppGroup | FUSE_SECURITY_CTX); }
  int DecodeWith(const FuseBytes& records) { return Decode(Mkdir().Raw(records.bytes())); }
  const rpc::MakeDirectoryRequest& directory() { return decoding_.request.make_directory(); }
};

TEST_F(SecurityContextTest, IsTaken) {
  const std::string label("system_u:object_r:t:s0\0", 23);
  EXPECT_EQ(DecodeWith(SecurityRecord("security.selinux", label)), 0);
  EXPECT_EQ(directory().security_context().name(), "security.selinux");
  EXPECT_EQ(directory().security_context().value(), label);
}

TEST_F(SecurityContextTest, RecordWithoutContextMeansNone) {
  EXPECT_EQ(DecodeWith(FuseBytes().Add(fuse_ext_header{8, 0})), 0);
  EXPECT_FALSE(directory().has_security_context());
}

TEST_F(SecurityContextTest, RecordWithoutContextHasNoBody) {
  EXPECT_EQ(DecodeWith(FuseBytes().Add(fuse_ext_header{16, 0}).Zeros(8)), EINVAL);
}

TEST_F(SecurityContextTest, NoRecordIsRefused) {
  EXPECT_EQ(DecodeWith(FuseBytes()), EINVAL);
  EXPECT_EQ(
      DecodeWith(
          FuseBytes().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44})),
      EINVAL);
}

TEST_F(SecurityContextTest, GroupsMayComeBeforeOrBehind) {
  const FuseBytes groups =
      FuseBytes().Add(fuse_ext_header{16, kFuseExtGroups}).Add(uint32_t{1}).Add(uint32_t{44});
  const FuseBytes security = SecurityRecord("n", "v");
  EXPECT_EQ(DecodeWith(FuseBytes().Raw(groups.bytes()).Raw(security.bytes())), 0);
  EXPECT_EQ(DecodeWith(FuseBytes().Raw(security.bytes()).Raw(groups.bytes())), 0);
  EXPECT_EQ(Groups(), std::vector<uint32_t>({44}));
  EXPECT_EQ(directory().security_context().name(), "n");
}

TEST_F(SecurityContextTest, TwoContextsAreRefused) {
  EXPECT_EQ(DecodeWith(SecurityRecord("n", "v", 2)), EINVAL);
  EXPECT_EQ(DecodeWith(SecurityRecord("n", "v", 31)), EINVAL);
}

TEST_F(SecurityContextTest, TwoRecordsAreRefused) {
  const FuseBytes security = SecurityRecord("n", "v");
  EXPECT_EQ(DecodeWith(FuseBytes().Raw(security.bytes()).Raw(security.bytes())), EINVAL);
}

TEST_F(SecurityContextTest, EmptyValueIsRefused) {
  EXPECT_EQ(DecodeWith(SecurityRecord("n", "")), EINVAL);
}

TEST_F(SecurityContextTest, ValueIsAtMost64Kibibytes) {
  EXPECT_EQ(DecodeWith(SecurityRecord("n", std::string(65536, 'v'))), 0);
  EXPECT_EQ(DecodeWith(SecurityRecord("n", std::string(65537, 'v'))), E2BIG);
}

TEST_F(SecurityContextTest, NameIsOneTo255Bytes) {
  EXPECT_EQ(DecodeWith(SecurityRecord("", "v")), ERANGE);
  EXPECT_EQ(DecodeWith(SecurityRecord(std::string(255, 'n'), "v")), 0);
  EXPECT_EQ(DecodeWith(SecurityRecord(std::string(256, 'n'), "v")), ERANGE);
}

TEST_F(SecurityContextTest, NameWithoutNulIsRefused) {
  EXPECT_EQ(
      DecodeWith(FuseBytes().Add(fuse_ext_header{24, 1}).Add(fuse_secctx{1, 0}).Text("nnnnnnnn")),
      EINVAL);
}

TEST_F(SecurityContextTest, ValueBeyondTheRecordIsRefused) {
  // 8 bytes of body behind the structure: name, NUL and at most 6 bytes.
  const auto record = [](uint32_t size) {
    return FuseBytes()
        .Add(fuse_ext_header{24, 1})
        .Add(fuse_secctx{size, 0})
        .Name("n")
        .Text("123456");
  };
  EXPECT_EQ(DecodeWith(record(6)), 0);
  EXPECT_EQ(DecodeWith(record(7)), EINVAL);
  EXPECT_EQ(DecodeWith(record(UINT32_MAX)), EINVAL);
}

TEST_F(SecurityContextTest, MoreThanPaddingBehindTheValueIsRefused) {
  FuseBytes record = FuseBytes().Add(fuse_ext_header{32, 1}).Add(fuse_secctx{6, 0});
  EXPECT_EQ(DecodeWith(record.Name("n").Text("123456").Zeros(8)), EINVAL);
}

TEST_F(SecurityContextTest, StructureCutShortIsRefused) {
  EXPECT_EQ(DecodeWith(FuseBytes().Add(fuse_ext_header{8, 1})), EINVAL);
}

TEST_F(SecurityContextTest, EveryCreatingRequestTakesOne) {
  const FuseBytes record = SecurityRecord("n", "v");
  EXPECT_EQ(decoding_.Decode(FUSE_SYMLINK, FuseBytes().Name("n").Name("t").Raw(record.bytes())), 0);
  EXPECT_EQ(decoding_.request.symlink().security_context().value(), "v");
  EXPECT_EQ(
      decoding_.Decode(FUSE_MKNOD, FuseBytes().Add(fuse_mknod_in{}).Name("n").Raw(record.bytes())),
      0);
  EXPECT_EQ(decoding_.request.make_node().security_context().value(), "v");
  EXPECT_EQ(decoding_.Decode(FUSE_CREATE,
                             FuseBytes().Add(fuse_create_in{}).Name("n").Raw(record.bytes())),
            0);
  EXPECT_EQ(decoding_.request.create().security_context().value(), "v");
  EXPECT_EQ(decoding_.Decode(FUSE_TMPFILE,
                             FuseBytes().Add(fuse_create_in{}).Name("/").Raw(record.bytes())),
            0);
  EXPECT_EQ(decoding_.request.create_temporary_file().security_context().value(), "v");
}

}  // namespace
}  // namespace postern
