#include "worker/fuse/fuse_arguments.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/unit/worker/fuse_bytes.h"

namespace postern {
namespace {

struct Pair {
  uint32_t first;
  uint32_t second;
};

TEST(FuseArgumentsTest, TakesStructuresInOrder) {
  const FuseBytes bytes = FuseBytes().Add(uint32_t{1}).Add(Pair{2, 3});
  FuseArguments arguments(bytes.bytes());

  EXPECT_EQ(arguments.Take<uint32_t>(), 1u);
  const auto pair = arguments.Take<Pair>();

  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(pair->first, 2u);
  EXPECT_EQ(pair->second, 3u);
  EXPECT_TRUE(arguments.AtEnd());
}

TEST(FuseArgumentsTest, StructureOneByteTooShortIsNotTaken) {
  const FuseBytes bytes = FuseBytes().Zeros(sizeof(Pair) - 1);
  FuseArguments arguments(bytes.bytes());
  EXPECT_FALSE(arguments.Take<Pair>().has_value());
}

TEST(FuseArgumentsTest, EmptyArgumentsAreAtEndAndHoldNothing) {
  FuseArguments arguments({});
  EXPECT_TRUE(arguments.AtEnd());
  EXPECT_EQ(arguments.remaining(), 0u);
  EXPECT_FALSE(arguments.Take<uint8_t>().has_value());
  EXPECT_FALSE(arguments.TakeString().has_value());
}

TEST(FuseArgumentsTest, UnreadBytesAreNotTheEnd) {
  const FuseBytes bytes = FuseBytes().Zeros(5);
  FuseArguments arguments(bytes.bytes());
  EXPECT_TRUE(arguments.Take<uint32_t>().has_value());
  EXPECT_FALSE(arguments.AtEnd());
  EXPECT_EQ(arguments.remaining(), 1u);
}

TEST(FuseArgumentsTest, NothingCanBeReadAfterAFailure) {
  const FuseBytes bytes = FuseBytes().Zeros(4);
  FuseArguments arguments(bytes.bytes());
  EXPECT_FALSE(arguments.Take<uint64_t>().has_value());

  EXPECT_FALSE(arguments.Take<uint8_t>().has_value());
  EXPECT_FALSE(arguments.TakeString().has_value());
  EXPECT_EQ(arguments.remaining(), 0u);
  EXPECT_FALSE(arguments.AtEnd());
}

TEST(FuseArgumentsTest, FailureAtTheVeryEndIsNotTheEnd) {
  FuseArguments arguments({});
  EXPECT_FALSE(arguments.TakeString().has_value());
  EXPECT_FALSE(arguments.AtEnd());
}

TEST(FuseArgumentsTest, StringEndsBeforeItsNul) {
  const FuseBytes bytes = FuseBytes().Name("one").Name("").Text("rest");
  FuseArguments arguments(bytes.bytes());
  EXPECT_EQ(arguments.TakeString(), "one");
  EXPECT_EQ(arguments.TakeString(), "");
  EXPECT_EQ(arguments.remaining(), 4u);
}

TEST(FuseArgumentsTest, StringWithoutNulIsNotTaken) {
  const FuseBytes bytes = FuseBytes().Text("endless");
  FuseArguments arguments(bytes.bytes());
  EXPECT_FALSE(arguments.TakeString().has_value());
  EXPECT_FALSE(arguments.AtEnd());
}

TEST(FuseArgumentsTest, TakeAtLeastFillsAMissingTailWithZeros) {
  const FuseBytes bytes = FuseBytes().Add(uint32_t{7});
  FuseArguments arguments(bytes.bytes());
  const auto pair = arguments.TakeAtLeast<Pair>(4);
  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(pair->first, 7u);
  EXPECT_EQ(pair->second, 0u);
  EXPECT_TRUE(arguments.AtEnd());
}

TEST(FuseArgumentsTest, TakeAtLeastRefusesLessThanTheMinimum) {
  const FuseBytes bytes = FuseBytes().Zeros(3);
  FuseArguments arguments(bytes.bytes());
  EXPECT_FALSE(arguments.TakeAtLeast<Pair>(4).has_value());
}

TEST(FuseArgumentsTest, TakeAtLeastTakesNoMoreThanTheStructure) {
  const FuseBytes bytes = FuseBytes().Zeros(sizeof(Pair) + 2);
  FuseArguments arguments(bytes.bytes());
  EXPECT_TRUE(arguments.TakeAtLeast<Pair>(4).has_value());
  EXPECT_EQ(arguments.remaining(), 2u);
}

TEST(FuseArgumentsTest, TakeBytesTakesAllOrNothing) {
  const FuseBytes bytes = FuseBytes().Text("abc");
  FuseArguments whole(bytes.bytes());
  const auto taken = whole.TakeBytes(3);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(ToString(*taken), "abc");
  EXPECT_TRUE(whole.AtEnd());

  FuseArguments beyond(bytes.bytes());
  EXPECT_FALSE(beyond.TakeBytes(4).has_value());
  EXPECT_FALSE(beyond.AtEnd());
}

TEST(FuseArgumentsTest, TakeBytesOfTheLargestSizeDoesNotWrap) {
  const FuseBytes bytes = FuseBytes().Text("abc");
  FuseArguments arguments(bytes.bytes());
  EXPECT_FALSE(arguments.TakeBytes(SIZE_MAX).has_value());
}

}  // namespace
}  // namespace postern
