#include "sandbox/options/id_translation_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Words = std::vector<std::string>;

std::string ParseError(std::string_view text) {
  const auto rule = ParseIdTranslationRule(text);
  return rule.ok() ? "accepted" : Text(rule.status());
}

std::vector<IdTranslationRule> Parse(const Words& texts) {
  std::vector<IdTranslationRule> rules;
  for (const std::string& text : texts) {
    auto rule = ParseIdTranslationRule(text);
    if (rule.ok()) rules.push_back(*rule);
    EXPECT_TRUE(rule.ok()) << text << ": " << rule.status();
  }
  return rules;
}

std::string CombineError(const Words& texts) {
  const auto combined = CombineIdTranslation(Parse(texts));
  return combined.ok() ? "accepted" : Text(combined.status());
}

Words Lines(const google::protobuf::RepeatedPtrField<config::IdRule>& rules) {
  constexpr const char* kKinds[] = {"?", "shift", "squash", "forbid"};
  Words lines;
  for (const config::IdRule& rule : rules) {
    lines.push_back(std::string(kKinds[rule.kind()]) + " " + std::to_string(rule.first()) + " " +
                    std::to_string(rule.count()) + " " + std::to_string(rule.target()));
  }
  return lines;
}

Words ToHost(const Words& texts) {
  const auto combined = CombineIdTranslation(Parse(texts));
  return combined.ok() ? Lines(combined->to_host()) : Words{Text(combined.status())};
}

Words ToGuest(const Words& texts) {
  const auto combined = CombineIdTranslation(Parse(texts));
  return combined.ok() ? Lines(combined->to_guest()) : Words{Text(combined.status())};
}

TEST(IdTranslationOptionTest, GuestShiftsToTheHost) {
  EXPECT_THAT(ToHost({"guest:0:1000:5"}), ElementsAre("shift 0 5 1000"));
  EXPECT_THAT(ToGuest({"guest:0:1000:5"}), IsEmpty());
}

TEST(IdTranslationOptionTest, HostShiftsToTheGuest) {
  EXPECT_THAT(ToGuest({"host:1000:0:5"}), ElementsAre("shift 1000 5 0"));
  EXPECT_THAT(ToHost({"host:1000:0:5"}), IsEmpty());
}

TEST(IdTranslationOptionTest, MapShiftsBothWays) {
  EXPECT_THAT(ToHost({"map:0:1000:5"}), ElementsAre("shift 0 5 1000"));
  EXPECT_THAT(ToGuest({"map:0:1000:5"}), ElementsAre("shift 1000 5 0"));
}

TEST(IdTranslationOptionTest, SquashMakesOneOfMany) {
  EXPECT_THAT(ToHost({"squash-guest:0:1000:5"}), ElementsAre("squash 0 5 1000"));
  EXPECT_THAT(ToGuest({"squash-guest:0:1000:5"}), IsEmpty());
  EXPECT_THAT(ToGuest({"squash-host:1000:0:5"}), ElementsAre("squash 1000 5 0"));
  EXPECT_THAT(ToHost({"squash-host:1000:0:5"}), IsEmpty());
}

TEST(IdTranslationOptionTest, ForbidGuestHasNoTarget) {
  EXPECT_THAT(ToHost({"forbid-guest:7:2"}), ElementsAre("forbid 7 2 0"));
  EXPECT_THAT(ToGuest({"forbid-guest:7:2"}), IsEmpty());
}

TEST(IdTranslationOptionTest, RulesComeInOrderOfTheirFirstId) {
  EXPECT_THAT(ToHost({"guest:10:0:5", "forbid-guest:0:10", "map:15:100:1"}),
              ElementsAre("forbid 0 10 0", "shift 10 5 0", "shift 15 1 100"));
}

TEST(IdTranslationOptionTest, EmptyRangesAreLeftOut) {
  EXPECT_THAT(ToHost({"map:1:2:0", "guest:0:5:9"}), ElementsAre("shift 0 9 5"));
}

TEST(IdTranslationOptionTest, TypeIsCaseInsensitiveAndAnySeparatorDoes) {
  EXPECT_EQ(ParseError("MAP:1:2:3"), "accepted");
  EXPECT_EQ(ParseError("Squash-Guest/1/2/3"), "accepted");
  EXPECT_EQ(ParseError("map 1 2 3"), "accepted");
  EXPECT_EQ(ParseError("map:+1:2:3"), "accepted");
}

TEST(IdTranslationOptionTest, UnknownTypesAreRefused) {
  for (const char* text :
       {"", ":1:2:3", "foo:1:2:3", "map1:2:3", "forbid_guest:1:2", "forbid-host:1:2",
        "map\xc3\xa9"
        "1:2:3"}) {
    EXPECT_THAT(ParseError(text), HasSubstr("is not one of guest, host")) << text;
  }
}

TEST(IdTranslationOptionTest, WrongNumbersOfNumbersAreRefused) {
  EXPECT_THAT(ParseError("map"), HasSubstr("takes 3 numbers"));
  EXPECT_THAT(ParseError("map:1:2"), HasSubstr("takes 3 numbers"));
  EXPECT_THAT(ParseError("map:1:2:3:4"), HasSubstr("takes 3 numbers"));
  EXPECT_THAT(ParseError("forbid-guest:1:2:3"), HasSubstr("takes 2 numbers"));
}

TEST(IdTranslationOptionTest, WhatIsNoIdIsRefused) {
  for (const char* text : {"map:", "map:1:2:3:", "map:a:2:3", "map: 1:2:3", "map:0x1:2:3",
                           "map:1/2:3", "map:-1:2:3", "map:1:2:4294967296"}) {
    EXPECT_THAT(ParseError(text), HasSubstr("is no number of an id")) << text;
  }
}

TEST(IdTranslationOptionTest, OverlapsInOneDirectionAreRefused) {
  EXPECT_EQ(CombineError({"map:1:2:5", "guest:5:9:1"}), "'guest:5:9:1' overlaps 'map:1:2:5'");
  EXPECT_THAT(CombineError({"guest:5:9:1", "forbid-guest:0:6"}), HasSubstr("overlaps"));
  EXPECT_THAT(CombineError({"guest:5:9:1", "guest:5:9:1"}), HasSubstr("overlaps"));
  EXPECT_THAT(CombineError({"map:0:10:5", "host:14:0:1"}), HasSubstr("overlaps"));
}

TEST(IdTranslationOptionTest, NeighboursAndOppositeDirectionsDontOverlap) {
  EXPECT_EQ(CombineError({"guest:0:9:5", "guest:5:20:5"}), "accepted");
  EXPECT_EQ(CombineError({"guest:0:9:5", "host:0:9:5"}), "accepted");
}

TEST(IdTranslationOptionTest, RangesEndBeforeTheIdThatIsNone) {
  EXPECT_EQ(CombineError({"map:0:0:4294967295"}), "accepted");
  EXPECT_EQ(CombineError({"guest:4294967294:4294967294:1"}), "accepted");
  for (const char* text :
       {"map:1:2:4294967295", "guest:4294967295:0:1", "guest:0:4294967295:1", "host:0:4294967294:2",
        "forbid-guest:4294967295:1", "squash-guest:0:4294967295:1", "squash-host:2:0:4294967294"}) {
    EXPECT_THAT(CombineError({text}), HasSubstr("goes beyond the last id")) << text;
  }
}

}  // namespace
}  // namespace postern
