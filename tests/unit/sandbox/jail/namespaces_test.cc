#include "sandbox/jail/namespaces.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(IsMappedTest, InitialNamespaceMapsEverybody) {
  constexpr char kMap[] = "         0          0 4294967295\n";
  EXPECT_TRUE(IsMapped(kMap, 0));
  EXPECT_TRUE(IsMapped(kMap, 65534));
}

TEST(IsMappedTest, SingleIdMapsOnlyItself) {
  constexpr char kMap[] = "      1000       1000          1\n";
  EXPECT_TRUE(IsMapped(kMap, 1000));
  EXPECT_FALSE(IsMapped(kMap, 999));
  EXPECT_FALSE(IsMapped(kMap, 1001));
}

TEST(IsMappedTest, LooksAtEveryLine) {
  constexpr char kMap[] = "0 1000 1\n1 100000 65536\n";
  EXPECT_TRUE(IsMapped(kMap, 0));
  EXPECT_TRUE(IsMapped(kMap, 65536));
  EXPECT_FALSE(IsMapped(kMap, 65537));
}

TEST(IsMappedTest, RefusesWhatItCannotRead) {
  EXPECT_FALSE(IsMapped("", 0));
  EXPECT_FALSE(IsMapped("0 0\n", 0));
  EXPECT_FALSE(IsMapped("a b c\n", 0));
}

}  // namespace
}  // namespace postern
