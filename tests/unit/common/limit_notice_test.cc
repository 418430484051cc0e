#include "common/limit_notice.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

TEST(LimitNoticeTest, SaysYesOnceWhileAtTheLimit) {
  LimitNotice notice;
  EXPECT_TRUE(notice.Hit(kNow));
  EXPECT_FALSE(notice.Hit(kNow));
  EXPECT_FALSE(notice.Hit(kNow + absl::Hours(1)));
}

TEST(LimitNoticeTest, SaysYesAgainAfterRecoveryAndAMinute) {
  LimitNotice notice;
  EXPECT_TRUE(notice.Hit(kNow));
  notice.Recovered();
  EXPECT_FALSE(notice.Hit(kNow + absl::Seconds(59)));
  EXPECT_TRUE(notice.Hit(kNow + absl::Seconds(60)));
  EXPECT_FALSE(notice.Hit(kNow + absl::Seconds(600)));
}

}  // namespace
}  // namespace postern
