#include "common/record_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <unistd.h>

#include <ctime>
#include <string>

#include "tests/unit/common/caught_stderr.h"

namespace postern {
namespace {

TEST(LogRecordTest, ComesBackAsItWas) {
  for (const google::LogSeverity severity :
       {google::GLOG_INFO, google::GLOG_WARNING, google::GLOG_ERROR, google::GLOG_FATAL}) {
    std::string record = LogRecord(severity, "te>xt");
    ASSERT_EQ(record.back(), '\n');
    record.pop_back();
    const ParsedRecord parsed = ParseLogRecord(record);
    EXPECT_EQ(parsed.severity, severity);
    EXPECT_EQ(parsed.text, "te>xt");
  }
}

TEST(LogRecordTest, IsWrittenToAPipeInOnePiece) {
  const std::string record = LogRecord(google::GLOG_INFO, std::string(10'000, 'x'));
  EXPECT_EQ(record.size(), size_t{PIPE_BUF});
  EXPECT_EQ(record.back(), '\n');
}

TEST(ParseLogRecordTest, WhatIsNoRecordIsAnErrorsText) {
  for (const char* line :
       {"", "text", "<", "<4", "<4text", "<9>text", "4>text", "terminate called"}) {
    const ParsedRecord parsed = ParseLogRecord(line);
    EXPECT_EQ(parsed.severity, google::GLOG_ERROR) << line;
    EXPECT_EQ(parsed.text, line);
  }
}

void Send(RecordSink& sink, const std::string& text) {
  sink.send(google::GLOG_WARNING, "/src/file.cc", "file.cc", 12,
            google::LogMessageTime(std::time(nullptr), 0), text.data(), text.size());
}

TEST(RecordSinkTest, WritesRecords) {
  EXPECT_EQ(CaughtStderr([] {
              RecordSink sink;
              Send(sink, "text");
            }),
            "<4>text\n");
}

// Else a launcher that is stopped would stop the guest.
TEST(RecordSinkTest, FullPipeIsNotWaitedForAndWhatIsLostIsSaid) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  RecordSink sink;
  const std::string page(PIPE_BUF, 'x');
  size_t full = 0;
  while (write(STDERR_FILENO, page.data(), page.size()) > 0) full += page.size();
  Send(sink, "lost");
  Send(sink, "lost, too");
  std::string taken(full, '\0');
  EXPECT_EQ(read(ends[0], taken.data(), full), static_cast<ssize_t>(full));
  Send(sink, "heard");
  Send(sink, "heard, too");
  dup2(saved, STDERR_FILENO);
  close(saved);
  char text[1000] = {};
  EXPECT_GT(read(ends[0], text, sizeof(text) - 1), 0);
  close(ends[0]);
  EXPECT_STREQ(text,
               "<4>2 lines of the log were lost: nobody read them\n<4>heard\n<4>heard, too\n");
}

}  // namespace
}  // namespace postern
