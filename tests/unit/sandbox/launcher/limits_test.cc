#include "sandbox/launcher/limits.h"

#include <gtest/gtest.h>

#include "tests/unit/sandbox/forked.h"

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

// What becomes of the limit of a process with {soft 500, hard 600}, as soft * 1000 + hard; -1: an
// error.
int64_t LimitAfter(std::optional<uint64_t> wanted) {
  int ends[2];
  if (pipe(ends) != 0) return -2;
  RunForked([&] {
    const rlimit before{500, 600};
    if (setrlimit(RLIMIT_NOFILE, &before) != 0) return 1;
    int64_t after = -1;
    if (SetDescriptorLimit(wanted).ok()) {
      rlimit limit{};
      getrlimit(RLIMIT_NOFILE, &limit);
      after = static_cast<int64_t>(limit.rlim_cur * 1000 + limit.rlim_max);
    }
    return write(ends[1], &after, sizeof(after)) == sizeof(after) ? 0 : 1;
  });
  close(ends[1]);
  int64_t result = -3;
  if (read(ends[0], &result, sizeof(result)) != sizeof(result)) result = -4;
  close(ends[0]);
  return result;
}

TEST(SetDescriptorLimitTest, GivenNumberIsSoftAndHardLimit) {
  EXPECT_EQ(LimitAfter(550), 550'550);
  EXPECT_EQ(LimitAfter(400), 400'400);
  EXPECT_EQ(LimitAfter(600), 600'600);
}

TEST(SetDescriptorLimitTest, ZeroLeavesIt) { EXPECT_EQ(LimitAfter(0), 500'600); }

TEST(SetDescriptorLimitTest, NumberAboveTheKernelsIsAnError) {
  const absl::Status status = SetDescriptorLimit(uint64_t{1} << 40);
  EXPECT_EQ(
      Text(status).find("Error increasing number of open files: It cannot be increased above"), 0u)
      << status;
}

TEST(SetDescriptorLimitTest, UnsetRaisesItAtLeastToTheHardLimit) {
  EXPECT_GE(LimitAfter(std::nullopt), 600'600);
}

}  // namespace
}  // namespace postern
