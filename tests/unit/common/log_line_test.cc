#include "common/log_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/logging.h"
#include "common/stderr_sink.h"
#include "tests/unit/common/caught_stderr.h"

namespace postern {
namespace {

using testing::EndsWith;
using testing::StartsWith;

const LogOrigin kOrigin = {"postern-worker", 4711, "vm1-data"};

TEST(LogLineTest, SaysWhichProcessOfWhichShare) {
  EXPECT_EQ(LogLine(kOrigin, google::GLOG_INFO, "text"), "postern-worker[4711] vm1-data: text");
}

TEST(LogLineTest, SeverityIsAWordUnlessItIsPlainInformation) {
  EXPECT_EQ(LogLine(kOrigin, google::GLOG_WARNING, "text"),
            "postern-worker[4711] vm1-data: warning: text");
  EXPECT_EQ(LogLine(kOrigin, google::GLOG_ERROR, "text"),
            "postern-worker[4711] vm1-data: error: text");
  EXPECT_EQ(LogLine(kOrigin, google::GLOG_FATAL, "text"),
            "postern-worker[4711] vm1-data: fatal: text");
}

TEST(LogLineTest, NamesNoShareBeforeItIsKnown) {
  EXPECT_EQ(LogLine({"posternd", 1, ""}, google::GLOG_ERROR, "text"), "posternd[1]: error: text");
}

TEST(LogTextTest, LeavesTheProcessToSyslog) {
  EXPECT_EQ(LogText(kOrigin, google::GLOG_INFO, "text"), "vm1-data: text");
  EXPECT_EQ(LogText(kOrigin, google::GLOG_ERROR, "text"), "vm1-data: error: text");
  EXPECT_EQ(LogText({"p", 1, ""}, google::GLOG_ERROR, "text"), "error: text");
}

TEST(LogTimeTest, HasMilliseconds) {
  std::tm time{};
  time.tm_year = 126;
  time.tm_mon = 10;
  time.tm_mday = 3;
  time.tm_hour = 9;
  time.tm_min = 5;
  time.tm_sec = 7;
  EXPECT_EQ(LogTime(time, 42), "2026-11-03 09:05:07.042");
}

TEST(PriorityHeadTest, NumbersTheSeveritiesAsSyslogDoes) {
  EXPECT_EQ(PriorityHead(google::GLOG_INFO), "<6>");
  EXPECT_EQ(PriorityHead(google::GLOG_WARNING), "<4>");
  EXPECT_EQ(PriorityHead(google::GLOG_ERROR), "<3>");
  EXPECT_EQ(PriorityHead(google::GLOG_FATAL), "<2>");
}

TEST(PidOutsideTest, IsOnesOwnWithoutANamespace) { EXPECT_EQ(PidOutside(), getpid()); }

TEST(SourceNoteTest, IsForDebuggingAndForBugs) {
  EXPECT_EQ(SourceNote(google::GLOG_ERROR, "file.cc", 12, /*wanted=*/false), "");
  EXPECT_EQ(SourceNote(google::GLOG_INFO, "file.cc", 12, /*wanted=*/true), " [file.cc:12]");
  EXPECT_EQ(SourceNote(google::GLOG_FATAL, "file.cc", 12, /*wanted=*/false), " [file.cc:12]");
}

TEST(ShareForLogTest, IsTheTagOrElseTheDirectory) {
  EXPECT_EQ(ShareForLog("vm1-data", "/srv/vm1"), "vm1-data");
  EXPECT_EQ(ShareForLog("", "/srv/vm1"), "/srv/vm1");
}

TEST(ShareForLogTest, EscapesWhatCouldPassForAnotherLine) {
  EXPECT_EQ(ShareForLog("a\nposternd[1] b: error: c", ""), "a\\nposternd[1] b: error: c");
  EXPECT_EQ(ShareForLog("", "/srv/\x1b[2J\xff"), "/srv/\\x1b[2J\\xff");
}

TEST(ShareForLogTest, KeepsTheEndOfALongPath) {
  const std::string share = ShareForLog("", "/srv/" + std::string(4096, 'd') + "/vm1");
  EXPECT_THAT(share, StartsWith("...ddd"));
  EXPECT_THAT(share, EndsWith("ddd/vm1"));
  EXPECT_LT(share.size(), 70u);
}

TEST(IsJournalStreamTest, IsTheVeryFileThatTheVariableNames) {
  EXPECT_TRUE(IsJournalStream("8:12345", 8, 12345));
  EXPECT_FALSE(IsJournalStream("8:12345", 8, 12346));
  EXPECT_FALSE(IsJournalStream("8:12345", 9, 12345));
  EXPECT_FALSE(IsJournalStream(nullptr, 8, 12345));
  EXPECT_FALSE(IsJournalStream("", 0, 0));
  EXPECT_FALSE(IsJournalStream("8", 8, 0));
  EXPECT_FALSE(IsJournalStream("8:12345:6", 8, 12345));
}

class StderrSinkTest : public testing::Test {
 protected:
  static std::string Written(LineHead head, bool with_source) {
    StderrSink sink(kOrigin, head, with_source);
    return CaughtStderr([&sink] {
      const std::time_t now = std::time(nullptr);
      sink.send(google::GLOG_WARNING, "/src/file.cc", "file.cc", 12,
                google::LogMessageTime(now, static_cast<double>(now)), "text", 4);
    });
  }
};

TEST_F(StderrSinkTest, WritesOneLine) {
  EXPECT_EQ(Written(LineHead::kNone, /*with_source=*/false),
            "postern-worker[4711] vm1-data: warning: text\n");
}

TEST_F(StderrSinkTest, BeginsWithTheTimeAndEndsWithTheSourceIfAsked) {
  EXPECT_THAT(Written(LineHead::kTime, /*with_source=*/false),
              testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\\.[0-9]{3} "
                                    "postern-worker\\[4711\\] vm1-data: warning: text\n"));
  EXPECT_EQ(Written(LineHead::kNone, /*with_source=*/true),
            "postern-worker[4711] vm1-data: warning: text [file.cc:12]\n");
}

TEST_F(StderrSinkTest, BeginsWithThePriorityForTheJournal) {
  EXPECT_EQ(Written(LineHead::kPriority, /*with_source=*/false),
            "<4>postern-worker[4711] vm1-data: warning: text\n");
}

}  // namespace
}  // namespace postern
