#include "worker/queue/pass_schedule.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

using enum PassSchedule::Step;
using Step = PassSchedule::Step;

// A step that was said last, what the pass that followed has seen, and what comes next.
struct Row {
  Step last;
  bool more_requests;
  bool replies;
  bool broker_needs_processor;
  bool blocked;
  Step next;

  PassSchedule::Seen seen() const {
    return {.more_requests = more_requests,
            .replies = replies,
            .broker_needs_processor = broker_needs_processor,
            .blocked = blocked};
  }
};

constexpr bool yes = true;
constexpr bool no_ = false;  // As wide as the other.

// clang-format off
constexpr Row kRows[] = {
    // last      more repl need bloc next
    {kPass,       no_, no_, no_, no_, kLookAgain},
    {kPass,       no_, no_, no_, yes, kLookAgain},
    {kPass,       no_, yes, no_, no_, kLookAgain},
    {kPass,       no_, yes, no_, yes, kLookAgain},
    {kPass,       no_, no_, yes, no_, kAwaitReply},
    {kPass,       no_, no_, yes, yes, kSleep},
    {kPass,       no_, yes, yes, no_, kAwaitReply},
    {kPass,       no_, yes, yes, yes, kSleep},
    {kPass,       yes, no_, no_, no_, kPass},
    {kPass,       yes, no_, no_, yes, kPass},
    {kPass,       yes, yes, no_, no_, kPass},
    {kPass,       yes, yes, no_, yes, kPass},
    {kPass,       yes, no_, yes, no_, kPass},
    {kPass,       yes, no_, yes, yes, kPass},
    {kPass,       yes, yes, yes, no_, kPass},
    {kPass,       yes, yes, yes, yes, kPass},
    {kAwaitReply, no_, no_, no_, no_, kLookAgain},
    {kAwaitReply, no_, no_, no_, yes, kLookAgain},
    {kAwaitReply, no_, yes, no_, no_, kLookAgain},
    {kAwaitReply, no_, yes, no_, yes, kLookAgain},
    {kAwaitReply, no_, no_, yes, no_, kSleep},
    {kAwaitReply, no_, no_, yes, yes, kSleep},
    {kAwaitReply, no_, yes, yes, no_, kAwaitReply},
    {kAwaitReply, no_, yes, yes, yes, kSleep},
    {kAwaitReply, yes, no_, no_, no_, kPass},
    {kAwaitReply, yes, no_, no_, yes, kPass},
    {kAwaitReply, yes, yes, no_, no_, kPass},
    {kAwaitReply, yes, yes, no_, yes, kPass},
    {kAwaitReply, yes, no_, yes, no_, kPass},
    {kAwaitReply, yes, no_, yes, yes, kPass},
    {kAwaitReply, yes, yes, yes, no_, kPass},
    {kAwaitReply, yes, yes, yes, yes, kPass},
    {kLookAgain,  no_, no_, no_, no_, kLookAgain},
    {kLookAgain,  no_, no_, no_, yes, kLookAgain},
    {kLookAgain,  no_, yes, no_, no_, kLookAgain},
    {kLookAgain,  no_, yes, no_, yes, kLookAgain},
    {kLookAgain,  no_, no_, yes, no_, kAwaitReply},
    {kLookAgain,  no_, no_, yes, yes, kSleep},
    {kLookAgain,  no_, yes, yes, no_, kAwaitReply},
    {kLookAgain,  no_, yes, yes, yes, kSleep},
    {kLookAgain,  yes, no_, no_, no_, kPass},
    {kLookAgain,  yes, no_, no_, yes, kPass},
    {kLookAgain,  yes, yes, no_, no_, kPass},
    {kLookAgain,  yes, yes, no_, yes, kPass},
    {kLookAgain,  yes, no_, yes, no_, kPass},
    {kLookAgain,  yes, no_, yes, yes, kPass},
    {kLookAgain,  yes, yes, yes, no_, kPass},
    {kLookAgain,  yes, yes, yes, yes, kPass},
    {kSleep,      no_, no_, no_, no_, kLookAgain},
    {kSleep,      no_, no_, no_, yes, kLookAgain},
    {kSleep,      no_, yes, no_, no_, kLookAgain},
    {kSleep,      no_, yes, no_, yes, kLookAgain},
    {kSleep,      no_, no_, yes, no_, kAwaitReply},
    {kSleep,      no_, no_, yes, yes, kSleep},
    {kSleep,      no_, yes, yes, no_, kAwaitReply},
    {kSleep,      no_, yes, yes, yes, kSleep},
    {kSleep,      yes, no_, no_, no_, kPass},
    {kSleep,      yes, no_, no_, yes, kPass},
    {kSleep,      yes, yes, no_, no_, kPass},
    {kSleep,      yes, yes, no_, yes, kPass},
    {kSleep,      yes, no_, yes, no_, kPass},
    {kSleep,      yes, no_, yes, yes, kPass},
    {kSleep,      yes, yes, yes, no_, kPass},
    {kSleep,      yes, yes, yes, yes, kPass},
};
// clang-format on

std::string NameOf(Step step) {
  switch (step) {
    case kPass:
      return "Pass";
    case kAwaitReply:
      return "AwaitReply";
    case kLookAgain:
      return "LookAgain";
    case kSleep:
      return "Sleep";
  }
  return "None";
}

class PassScheduleTest : public testing::TestWithParam<Row> {
 protected:
  // A pass after which `step` comes, whatever was before.
  static PassSchedule::Seen LeadingTo(Step step) {
    switch (step) {
      case kPass:
        return {.more_requests = true};
      case kAwaitReply:
        return {.replies = true, .broker_needs_processor = true};
      case kLookAgain:
        return {};
      case kSleep:
        return {.broker_needs_processor = true, .blocked = true};
    }
    return {};
  }
};

TEST_P(PassScheduleTest, SaysWhatComesNext) {
  PassSchedule schedule;
  ASSERT_EQ(schedule.Next(LeadingTo(GetParam().last)), GetParam().last);
  EXPECT_EQ(schedule.Next(GetParam().seen()), GetParam().next);
  EXPECT_EQ(schedule.step(), GetParam().next);
}

std::string NameOfRow(const testing::TestParamInfo<Row>& info) {
  const Row& row = info.param;
  return NameOf(row.last) + "Then" + (row.more_requests ? "More" : "NoMore") +
         (row.replies ? "Replies" : "") +
         (row.broker_needs_processor ? "BrokerNeedsProcessor" : "") +
         (row.blocked ? "Blocked" : "");
}

INSTANTIATE_TEST_SUITE_P(, PassScheduleTest, testing::ValuesIn(kRows), NameOfRow);

TEST(PassScheduleBeginTest, IsAPass) { EXPECT_EQ(PassSchedule().step(), kPass); }

}  // namespace
}  // namespace postern
