#include "worker/fuse/slow_transfers.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

TEST(SlowTransfersTest, OneThatTookLongMeansOthersForAWhile) {
  const SlowTransfers::Clock::time_point now{hours(1)};
  SlowTransfers slow;
  EXPECT_FALSE(slow.AreExpected(now));
  slow.Took(SlowTransfers::kSlow - microseconds(1), now);
  EXPECT_FALSE(slow.AreExpected(now));
  slow.Took(SlowTransfers::kSlow, now);
  EXPECT_TRUE(slow.AreExpected(now));
  slow.Took(microseconds(1), now + SlowTransfers::kMemory / 2);
  EXPECT_TRUE(slow.AreExpected(now + SlowTransfers::kMemory - microseconds(1)));
  EXPECT_FALSE(slow.AreExpected(now + SlowTransfers::kMemory));
}

}  // namespace
}  // namespace postern
