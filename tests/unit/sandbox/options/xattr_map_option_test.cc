#include "sandbox/options/xattr_map_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// "type/scope/key/prepend" for each rule; the error if there is one.
std::vector<std::string> Rules(std::string_view text) {
  const auto rules = ParseXattrMap(text);
  if (!rules.ok()) return {"error: " + Text(rules.status())};
  constexpr const char* kTypes[] = {"?", "prefix", "ok", "bad", "unsupported"};
  std::vector<std::string> found;
  for (const config::XattrRule& rule : *rules) {
    std::string line = kTypes[rule.type()];
    if (rule.for_client()) line += "/client";
    if (rule.for_server()) line += "/server";
    found.push_back(line + "/" + rule.key() + "/" + rule.prepend());
  }
  return found;
}

testing::Matcher<std::vector<std::string>> Fails(const std::string& text) {
  return ElementsAre(testing::AllOf(testing::StartsWith("error: "), HasSubstr(text)));
}

TEST(XattrMapOptionTest, EachTypeAndScopeIsTaken) {
  EXPECT_THAT(Rules(":prefix:client:trusted.:user.virtiofs.:\n"
                    ":ok:server:user.:user.:  :unsupported:all:a:b:\t:bad:all:::"),
              ElementsAre("prefix/client/trusted./user.virtiofs.", "ok/server/user./user.",
                          "unsupported/client/server/a/b", "bad/client/server//"));
}

TEST(XattrMapOptionTest, MapWithoutKeyMovesEverything) {
  EXPECT_THAT(Rules(":map::user.virtiofs.:"),
              ElementsAre("prefix/client/server//user.virtiofs.", "bad/client/server//"));
}

TEST(XattrMapOptionTest, MapWithKeyMovesThatAndPassesTheRest) {
  EXPECT_THAT(Rules("/map/trusted./user.virtiofs./"),
              ElementsAre("prefix/client/server/trusted./user.virtiofs.",
                          "bad/client/server/user.virtiofs./trusted.", "ok/client/server//"));
}

TEST(XattrMapOptionTest, MapMayFollowOtherRules) {
  EXPECT_THAT(
      Rules(":ok:all:a:a: :map::b:"),
      ElementsAre("ok/client/server/a/a", "prefix/client/server//b", "bad/client/server//"));
}

TEST(XattrMapOptionTest, MapMustBeTheLastRule) {
  EXPECT_THAT(Rules(":map:a:b::ok:all:::"), Fails("rule 1: 'map' must be the last rule"));
  EXPECT_THAT(Rules(":map:a:b::map:a:b:"), Fails("'map' must be the last rule"));
  EXPECT_THAT(Rules(":map:::b:"), Fails("'map' must be the last rule"));
  EXPECT_THAT(Rules(":map::user.:  x"), Fails("'map' must be the last rule"));
}

TEST(XattrMapOptionTest, AnyCharacterSeparates) {
  EXPECT_THAT(Rules("xokxallxxx"), ElementsAre("ok/client/server//"));
  EXPECT_THAT(Rules("\xc3\xa9ok\xc3\xa9"
                    "all\xc3\xa9\xc3\xa9\xc3\xa9"),
              ElementsAre("ok/client/server//"));
  EXPECT_THAT(Rules(":ok:client:::/bad/server///"), ElementsAre("ok/client//", "bad/server//"));
}

TEST(XattrMapOptionTest, WhiteSpaceCountsWithinARuleOnly) {
  EXPECT_THAT(Rules(" \n:ok:all: a : b ::ok:all:::  "),
              ElementsAre("ok/client/server/ a / b ", "ok/client/server//"));
}

TEST(XattrMapOptionTest, UnknownWordsAreRefused) {
  EXPECT_THAT(Rules(":foo:all:::"), Fails("rule 1: invalid type 'foo'"));
  EXPECT_THAT(Rules(":ok:all::: :OK:all:::"), Fails("rule 2: invalid type 'OK'"));
  EXPECT_THAT(Rules(":ok:ALL:::"), Fails("invalid scope 'ALL'"));
  EXPECT_THAT(Rules("::"), Fails("invalid type ''"));
  EXPECT_THAT(Rules(":ok::::"), Fails("invalid scope ''"));
}

TEST(XattrMapOptionTest, UnfinishedRulesAreRefused) {
  EXPECT_THAT(Rules(":ok:all::"), Fails("incomplete"));
  EXPECT_THAT(Rules(":ok:all"), Fails("incomplete"));
  EXPECT_THAT(Rules(":map:a:b"), Fails("incomplete"));
  EXPECT_THAT(Rules(":"), Fails("incomplete"));
  EXPECT_THAT(Rules(":ok:all::: x"), Fails("rule 2: incomplete"));
}

TEST(XattrMapOptionTest, NoRuleIsRefused) {
  EXPECT_THAT(Rules(""), Fails("there is no rule"));
  EXPECT_THAT(Rules(" \n"), Fails("there is no rule"));
}

TEST(XattrMapOptionTest, EveryNameMustMatchInBothDirections) {
  EXPECT_THAT(Rules(":ok:server:::"), Fails("that a guest may use match no rule"));
  EXPECT_THAT(Rules(":ok:client:::"), Fails("that the host may list match no rule"));
  EXPECT_THAT(Rules(":ok:client::x:"), Fails("that the host may list"));
  EXPECT_THAT(Rules(":ok:all:x::"), Fails("that a guest may use"));
  EXPECT_THAT(Rules(":unsupported:client:::/bad/server///"),
              ElementsAre("unsupported/client//", "bad/server//"));
}

}  // namespace
}  // namespace postern
