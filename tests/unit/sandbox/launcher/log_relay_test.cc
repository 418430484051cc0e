#include "sandbox/launcher/log_relay.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/logging.h"
#include "common/unique_fd.h"
#include "tests/unit/sandbox/forked.h"

namespace postern {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::StartsWith;

// ---- the allowance ----

const LogAllowance::Clock::time_point kBegin{seconds(1000)};

TEST(LogAllowanceTest, IsUsedUpAndGrowsAgainByTheInterval) {
  LogAllowance allowance(3, seconds(10));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(allowance.Take(kBegin));
  EXPECT_FALSE(allowance.Take(kBegin));
  EXPECT_FALSE(allowance.Take(kBegin + seconds(9)));
  EXPECT_TRUE(allowance.Take(kBegin + seconds(10)));
  EXPECT_FALSE(allowance.Take(kBegin + seconds(19)));
  EXPECT_TRUE(allowance.Take(kBegin + seconds(20)));
}

TEST(LogAllowanceTest, SavesUpNoMoreThanItHadAtFirst) {
  LogAllowance allowance(3, seconds(10));
  EXPECT_TRUE(allowance.Take(kBegin));
  const auto later = kBegin + std::chrono::hours(10'000);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(allowance.Take(later));
  EXPECT_FALSE(allowance.Take(later));
}

TEST(LogAllowanceTest, BeginsToGrowWhenTheFirstIsTaken) {
  LogAllowance allowance(1, seconds(10));
  EXPECT_TRUE(allowance.Take(kBegin + seconds(9)));
  EXPECT_FALSE(allowance.Take(kBegin + seconds(18)));
  EXPECT_TRUE(allowance.Take(kBegin + seconds(19)));
}

// ---- the relay ----

using Lines = std::vector<std::string>;

constexpr pid_t kChild = 4711;

// What the launcher logs of a child "c" that has written `said` and then ended. In a process of its
// own, which has a log.
Lines Relayed(const std::string& said, LogLevel level = LogLevel::kInfo) {
  int log[2];
  EXPECT_EQ(pipe(log), 0);
  std::string output;
  std::thread reader([&] {
    char bytes[4096];
    for (ssize_t size; (size = read(log[0], bytes, sizeof(bytes))) > 0;) {
      output.append(bytes, static_cast<size_t>(size));
    }
  });
  const int end = ExitOfForked([&] {
    dup2(log[1], STDERR_FILENO);
    InitializeLogging("launcher");
    ConfigureLogging({.level = level, .share = "share", .head = LineHead::kNone});
    auto relay = LogRelay::Create("c");
    if (!relay.ok()) return 1;
    UniqueFd child(fcntl(relay->writer(), F_DUPFD_CLOEXEC, 0));
    relay->Started(kChild);
    for (std::string_view rest = said; !rest.empty();) {
      const ssize_t size = write(child.get(), rest.data(), std::min<size_t>(rest.size(), 4096));
      if (size < 0) return 2;
      rest.remove_prefix(static_cast<size_t>(size));
      if (!rest.empty()) relay->Read();
    }
    child.Reset();
    relay->Drain();
    return relay->fd() == -1 ? 0 : 3;
  });
  EXPECT_EQ(end, 0);
  close(log[1]);
  reader.join();
  close(log[0]);
  Lines lines;
  std::istringstream text(output);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(LogRelayTest, RecordsBecomeLinesOfTheChilds) {
  EXPECT_THAT(Relayed("<6>one\n<4>two\n<3>three\n<2>four\n"),
              ElementsAre("c[4711] share: one", "c[4711] share: warning: two",
                          "c[4711] share: error: three", "c[4711] share: fatal: four"));
}

TEST(LogRelayTest, WhatIsNoRecordIsAnError) {
  EXPECT_THAT(Relayed("terminate called\n"), ElementsAre("c[4711] share: error: terminate called"));
}

TEST(LogRelayTest, LastWordsCountWithoutTheEndOfTheLine) {
  EXPECT_THAT(Relayed("<6>one\n<2>last"),
              ElementsAre("c[4711] share: one", "c[4711] share: fatal: last"));
}

TEST(LogRelayTest, NothingPassesForAnothersLineOrReachesTheTerminal) {
  EXPECT_THAT(Relayed("<6>a\nposternd[1] share: forged\n<6>\x1b[2J\xff\x9b\r\t\n"),
              ElementsAre("c[4711] share: a", "c[4711] share: error: posternd[1] share: forged",
                          "c[4711] share: \\x1b[2J\\xff\\x9b\\x0d\\x09"));
}

TEST(LogRelayTest, LongLineIsCutAndTheNextIsWhole) {
  const std::string full(LogRelay::kMaxText, 'x');
  EXPECT_THAT(
      Relayed("<6>" + full + "\n<6>" + full + "y\n<6>" + std::string(20'000, 'x') + "\n<6>next\n"),
      ElementsAre("c[4711] share: " + full, "c[4711] share: " + full + "...",
                  "c[4711] share: " + full + "...", "c[4711] share: next"));
}

TEST(LogRelayTest, FloodIsDroppedCountedAndSaid) {
  std::string flood;
  for (uint64_t i = 0; i < 3 * LogRelay::kMaxLines; ++i) flood += "<3>flood\n";
  const Lines lines = Relayed(flood);
  ASSERT_FALSE(lines.empty());
  uint64_t said = 0;
  uint64_t dropped = 0;
  for (const std::string& line : lines) {
    if (line == "c[4711] share: error: flood") ++said;
    std::istringstream words(line.substr(line.find("warning: ") + 9));
    uint64_t count = 0;
    if (line.find(" lines of c were dropped: too many") != std::string::npos && words >> count) {
      EXPECT_THAT(line, StartsWith("launcher["));
      dropped += count;
    }
  }
  EXPECT_GE(said, LogRelay::kMaxLines);
  EXPECT_LT(said, 2 * LogRelay::kMaxLines) << "one more a second";
  EXPECT_EQ(said + dropped, 3 * LogRelay::kMaxLines);
}

TEST(LogRelayTest, MoreGoesThroughWhenDebugging) {
  std::string flood;
  for (uint64_t i = 0; i < 3 * LogRelay::kMaxLines; ++i) flood += "<6>flood\n";
  EXPECT_EQ(Relayed(flood, LogLevel::kDebug).size(), 3 * LogRelay::kMaxLines);
}

TEST(LogRelayTest, LevelHoldsForTheChildsLines) {
  EXPECT_THAT(Relayed("<6>one\n<4>two\n<3>three\n", LogLevel::kError),
              ElementsAre("c[4711] share: error: three"));
}

// While the child lives and has said nothing.
TEST(LogRelayTest, ReadingWaitsForNothing) {
  auto relay = LogRelay::Create("c");
  ASSERT_TRUE(relay.ok());
  relay->Read();
  EXPECT_GE(relay->fd(), 0);
  relay->Started(kChild);
  relay->Read();
  EXPECT_EQ(relay->fd(), -1) << "nobody has the other end";
}

}  // namespace
}  // namespace postern
