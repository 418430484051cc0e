#include "sandbox/options/capability_option.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

std::string ParseError(std::string_view text) {
  const auto changes = ParseCapabilityChanges(text);
  return changes.ok() ? "accepted" : Text(changes.status());
}

TEST(CapabilityOptionTest, AddsAndRemoves) {
  const auto changes = ParseCapabilityChanges("+sys_admin:-MKNOD:+Chown");
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(changes->added, (CapabilitySet{CAP_SYS_ADMIN, CAP_CHOWN}));
  EXPECT_EQ(changes->removed, CapabilitySet{CAP_MKNOD});
}

TEST(CapabilityOptionTest, LaterItemHolds) {
  const auto changes = ParseCapabilityChanges("+chown:-chown:-mknod:+mknod");
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(changes->added, CapabilitySet{CAP_MKNOD});
  EXPECT_EQ(changes->removed, CapabilitySet{CAP_CHOWN});
}

TEST(CapabilityOptionTest, EmptyItemsAreRefused) {
  for (const char* text : {"", ":", "+chown:", ":+chown", "+chown::+mknod"}) {
    EXPECT_EQ(ParseError(text), "empty modcap found: expected (+|-)capability:...") << text;
  }
}

TEST(CapabilityOptionTest, OtherActionsAreRefused) {
  EXPECT_EQ(ParseError("foo"), "invalid modcap action: expecting '+'|'-' but found 'f'");
  EXPECT_EQ(ParseError("+chown:mknod"), "invalid modcap action: expecting '+'|'-' but found 'm'");
}

TEST(CapabilityOptionTest, UnknownNamesAreRefused) {
  EXPECT_EQ(ParseError("+foo"), "invalid capability 'foo': there is none so named");
  EXPECT_EQ(ParseError("+"), "invalid capability '': there is none so named");
  EXPECT_EQ(ParseError("-CAP_CHOWN"), "invalid capability 'CAP_CHOWN': there is none so named");
  EXPECT_EQ(ParseError("+0"), "invalid capability '0': there is none so named");
}

}  // namespace
}  // namespace postern
