#include "broker/identity/id_map.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using config::IdRule;

void Add(google::protobuf::RepeatedPtrField<IdRule>& rules, IdRule::Kind kind, uint32_t first,
         uint32_t count, uint32_t target = 0) {
  IdRule& rule = *rules.Add();
  rule.set_kind(kind);
  rule.set_first(first);
  rule.set_count(count);
  rule.set_target(target);
}

config::IdTranslation OneToHost(IdRule::Kind kind, uint32_t first, uint32_t count,
                                uint32_t target = 0) {
  config::IdTranslation translation;
  Add(*translation.mutable_to_host(), kind, first, count, target);
  return translation;
}

uint32_t HostOf(const IdMap& ids, uint32_t uid) { return ids.ToHost(GuestUid(uid))->value(); }
uint32_t GuestOf(const IdMap& ids, uint32_t uid) { return ids.ToGuest(HostUid(uid)).value(); }

TEST(IdMap, WithoutRulesIsTheIdentity) {
  const IdMap ids = *IdMap::Make({}, {});
  EXPECT_EQ(HostOf(ids, 0), 0u);
  EXPECT_EQ(HostOf(ids, 0xfffffffe), 0xfffffffeu);
  EXPECT_EQ(GuestOf(ids, 0xffffffff), 0xffffffffu);
}

TEST(IdMap, NoneIsNobodysId) {
  const IdMap ids;
  EXPECT_EQ(ids.ToHost(GuestUid(kNoId)).errno_value(), EINVAL);
  EXPECT_EQ(ids.ToHost(GuestGid(kNoId)).errno_value(), EINVAL);
}

TEST(IdMap, NoneStaysRefusedWhateverTheRulesMakeOfIt) {
  const IdMap squashed =
      *IdMap::Make(OneToHost(IdRule::KIND_SQUASH, 0x80000000, 0x80000000, 7), {});
  EXPECT_EQ(squashed.ToHost(GuestUid(kNoId)).errno_value(), EINVAL);
  const IdMap made = *IdMap::Make(OneToHost(IdRule::KIND_SQUASH, 5, 1, kNoId), {});
  EXPECT_EQ(made.ToHost(GuestUid(5)).errno_value(), EINVAL);
}

TEST(IdMap, ShiftsItsRangeAndNothingBesideIt) {
  const IdMap ids = *IdMap::Make(OneToHost(IdRule::KIND_SHIFT, 1000, 10, 5000), {});
  EXPECT_EQ(HostOf(ids, 999), 999u);
  EXPECT_EQ(HostOf(ids, 1000), 5000u);
  EXPECT_EQ(HostOf(ids, 1009), 5009u);
  EXPECT_EQ(HostOf(ids, 1010), 1010u);
}

TEST(IdMap, DirectionsAndKindsOfIdDoNotMixUp) {
  config::IdTranslation uids = OneToHost(IdRule::KIND_SHIFT, 0, 1, 100);
  Add(*uids.mutable_to_guest(), IdRule::KIND_SHIFT, 0, 1, 200);
  config::IdTranslation gids = OneToHost(IdRule::KIND_SHIFT, 0, 1, 300);
  Add(*gids.mutable_to_guest(), IdRule::KIND_SHIFT, 0, 1, 400);
  const IdMap ids = *IdMap::Make(uids, gids);
  EXPECT_EQ(HostOf(ids, 0), 100u);
  EXPECT_EQ(GuestOf(ids, 0), 200u);
  EXPECT_EQ(ids.ToHost(GuestGid(0))->value(), 300u);
  EXPECT_EQ(ids.ToGuest(HostGid(0)).value(), 400u);
}

TEST(IdMap, SquashesBothWays) {
  config::IdTranslation uids = OneToHost(IdRule::KIND_SQUASH, 10, 5, 1);
  Add(*uids.mutable_to_guest(), IdRule::KIND_SQUASH, 20, 5, 2);
  const IdMap ids = *IdMap::Make(uids, {});
  EXPECT_EQ(HostOf(ids, 10), 1u);
  EXPECT_EQ(HostOf(ids, 14), 1u);
  EXPECT_EQ(HostOf(ids, 15), 15u);
  EXPECT_EQ(GuestOf(ids, 24), 2u);
  EXPECT_EQ(GuestOf(ids, 25), 25u);
}

