#include "worker/vhost_user/config_space.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

std::string Read(const ConfigSpace& space, uint64_t offset, size_t size) {
  std::string text(size, '?');
  space.Read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

TEST(ConfigSpaceTest, HasTagThenNumberOfRequestQueues) {
  const ConfigSpace space("share", 0x01020304);
  EXPECT_EQ(Read(space, 0, 40), "share" + std::string(31, '\0') + "\x04\x03\x02\x01");
}

TEST(ConfigSpaceTest, TagOfFullLengthHasNoTerminator) {
  const std::string tag(36, 't');
  EXPECT_EQ(Read(ConfigSpace(tag, 1), 0, 37), tag + '\x01');
}

TEST(ConfigSpaceTest, TooLongTagDoesntReachTheNextField) {
  EXPECT_EQ(Read(ConfigSpace(std::string(37, 't'), 1), 36, 4), std::string("\1\0\0\0", 4));
}

TEST(ConfigSpaceTest, SingleBytesAreReadable) {
  const ConfigSpace space("share", 5);
  EXPECT_EQ(Read(space, 4, 1), "e");
  EXPECT_EQ(Read(space, 36, 1), "\5");
  EXPECT_EQ(Read(space, 0, 0), "");
}

TEST(ConfigSpaceTest, BeyondTheEndAreZeros) {
  const ConfigSpace space("share", 5);
  EXPECT_EQ(Read(space, 36, 6), std::string("\5\0\0\0\0\0", 6));
  EXPECT_EQ(Read(space, 40, 2), std::string(2, '\0'));
  EXPECT_EQ(Read(space, UINT32_MAX, 2), std::string(2, '\0'));
  EXPECT_EQ(Read(space, UINT64_MAX, 2), std::string(2, '\0'));
}

}  // namespace
}  // namespace postern
