#include "worker/queue/notification_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

// Which of `count` completions were told of, as 1s.
std::string Complete(NotificationPolicy& policy, int count) {
  std::string told;
  for (int i = 0; i < count; ++i) told += policy.Completed() ? '1' : '0';
  return told;
}

TEST(NotificationPolicyTest, CompletionIsToldOfAtOnce) {
  NotificationPolicy policy;
  EXPECT_EQ(Complete(policy, 18), "111111111111111111");
}

TEST(NotificationPolicyTest, RepliesThatComeTogetherAreToldOfAtTheFirstAndEachSixteenth) {
  NotificationPolicy policy;
  const NotificationPolicy::Replies together(policy);
  EXPECT_EQ(Complete(policy, 34), "1000000000000000100000000000000010");
}

TEST(NotificationPolicyTest, RepliesOfAnotherTimeBeginAnew) {
  NotificationPolicy policy;
  {
    const NotificationPolicy::Replies together(policy);
    EXPECT_EQ(Complete(policy, 3), "100");
  }
  const NotificationPolicy::Replies together(policy);
  EXPECT_EQ(Complete(policy, 3), "100");
}

TEST(NotificationPolicyTest, AfterTheRepliesCompletionsAreToldOfAtOnceAgain) {
  NotificationPolicy policy;
  {
    const NotificationPolicy::Replies together(policy);
    EXPECT_EQ(Complete(policy, 2), "10");
  }
  EXPECT_EQ(Complete(policy, 3), "111");
}

}  // namespace
}  // namespace postern