TEST(IdMap, ForbiddenIdIsEio) {
  const IdMap ids = *IdMap::Make(OneToHost(IdRule::KIND_FORBID, 0, 1), {});
  EXPECT_EQ(ids.ToHost(GuestUid(0)).errno_value(), EIO);
  EXPECT_EQ(HostOf(ids, 1), 1u);
}

TEST(IdMap, FindsTheRuleAmongSeveral) {
  config::IdTranslation uids;
  Add(*uids.mutable_to_host(), IdRule::KIND_SHIFT, 0, 1, 1000);
  Add(*uids.mutable_to_host(), IdRule::KIND_SHIFT, 1, 1, 2000);
  Add(*uids.mutable_to_host(), IdRule::KIND_FORBID, 10, 10);
  Add(*uids.mutable_to_host(), IdRule::KIND_SQUASH, 0xfffffffe, 1, 3);
  const IdMap ids = *IdMap::Make(uids, {});
  EXPECT_EQ(HostOf(ids, 0), 1000u);
  EXPECT_EQ(HostOf(ids, 1), 2000u);
  EXPECT_EQ(HostOf(ids, 2), 2u);
  EXPECT_EQ(ids.ToHost(GuestUid(19)).errno_value(), EIO);
  EXPECT_EQ(HostOf(ids, 20), 20u);
  EXPECT_EQ(HostOf(ids, 0xfffffffe), 3u);
}

TEST(IdMap, RulesThatOverlapAreNoMap) {
  config::IdTranslation uids = OneToHost(IdRule::KIND_SHIFT, 0, 10, 100);
  Add(*uids.mutable_to_host(), IdRule::KIND_SHIFT, 9, 10, 200);
  EXPECT_FALSE(IdMap::Make(uids, {}).ok());
  EXPECT_FALSE(IdMap::Make({}, uids).ok());
}

TEST(IdMap, RulesOutOfOrderAreNoMap) {
  config::IdTranslation uids = OneToHost(IdRule::KIND_SHIFT, 10, 1, 100);
  Add(*uids.mutable_to_host(), IdRule::KIND_SHIFT, 5, 1, 200);
  EXPECT_FALSE(IdMap::Make(uids, {}).ok());
}

TEST(IdMap, RangesEndWithTheLastId) {
  EXPECT_TRUE(IdMap::Make(OneToHost(IdRule::KIND_SHIFT, 0xffffffff, 1, 0), {}).ok());
  EXPECT_FALSE(IdMap::Make(OneToHost(IdRule::KIND_SHIFT, 0xffffffff, 2, 0), {}).ok());
  EXPECT_FALSE(IdMap::Make(OneToHost(IdRule::KIND_SHIFT, 0, 2, 0xffffffff), {}).ok());
  EXPECT_TRUE(IdMap::Make(OneToHost(IdRule::KIND_SQUASH, 0, 2, 0xfffffffe), {}).ok());
}

TEST(IdMap, EmptyRuleAndRuleOfNoKindAreNoMap) {
  EXPECT_FALSE(IdMap::Make(OneToHost(IdRule::KIND_SHIFT, 0, 0, 0), {}).ok());
  EXPECT_FALSE(IdMap::Make(OneToHost(IdRule::KIND_UNSPECIFIED, 0, 1, 0), {}).ok());
}

TEST(IdMap, IdOfTheHostsCannotBeForbidden) {
  config::IdTranslation uids;
  Add(*uids.mutable_to_guest(), IdRule::KIND_FORBID, 0, 1);
  EXPECT_FALSE(IdMap::Make(uids, {}).ok());
  EXPECT_FALSE(IdMap::Make({}, uids).ok());
}

}  // namespace
}  // namespace postern
