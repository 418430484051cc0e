#include "common/path_component.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

int ParseError(std::string_view name) { return PathComponent::Parse(name).errno_value(); }

TEST(PathComponent, AcceptsOrdinaryNames) {
  EXPECT_EQ(PathComponent::Parse("a")->str(), "a");
  EXPECT_EQ(PathComponent::Parse("...")->str(), "...");
  EXPECT_EQ(PathComponent::Parse("..a")->str(), "..a");
  EXPECT_EQ(PathComponent::Parse("\xff\xfe\n")->str(), "\xff\xfe\n");
}

TEST(PathComponent, RefusesEmptyAndDots) {
  EXPECT_EQ(ParseError(""), EINVAL);
  EXPECT_EQ(ParseError("."), EINVAL);
  EXPECT_EQ(ParseError(".."), EINVAL);
}

TEST(PathComponent, RefusesSlashAnywhere) {
  EXPECT_EQ(ParseError("/"), EINVAL);
  EXPECT_EQ(ParseError("a/b"), EINVAL);
  EXPECT_EQ(ParseError("../x"), EINVAL);
  EXPECT_EQ(ParseError("x/"), EINVAL);
}

TEST(PathComponent, RefusesNulAnywhere) {
  EXPECT_EQ(ParseError(std::string_view("\0", 1)), EINVAL);
  EXPECT_EQ(ParseError(std::string_view("a\0b", 3)), EINVAL);
  EXPECT_EQ(ParseError(std::string_view("..\0", 3)), EINVAL);
}

TEST(PathComponent, LimitIsFusesAndNotThatOfAFilesystem) {
  EXPECT_TRUE(PathComponent::Parse(std::string(1024, 'x')).ok());
  EXPECT_EQ(ParseError(std::string(1025, 'x')), ENAMETOOLONG);
}

}  // namespace
}  // namespace postern
