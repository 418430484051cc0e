#include "sandbox/launcher/security_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <selinux/selinux.h>
#include <sys/socket.h>

#include "common/unique_fd.h"

namespace postern {
namespace {

using testing::HasSubstr;

TEST(LevelTest, IsWhatFollowsTheType) {
  EXPECT_EQ(LevelOf("system_u:system_r:virtd_t:s0:c1,c2"), "s0:c1,c2");
  EXPECT_EQ(LevelOf("system_u:system_r:virtqemud_t:s0-s0:c0.c1023"), "s0-s0:c0.c1023");
}

TEST(LevelTest, IsMissingWhereThePolicyHasNone) {
  EXPECT_EQ(LevelOf("system_u:system_r:virtd_t"), std::nullopt);
}

TEST(LevelTest, IsMissingInWhatIsNoContext) {
  EXPECT_EQ(LevelOf(""), std::nullopt);
  EXPECT_EQ(LevelOf("kernel"), std::nullopt);
  EXPECT_EQ(LevelOf("posternd (enforce)"), std::nullopt);  // AppArmor's.
}

TEST(WithLevelTest, ReplacesTheLevelAlone) {
  EXPECT_EQ(WithLevel("system_u:system_r:postern_worker_t:s0", "s0:c1,c2"),
            "system_u:system_r:postern_worker_t:s0:c1,c2");
  EXPECT_EQ(WithLevel("system_u:system_r:postern_worker_t:s0-s0:c0.c1023", "s0"),
            "system_u:system_r:postern_worker_t:s0");
}

TEST(WithLevelTest, GivesNoneToAContextWithoutOne) {
  EXPECT_EQ(WithLevel("system_u:system_r:postern_worker_t", "s0"), std::nullopt);
  EXPECT_EQ(WithLevel("", "s0"), std::nullopt);
}

// What a host with SELinux does is seen in a guest: tests/selinux.
class WithoutSelinuxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (is_selinux_enabled() > 0) GTEST_SKIP() << "this host has SELinux";
  }
};

TEST_F(WithoutSelinuxTest, NothingIsChosen) {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto level = SecurityLevel::Choose(std::nullopt, listener.get());
  ASSERT_TRUE(level.ok()) << level.status();
  const auto context = level->ContextFor("/proc/self/exe");
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_EQ(*context, std::nullopt);
  EXPECT_TRUE(ScopedLabel::OfSockets(*level).ok());
  EXPECT_TRUE(ScopedLabel::OfFiles(*level, -1, S_IFSOCK).ok());
}

TEST_F(WithoutSelinuxTest, AnOptionIsAnError) {
  const auto level = SecurityLevel::Choose("s0:c1,c2", -1);
  ASSERT_FALSE(level.ok());
  EXPECT_THAT(Text(level.status()), HasSubstr("--selinux-level: there is no SELinux"));
}

}  // namespace
}  // namespace postern
