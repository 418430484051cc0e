#include "sandbox/options/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr OptionRow kTable[] = {
    {"--word", "WORD", "", nullptr, nullptr},
    {"--strict", "WORD", "", nullptr, nullptr, /*needs_equals=*/true},
    {"--flag", nullptr, "", nullptr, nullptr},
    {"-a", nullptr, "", nullptr, nullptr},
    {"-b,--both", nullptr, "", nullptr, nullptr},
    {"-o", "ITEM", "", nullptr, nullptr},
};

// "name=value" for each option; the last one "error: …" if there is one.
std::vector<std::string> Read(const std::vector<std::string>& arguments) {
  CommandLine line(arguments, kTable);
  std::vector<std::string> found;
  for (;;) {
    const auto next = line.Next();
    if (!next.ok()) {
      found.push_back("error: " + Text(next.status()));
      return found;
    }
    if (!next->has_value()) return found;
    found.push_back(std::string((*next)->name) + "=" + std::string((*next)->value));
  }
}

TEST(CommandLineTest, NothingGivesNothing) { EXPECT_THAT(Read({}), IsEmpty()); }

TEST(CommandLineTest, ValueFollowsOrStandsAfterTheEqualsSign) {
  EXPECT_THAT(Read({"--word", "x", "--word=y", "--flag"}),
              ElementsAre("--word=x", "--word=y", "--flag="));
  EXPECT_THAT(Read({"--word=a=b"}), ElementsAre("--word=a=b"));
  EXPECT_THAT(Read({"--word="}), ElementsAre("--word="));
  EXPECT_THAT(Read({"--word", ""}), ElementsAre("--word="));
}

TEST(CommandLineTest, ValueWithADashNeedsTheEqualsSign) {
  EXPECT_THAT(Read({"--word=-x"}), ElementsAre("--word=-x"));
  EXPECT_THAT(Read({"--word", "-x"}), ElementsAre(HasSubstr("a value is required for '--word'")));
  EXPECT_THAT(Read({"--word", "--flag"}), ElementsAre(HasSubstr("a value is required")));
  EXPECT_THAT(Read({"--word", "--"}), ElementsAre(HasSubstr("a value is required")));
  EXPECT_THAT(Read({"--word", "-"}), ElementsAre("--word=-"));
}

TEST(CommandLineTest, MissingValueIsAnError) {
  EXPECT_THAT(Read({"--word"}), ElementsAre(HasSubstr("a value is required for '--word'")));
  EXPECT_THAT(Read({"-o"}), ElementsAre(HasSubstr("a value is required for '-o'")));
}

TEST(CommandLineTest, StrictOptionNeedsTheEqualsSign) {
  EXPECT_THAT(Read({"--strict=x"}), ElementsAre("--strict=x"));
  EXPECT_THAT(Read({"--strict", "x"}), ElementsAre(HasSubstr("equal sign is needed")));
}

TEST(CommandLineTest, FlagTakesNoValue) {
  EXPECT_THAT(Read({"--flag=x"}), ElementsAre(HasSubstr("unexpected value 'x' for '--flag'")));
  EXPECT_THAT(Read({"--flag="}), ElementsAre(HasSubstr("unexpected value ''")));
}

TEST(CommandLineTest, LettersMayBeJoined) {
  EXPECT_THAT(Read({"-ab"}), ElementsAre("-a=", "-b="));
  EXPECT_THAT(Read({"-aox,y", "-a"}), ElementsAre("-a=", "-o=x,y", "-a="));
  EXPECT_THAT(Read({"-ao", "x"}), ElementsAre("-a=", "-o=x"));
  EXPECT_THAT(Read({"-o=x"}), ElementsAre("-o=x"));
}

TEST(CommandLineTest, BothNamesMeanTheSame) {
  EXPECT_THAT(Read({"-b", "--both"}), ElementsAre("-b=", "--both="));
}

TEST(CommandLineTest, WhatIsNoOptionEndsIt) {
  EXPECT_THAT(Read({"--flag", "word", "--flag"}),
              ElementsAre("--flag=", "error: unexpected argument 'word' found"));
  EXPECT_THAT(Read({"--wor=x"}), ElementsAre("error: unexpected argument '--wor' found"));
  EXPECT_THAT(Read({"-ax"}), ElementsAre("-a=", "error: unexpected argument '-x' found"));
  EXPECT_THAT(Read({"--", "x"}), ElementsAre("error: unexpected argument '--' found"));
  EXPECT_THAT(Read({"-"}), ElementsAre("error: unexpected argument '-' found"));
  EXPECT_THAT(Read({""}), ElementsAre("error: unexpected argument '' found"));
  EXPECT_THAT(Read({"-b,--both"}), ElementsAre("-b=", HasSubstr("'-,'")));
}

}  // namespace
}  // namespace postern
