#include "sandbox/limits.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(WantedDescriptorLimitTest, RaisesBothToAMillion) {
  const rlimit wanted = WantedDescriptorLimit({1024, 4096}, 1'048'576);
  EXPECT_EQ(wanted.rlim_cur, 1'000'000u);
  EXPECT_EQ(wanted.rlim_max, 1'000'000u);
}

TEST(WantedDescriptorLimitTest, StaysBelowTheKernelsLimit) {
  EXPECT_EQ(WantedDescriptorLimit({1024, 4096}, 65536).rlim_cur, 65536u);
}

TEST(WantedDescriptorLimitTest, LeavesAHigherHardLimit) {
  EXPECT_EQ(WantedDescriptorLimit({1024, 2'000'000}, 4'000'000).rlim_max, 2'000'000u);
}

TEST(WantedDescriptorLimitTest, LeavesAHigherSoftLimit) {
  const rlimit wanted = WantedDescriptorLimit({1'500'000, 1'600'000}, 4'000'000);
  EXPECT_EQ(wanted.rlim_cur, 1'500'000u);
  EXPECT_EQ(wanted.rlim_max, 1'600'000u);
}

}  // namespace
}  // namespace postern
