#include "sandbox/jail/id_maps.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(IsMappedInsideTest, LooksAtEveryRange) {
  const IdMapRange map[] = {{0, 1000, 1}, {1, 100000, 65535}};
  EXPECT_TRUE(IsMappedInside(map, 0));
  EXPECT_TRUE(IsMappedInside(map, 65535));
  EXPECT_FALSE(IsMappedInside(map, 65536));
  EXPECT_FALSE(IsMappedInside({}, 0));
}

TEST(IsMappedInsideTest, EmptyRangeMapsNobody) {
  const IdMapRange map[] = {{0, 1000, 0}};
  EXPECT_FALSE(IsMappedInside(map, 0));
}

TEST(IsMappedOutsideTest, LooksAtEveryRange) {
  const IdMapRange map[] = {{0, 1000, 1}, {1, 100000, 65535}};
  EXPECT_TRUE(IsMappedOutside(map, 1000));
  EXPECT_FALSE(IsMappedOutside(map, 999));
  EXPECT_FALSE(IsMappedOutside(map, 1001));
  EXPECT_TRUE(IsMappedOutside(map, 165534));
  EXPECT_FALSE(IsMappedOutside(map, 165535));
  EXPECT_FALSE(IsMappedOutside({}, 0));
}

TEST(AnybodyMayWriteTest, OneLineForTheOwnIdOnly) {
  const IdMapRange own[] = {{0, 1000, 1}};
  EXPECT_TRUE(AnybodyMayWrite(own, 1000));
  EXPECT_FALSE(AnybodyMayWrite(own, 1001));
  const IdMapRange two[] = {{0, 1000, 2}};
  EXPECT_FALSE(AnybodyMayWrite(two, 1000));
  const IdMapRange lines[] = {{0, 1000, 1}, {1, 100000, 1}};
  EXPECT_FALSE(AnybodyMayWrite(lines, 1000));
}

}  // namespace
}  // namespace postern
