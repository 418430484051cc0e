// Each attack of the table against postern: the guest's own damage stays the guest's.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/hostile/guest/attack_runner.h"

namespace postern::hostile {
namespace {

class HostileGuestTest : public testing::TestWithParam<const Attack*> {};

TEST_P(HostileGuestTest, DamageStaysTheGuests) {
  const Attack& attack = *GetParam();
  RunOptions options;
  options.command = {POSTERND_PATH, "--request-queues=2"};

  const Judgement judgement = RunAttack(attack, options);

  EXPECT_TRUE(judgement.Survived(attack))
      << Name(judgement.outcome) << ": " << judgement.detail << "\n"
      << judgement.log;
  // Said once in the log, however often the guest does it, and always if the front end was told.
  EXPECT_LE(judgement.broken_messages, 1u) << judgement.log;
  EXPECT_GE(judgement.broken_messages, judgement.said_broken ? 1u : 0u) << judgement.log;
}

std::string TestName(const testing::TestParamInfo<const Attack*>& info) {
  std::string name = std::string(info.param->family) + "_" + std::string(info.param->name);
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, HostileGuestTest, testing::ValuesIn(AllAttacks()), TestName);

}  // namespace
}  // namespace postern::hostile
