#include "common/errno_or.h"

#include <gtest/gtest.h>

#include <memory>

namespace postern {
namespace {

TEST(Errno, OutOfRangeValuesBecomeEio) {
  EXPECT_EQ(Errno(ENOENT).value(), ENOENT);
  EXPECT_EQ(Errno(0).value(), EIO);
  EXPECT_EQ(Errno(-1).value(), EIO);
  EXPECT_EQ(Errno(4096).value(), EIO);
}

TEST(ErrnoOr, HoldsValueOrError) {
  ErrnoOr<std::unique_ptr<int>> good = std::make_unique<int>(7);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(**good, 7);
  EXPECT_EQ(good.errno_value(), 0);
  ErrnoOr<std::unique_ptr<int>> bad = Errno(EPERM);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error(), Errno(EPERM));
}

TEST(ErrnoOrDeathTest, ReadingTheWrongSideAborts) {
  ErrnoOr<int> bad = Errno(EPERM);
  EXPECT_DEATH((void)bad.value(), "");
  ErrnoOrVoid good;
  EXPECT_DEATH((void)good.error(), "");
}

ErrnoOr<int> Twice(ErrnoOr<int> input) {
  POSTERN_ASSIGN_OR_RETURN(const int value, std::move(input));
  return 2 * value;
}

TEST(ErrnoOr, AssignOrReturnPassesTheErrorOn) {
  EXPECT_EQ(*Twice(4), 8);
  EXPECT_EQ(Twice(Errno(ENOSPC)).error(), Errno(ENOSPC));
}

}  // namespace
}  // namespace postern
