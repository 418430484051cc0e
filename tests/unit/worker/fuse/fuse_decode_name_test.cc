// Names that no decoder lets through, in every request that has one.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

// What comes before and after a name in the arguments.
struct Naming {
  std::string name;
  uint32_t opcode;
  FuseBytes before;
  FuseBytes after;
};
struct BadName {
  std::string name;
  std::string text;
  int error;
};

std::vector<Naming> NamingRequests() {
  return {
      {"Lookup", FUSE_LOOKUP, {}, {}},
      {"Symlink", FUSE_SYMLINK, {}, FuseBytes().Name("target")},
      {"Mknod", FUSE_MKNOD, FuseBytes().Add(fuse_mknod_in{}), {}},
      {"Mkdir", FUSE_MKDIR, FuseBytes().Add(fuse_mkdir_in{}), {}},
      {"Unlink", FUSE_UNLINK, {}, {}},
      {"Rmdir", FUSE_RMDIR, {}, {}},
      {"RenameFrom", FUSE_RENAME, FuseBytes().Add(fuse_rename_in{6}), FuseBytes().Name("good")},
      {"RenameTo", FUSE_RENAME, FuseBytes().Add(fuse_rename_in{6}).Name("good"), {}},
      {"Rename2From", FUSE_RENAME2, FuseBytes().Add(fuse_rename2_in{}), FuseBytes().Name("good")},
      {"Rename2To", FUSE_RENAME2, FuseBytes().Add(fuse_rename2_in{}).Name("good"), {}},
      {"Link", FUSE_LINK, FuseBytes().Add(fuse_link_in{9}), {}},
      {"Create", FUSE_CREATE, FuseBytes().Add(fuse_create_in{}), {}},
  };
}

class NameTest : public testing::TestWithParam<std::tuple<Naming, BadName>> {
 protected:
  FuseDecoding decoding_;
};

TEST_P(NameTest, BadOneIsRefused) {
  const auto& [request, bad] = GetParam();
  const FuseBytes arguments =
      FuseBytes().Raw(request.before.bytes()).Name(bad.text).Raw(request.after.bytes());
  const bool taken = request.opcode == FUSE_LOOKUP && (bad.text == "." || bad.text == "..");
  EXPECT_EQ(decoding_.Decode(request.opcode, arguments), taken ? 0 : bad.error);
}

INSTANTIATE_TEST_SUITE_P(
    All, NameTest,
    testing::Combine(testing::ValuesIn(NamingRequests()),
                     testing::Values(BadName{"Empty", "", EINVAL}, BadName{"Dot", ".", EINVAL},
                                     BadName{"DotDot", "..", EINVAL}, BadName{"Slash", "/", EINVAL},
                                     BadName{"Path", "a/b", EINVAL},
                                     BadName{"Escape", "../x", EINVAL},
                                     BadName{"TrailingSlash", "a/", EINVAL},
                                     BadName{"Of1025Bytes", std::string(1025, 'n'), ENAMETOOLONG})),
    [](const auto& instance) {
      return std::get<0>(instance.param).name + std::get<1>(instance.param).name;
    });

class NameEndTest : public testing::TestWithParam<Naming> {
 protected:
  FuseDecoding decoding_;
};

TEST_P(NameEndTest, WithoutNulIsRefused) {
  const FuseBytes arguments = FuseBytes().Raw(GetParam().before.bytes()).Text("endless");
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, arguments), EINVAL);
}

TEST_P(NameEndTest, WithGoodNameIsAccepted) {
  const FuseBytes arguments =
      FuseBytes().Raw(GetParam().before.bytes()).Name("fine").Raw(GetParam().after.bytes());
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, arguments), 0);
}

INSTANTIATE_TEST_SUITE_P(All, NameEndTest, testing::ValuesIn(NamingRequests()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace postern
