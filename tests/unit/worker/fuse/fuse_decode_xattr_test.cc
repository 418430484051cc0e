// The decoders' rules about extended attributes.
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <string>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

class XattrDecodeTest : public testing::Test {
 protected:
  XattrDecodeTest() { decoding_.options.xattr = true; }

  static FuseBytes Set(const std::string& name, const std::string& value, uint32_t flags = 0) {
    return FuseBytes().Add(static_cast<uint32_t>(value.size())).Add(flags).Name(name).Text(value);
  }
  static FuseBytes SetExtended(uint32_t setxattr_flags) {
    return FuseBytes().Add(fuse_setxattr_in{5, 0, setxattr_flags, 0}).Name("name").Text("value");
  }
  static FuseBytes Get(uint32_t size) {
    return FuseBytes().Add(fuse_getxattr_in{size, 0}).Name("name");
  }
  int Decode(uint32_t opcode, const FuseBytes& arguments) {
    return decoding_.Decode(opcode, arguments);
  }
  const rpc::SetExtendedAttributeRequest& set() {
    return decoding_.request.set_extended_attribute();
  }

  FuseDecoding decoding_;
};

TEST_F(XattrDecodeTest, AllAreEnosysIfTheyAreOff) {
  decoding_.options.xattr = false;
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", "value")), ENOSYS);
  EXPECT_EQ(Decode(FUSE_GETXATTR, Get(0)), ENOSYS);
  EXPECT_EQ(Decode(FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_in{})), ENOSYS);
  EXPECT_EQ(Decode(FUSE_REMOVEXATTR, FuseBytes().Name("name")), ENOSYS);
}

TEST_F(XattrDecodeTest, NameIsOneTo255Bytes) {
  const std::string longest(255, 'n');
  const std::string longer(256, 'n');
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set(longest, "v")), 0);
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set(longer, "v")), ERANGE);
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("", "v")), ERANGE);
  EXPECT_EQ(Decode(FUSE_GETXATTR, FuseBytes().Add(fuse_getxattr_in{}).Name(longer)), ERANGE);
  EXPECT_EQ(Decode(FUSE_GETXATTR, FuseBytes().Add(fuse_getxattr_in{}).Name("")), ERANGE);
  EXPECT_EQ(Decode(FUSE_REMOVEXATTR, FuseBytes().Name(longer)), ERANGE);
  EXPECT_EQ(Decode(FUSE_REMOVEXATTR, FuseBytes().Name("")), ERANGE);
}

TEST_F(XattrDecodeTest, NameMayHoldWhatAFileNameMayNot) {
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("user./", "v")), 0);
  EXPECT_EQ(set().name(), "user./");
}

TEST_F(XattrDecodeTest, ValueMayBeEmpty) {
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", "")), 0);
  EXPECT_EQ(set().value(), "");
}

TEST_F(XattrDecodeTest, ValueMayHoldNuls) {
  const std::string value("a\0b\0", 4);
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", value)), 0);
  EXPECT_EQ(set().value(), value);
}

TEST_F(XattrDecodeTest, ValueIsAtMost64Kibibytes) {
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", std::string(65536, 'v'))), 0);
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", std::string(65537, 'v'))), E2BIG);
}

TEST_F(XattrDecodeTest, ValueOfAnotherLengthThanItsSizeIsRefused) {
  const auto set = [](uint32_t size) {
    return FuseBytes().Add(size).Add(uint32_t{0}).Name("name").Text("value");
  };
  EXPECT_EQ(Decode(FUSE_SETXATTR, set(4)), EINVAL);
  EXPECT_EQ(Decode(FUSE_SETXATTR, set(6)), EINVAL);
  EXPECT_EQ(Decode(FUSE_SETXATTR, set(UINT32_MAX)), EINVAL);
}

TEST_F(XattrDecodeTest, FlagsAreCreateAndReplace) {
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", "v", XATTR_CREATE)), 0);
  EXPECT_EQ(set().flags(), uint32_t{XATTR_CREATE});
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", "v", XATTR_REPLACE)), 0);
  EXPECT_EQ(set().flags(), uint32_t{XATTR_REPLACE});
  EXPECT_EQ(Decode(FUSE_SETXATTR, Set("name", "v", 4)), EINVAL);
}

TEST_F(XattrDecodeTest, ExtendedStructureIsTakenOnlyIfNegotiated) {
  decoding_.session.Begin(FUSE_SETXATTR_EXT);
  EXPECT_EQ(Decode(FUSE_SETXATTR, SetExtended(0)), 0);
  EXPECT_EQ(set().name(), "name");
  EXPECT_EQ(set().value(), "value");
  EXPECT_FALSE(set().kill_setgid());
  EXPECT_EQ(Decode(FUSE_SETXATTR, SetExtended(FUSE_SETXATTR_ACL_KILL_SGID)), 0);
  EXPECT_TRUE(set().kill_setgid());
  // Its last 8 bytes are an empty name and some of the value else.
  decoding_.session.Begin(0);
  EXPECT_NE(Decode(FUSE_SETXATTR, SetExtended(0)), 0);
}

TEST_F(XattrDecodeTest, ShortStructureIsRefusedIfTheExtendedOneWasNegotiated) {
  decoding_.session.Begin(FUSE_SETXATTR_EXT);
  EXPECT_NE(Decode(FUSE_SETXATTR, Set("name", "value")), 0);
}

// ---- buffers ----

TEST_F(XattrDecodeTest, BufferOfNothingAsksForTheSize) {
  EXPECT_EQ(Decode(FUSE_GETXATTR, Get(0)), 0);
  EXPECT_EQ(decoding_.request.get_extended_attribute().size(), 0u);
  EXPECT_TRUE(decoding_.notes.size_only);
  EXPECT_EQ(Decode(FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_in{0, 0})), 0);
  EXPECT_EQ(decoding_.request.list_extended_attributes().size(), 0u);
  EXPECT_TRUE(decoding_.notes.size_only);
}

TEST_F(XattrDecodeTest, BufferOfOneByteAsksForTheValue) {
  EXPECT_EQ(Decode(FUSE_GETXATTR, Get(1)), 0);
  EXPECT_EQ(decoding_.request.get_extended_attribute().size(), 1u);
  EXPECT_FALSE(decoding_.notes.size_only);
}

// No value is longer, so the answer is the same.
TEST_F(XattrDecodeTest, BufferAboveTheLongestValueAsksForTheLongest) {
  EXPECT_EQ(Decode(FUSE_GETXATTR, Get(65537)), 0);
  EXPECT_EQ(decoding_.request.get_extended_attribute().size(), 65536u);
  EXPECT_EQ(Decode(FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_in{1048576, 0})), 0);
  EXPECT_EQ(decoding_.request.list_extended_attributes().size(), 65536u);
}

TEST_F(XattrDecodeTest, BufferAboveOneMebibyteIsEnomem) {
  EXPECT_EQ(Decode(FUSE_GETXATTR, Get(1048576)), 0);
  EXPECT_EQ(Decode(FUSE_GETXATTR, Get(1048577)), ENOMEM);
  EXPECT_EQ(Decode(FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_in{1048577, 0})), ENOMEM);
  EXPECT_EQ(Decode(FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_in{UINT32_MAX, 0})), ENOMEM);
}

}  // namespace
}  // namespace postern
