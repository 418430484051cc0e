#include "common/mix_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>

namespace postern {
namespace {

// Node ids and open-file ids are made by it, and a guest has them while the process is replaced.
TEST(MixBitsTest, IsTheSameForEver) {
  EXPECT_EQ(MixBits(0), 0u);
  EXPECT_EQ(MixBits(1), 0xb9436db2d4a4bd98u);
  EXPECT_EQ(MixBits(2), 0x079950126703179du);
  EXPECT_EQ(MixBits(UINT64_MAX), 0x408fa77bf2020633u);
  EXPECT_EQ(MixBits(2049, 2), 0x7314685434d88459u);
  EXPECT_EQ(MixBits(2, 2049), 0xe1a3cdd422eb52cdu);
}

// 64 places, as many numbers as make 1000 for each, and inode numbers as filesystems give them.
class MixBitsSpreadTest : public testing::TestWithParam<uint64_t> {};

TEST_P(MixBitsSpreadTest, NumbersInARowComeToAllPlacesAlike) {
  std::array<int, 64> places{};
  for (uint64_t i = 0; i < 64'000; ++i) ++places[MixBits(2049, i * GetParam()) % 64];
  const auto [fewest, most] = std::ranges::minmax(places);
  EXPECT_GT(fewest, 850);
  EXPECT_LT(most, 1150);
}

INSTANTIATE_TEST_SUITE_P(Strides, MixBitsSpreadTest,
                         testing::Values(1u, 2u, 64u, 100u, 4096u, uint64_t{1} << 32,
                                         uint64_t{1} << 40, (uint64_t{1} << 32) + 1));

// What is only in the highest bits, such as a generation, tells places apart as well.
TEST(MixBitsTest, EachBitChangesTheLowOnes) {
  for (int bit = 0; bit < 64; ++bit) {
    int changed = 0;
    for (uint64_t value = 0; value < 1000; ++value) {
      const uint64_t difference = MixBits(value) ^ MixBits(value ^ uint64_t{1} << bit);
      changed += std::popcount(difference & 63);
    }
    EXPECT_GT(changed, 2500) << bit << ": 3000 of 6000 would be best";
    EXPECT_LT(changed, 3500) << bit;
  }
}

}  // namespace
}  // namespace postern
