#include "broker/identity/xattr_map.h"

#include <gtest/gtest.h>

#include "tests/unit/broker/xattr_rules.h"

namespace postern {
namespace {

using config::XattrRule;

TEST(XattrMap, WithoutRulesIsTheIdentity) {
  const XattrMap map;
  EXPECT_EQ(*map.ToHost("user.a"), "user.a");
  EXPECT_EQ(map.ToGuest("user.a"), "user.a");
  EXPECT_EQ(map.remapped_capability(), "");
}

TEST(XattrMap, PrefixIsPutBeforeTheGuestsNamesAndTakenOffTheHosts) {
  const XattrMap map = AllBelowUser();
  EXPECT_EQ(*map.ToHost("trusted.a"), "user.virtiofs.trusted.a");
  EXPECT_EQ(*map.ToHost("user.virtiofs.a"), "user.virtiofs.user.virtiofs.a");
  EXPECT_EQ(map.ToGuest("user.virtiofs.trusted.a"), "trusted.a");
  EXPECT_EQ(map.ToGuest("user.a"), std::nullopt);
  EXPECT_EQ(map.ToGuest("user.virtiofs."), std::nullopt);
}

TEST(XattrMap, OnlyNamesWithTheKeyMove) {
  const XattrMap map = TrustedBelowUser();
  EXPECT_EQ(*map.ToHost("trusted.a"), "user.virtiofs.trusted.a");
  EXPECT_EQ(*map.ToHost("user.a"), "user.a");
  EXPECT_EQ(*map.ToHost("trusted"), "trusted");
  EXPECT_EQ(map.ToHost("user.virtiofs.trusted.a").errno_value(), EPERM);
  EXPECT_EQ(map.ToGuest("user.virtiofs.trusted.a"), "trusted.a");
  EXPECT_EQ(map.ToGuest("trusted.a"), std::nullopt);
  EXPECT_EQ(map.ToGuest("user.a"), "user.a");
}

TEST(XattrMap, UnsupportedIsAnErrorOfItsOwnAndHidden) {
  const XattrMap map =
      *MakeXattrMap({{XattrRule::TYPE_UNSUPPORTED, Scope::kAll, "system.", "system."},
                     {XattrRule::TYPE_OK, Scope::kAll, "", ""}});
  EXPECT_EQ(map.ToHost("system.a").errno_value(), ENOTSUP);
  EXPECT_EQ(map.ToGuest("system.a"), std::nullopt);
  EXPECT_EQ(*map.ToHost("user.a"), "user.a");
}

TEST(XattrMap, FirstRuleOfTheRightDirectionDecides) {
  const XattrMap map = *MakeXattrMap({{XattrRule::TYPE_BAD, Scope::kServer, "", "user.b"},
                                      {XattrRule::TYPE_BAD, Scope::kClient, "user.a", ""},
                                      {XattrRule::TYPE_OK, Scope::kAll, "", ""}});
  EXPECT_EQ(map.ToHost("user.a").errno_value(), EPERM);
  EXPECT_EQ(map.ToGuest("user.a"), "user.a");
  EXPECT_EQ(*map.ToHost("user.b"), "user.b");
  EXPECT_EQ(map.ToGuest("user.b"), std::nullopt);
}

TEST(XattrMap, NameThatMatchesNoRuleIsNoMap) {
  EXPECT_FALSE(MakeXattrMap({{XattrRule::TYPE_OK, Scope::kAll, "user.", "user."}}).ok());
  EXPECT_FALSE(MakeXattrMap({{XattrRule::TYPE_OK, Scope::kClient, "", ""}}).ok());
  EXPECT_FALSE(MakeXattrMap({{XattrRule::TYPE_OK, Scope::kServer, "", ""}}).ok());
  EXPECT_TRUE(MakeXattrMap({{XattrRule::TYPE_OK, Scope::kServer, "x", ""},
                            {XattrRule::TYPE_OK, Scope::kClient, "", "x"}})
                  .ok());
}

TEST(XattrMap, RuleWithoutATypeIsNoMap) {
  EXPECT_FALSE(MakeXattrMap({{XattrRule::TYPE_UNSPECIFIED, Scope::kAll, "", ""}}).ok());
}

TEST(XattrMap, KnowsWhereTheCapabilityIsKept) {
  EXPECT_EQ(AllBelowUser().remapped_capability(), "user.virtiofs.security.capability");
  EXPECT_EQ(TrustedBelowUser().remapped_capability(), "");
  EXPECT_EQ(MakeXattrMap({{XattrRule::TYPE_BAD, Scope::kAll, "", ""}})->remapped_capability(), "");
}

}  // namespace
}  // namespace postern
