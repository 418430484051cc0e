#include "broker/service/channel_owners.h"

#include <absl/strings/str_join.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/broker/service/channel_owners_model.h"

namespace postern {
namespace {

using Work = ChannelOwners::Work;

TEST(ChannelOwnersTest, ChannelHasOneOwner) {
  ChannelOwners owners(2);
  EXPECT_TRUE(owners.Own(0));
  EXPECT_FALSE(owners.Own(0));
  EXPECT_TRUE(owners.Own(1)) << "another channel";
  owners.Release(0);
  EXPECT_TRUE(owners.Own(0));
}

TEST(ChannelOwnersTest, OwnerAtWorkKeepsItsChannelForOneExpiryAndLosesItWithTheNext) {
  ChannelOwners owners(1);
  ASSERT_TRUE(owners.Own(0));
  const ChannelOwners::Claim claim = owners.BeginWork(0);
  EXPECT_FALSE(owners.Own(0));
  EXPECT_EQ(owners.ReleaseIfStuck(0), Work::kBegun);
  EXPECT_EQ(owners.ReleaseIfStuck(0), Work::kReleased);
  EXPECT_EQ(owners.ReleaseIfStuck(0), Work::kNone);
  EXPECT_TRUE(owners.Own(0));
  EXPECT_FALSE(owners.EndWork(0, claim)) << "it was taken away";
}

TEST(ChannelOwnersTest, OneMessageAfterAnotherIsNotOneThatTakesLong) {
  ChannelOwners owners(1);
  ASSERT_TRUE(owners.Own(0));
  for (int i = 0; i < 3; ++i) {
    const ChannelOwners::Claim claim = owners.BeginWork(0);
    EXPECT_EQ(owners.ReleaseIfStuck(0), Work::kBegun);
    EXPECT_TRUE(owners.EndWork(0, claim));
  }
}

TEST(ChannelOwnersTest, ReceiverKeepsItsChannelHoweverLongItTakes) {
  ChannelOwners owners(1);
  ASSERT_TRUE(owners.Own(0));
  EXPECT_EQ(owners.ReleaseIfStuck(0), Work::kNone);
  EXPECT_EQ(owners.ReleaseIfStuck(0), Work::kNone);
  EXPECT_FALSE(owners.Own(0));
}

TEST(ChannelOwnersTest, TimerIsStartedByOneAndAgainAfterItsExpiry) {
  ChannelOwners owners(1);
  EXPECT_TRUE(owners.StartsTimer());
  EXPECT_FALSE(owners.StartsTimer());
  owners.TimerExpired();
  EXPECT_TRUE(owners.StartsTimer());
}

TEST(ChannelOwnersTest, TurnIsOverAfterSoManyMessagesIfNoThreadIsIdle) {
  ChannelOwners owners(2);
  EXPECT_FALSE(owners.IsTurnOver(ChannelOwners::kTurnMessages - 1));
  EXPECT_TRUE(owners.IsTurnOver(ChannelOwners::kTurnMessages));
  owners.BeginIdle();
  EXPECT_FALSE(owners.IsTurnOver(ChannelOwners::kTurnMessages));
  owners.EndIdle();
  EXPECT_TRUE(owners.IsTurnOver(ChannelOwners::kTurnMessages));
}

// Every interleaving of a small service.

void ExpectNothingGoesWrong(const ModelSetup& setup, int longest_wait = 1000) {
  const ModelResult result = ExploreOwners(setup, longest_wait);
  EXPECT_EQ(result.failure, "") << absl::StrJoin(result.steps, "\n");
  EXPECT_GT(result.states, 100u);
  testing::Test::RecordProperty("states", std::to_string(result.states));
}

TEST(ChannelOwnersModelTest, OneThreadOneChannel) {
  ExpectNothingGoesWrong({.threads = 1, .messages = {3}});
}
TEST(ChannelOwnersModelTest, OneThreadTwoChannels) {
  ExpectNothingGoesWrong({.threads = 1, .messages = {2, 2}});
}
TEST(ChannelOwnersModelTest, TwoThreadsOneChannel) {
  ExpectNothingGoesWrong({.threads = 2, .messages = {3}});
}
TEST(ChannelOwnersModelTest, TwoThreadsTwoChannels) {
  ExpectNothingGoesWrong({.threads = 2, .messages = {1, 1}});
}
TEST(ChannelOwnersModelTest, TwoThreadsTwoChannelsOneStuckMessage) {
  ExpectNothingGoesWrong({.threads = 2, .messages = {2, 1}, .first_is_stuck = true});
}
TEST(ChannelOwnersModelTest, TwoThreadsOneChannelOneStuckMessage) {
  ExpectNothingGoesWrong({.threads = 2, .messages = {3}, .first_is_stuck = true});
}
// A turn takes two messages. Who waits lets one turn of each of the others pass, and one more of
// one: a worker that rings late rings for what its channel's last turn has received already.
TEST(ChannelOwnersModelTest, ChannelThatAlwaysHasMessagesStarvesNobody) {
  ExpectNothingGoesWrong({.threads = 1, .messages = {0, 2}, .endless = 1}, /*longest_wait=*/4);
}
TEST(ChannelOwnersModelTest, TwoThatAlwaysHaveMessagesStarveNeitherOneAnotherNorTheThird) {
  ExpectNothingGoesWrong({.threads = 1, .messages = {0, 0, 1}, .endless = 2, .turn_messages = 1},
                         /*longest_wait=*/3);
}

// The model finds what it is there for.

TEST(ChannelOwnersModelTest, FindsAMessageThatCameBeforeTheWorkerWasToRing) {
  EXPECT_EQ(ExploreOwners({.messages = {2}, .flaw = Flaw::kNoLookAfterRelease}, 1000).failure,
            "a message is lost");
}
TEST(ChannelOwnersModelTest, FindsThatNobodyLooksForStuckMessages) {
  EXPECT_EQ(
      ExploreOwners(
          {.threads = 2, .messages = {2, 1}, .first_is_stuck = true, .flaw = Flaw::kNoTimer}, 1000)
          .failure,
      "a message is lost");
}
TEST(ChannelOwnersModelTest, FindsATimerThatIsStartedTooEarly) {
  EXPECT_EQ(ExploreOwners({.threads = 2,
                           .messages = {2, 1},
                           .first_is_stuck = true,
                           .flaw = Flaw::kTimerBeforeClaim},
                          1000)
                .failure,
            "a message is lost");
}
TEST(ChannelOwnersModelTest, FindsATimerThatIsNotStartedAgain) {
  EXPECT_EQ(ExploreOwners({.threads = 2,
                           .messages = {2, 1},
                           .first_is_stuck = true,
                           .flaw = Flaw::kTimerNotResumed},
                          1000)
                .failure,
            "a message is lost");
}
TEST(ChannelOwnersModelTest, FindsTwoOwners) {
  EXPECT_EQ(ExploreOwners({.threads = 2,
                           .messages = {2, 1},
                           .first_is_stuck = true,
                           .flaw = Flaw::kKeepsWhatItLost},
                          1000)
                .failure,
            "two owners");
}
TEST(ChannelOwnersModelTest, FindsAChannelThatStarves) {
  EXPECT_EQ(
      ExploreOwners({.threads = 1, .messages = {0, 2}, .endless = 1, .flaw = Flaw::kNoTurns}, 4)
          .failure,
      "starved");
}

// The same with real threads, and what they own is no atomic: ThreadSanitizer sees two owners, too.
TEST(ChannelOwnersTest, ThreadsThatTakeChannelsFromOneAnotherReceiveEachMessageOnce) {
  constexpr size_t kThreads = 3;
  constexpr size_t kChannels = 2;
  ChannelOwners owners(kChannels);
  struct {
    uint64_t received = 0;
  } channels[kChannels];
  std::atomic<uint64_t> received = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 30'000; ++i) {
        const size_t channel = (i + t) % kChannels;
        if (t == 0) owners.ReleaseIfStuck(channel);
        if (!owners.Own(channel)) continue;
        for (size_t round = 0;; ++round) {
          ++channels[channel].received;
          ++received;
          const ChannelOwners::Claim claim = owners.BeginWork(channel);
          if (i % 5 == 0) owners.ReleaseIfStuck(channel);
          if (!owners.EndWork(channel, claim)) break;
          if (round < i % 4) continue;
          owners.Release(channel);
          break;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(channels[0].received + channels[1].received, received);
}

}  // namespace
}  // namespace postern
