#include "common/syslog_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/unit/common/caught_stderr.h"

namespace postern {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kText[] = "what happened";

// A datagram socket in place of /dev/log.
class SyslogSinkTest : public testing::Test {
 protected:
  SyslogSinkTest() {
    std::string pattern = testing::TempDir() + "/syslog-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    daemon_.Reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    // Safe because every sockaddr begins with the family.
    EXPECT_EQ(bind(daemon_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~SyslogSinkTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/log"; }

  // A datagram that waits; empty if none does.
  std::string Received() {
    char text[4096];
    const ssize_t size = recv(daemon_.get(), text, sizeof(text), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

  // What a sink writes to stderr when it gets one line.
  static std::string StderrOf(SyslogSink& sink) {
    return CaughtStderr([&sink] { Send(sink, google::GLOG_INFO); });
  }
  static void Send(SyslogSink& sink, google::LogSeverity severity) {
    sink.send(severity, "file", "file", 1, google::LogMessageTime(std::time(nullptr), 0), kText,
              std::strlen(kText));
  }

  std::string directory_;
  UniqueFd daemon_;
};

TEST(SyslogLineTest, HasPriorityTimeAndIdentity) {
  std::tm time{};
  time.tm_mon = 10;
  time.tm_mday = 3;
  time.tm_hour = 9;
  time.tm_min = 5;
  time.tm_sec = 7;
  EXPECT_EQ(SyslogLine(google::GLOG_INFO, time, "posternd", 123, "text"),
            "<14>Nov  3 09:05:07 posternd[123]: text");
  EXPECT_THAT(SyslogLine(google::GLOG_WARNING, time, "p", 1, ""), StartsWith("<12>"));
  EXPECT_THAT(SyslogLine(google::GLOG_ERROR, time, "p", 1, ""), StartsWith("<11>"));
  EXPECT_THAT(SyslogLine(google::GLOG_FATAL, time, "p", 1, ""), StartsWith("<10>"));
}

TEST_F(SyslogSinkTest, SendsEachLineAsADatagram) {
  auto sink = SyslogSink::Connect(path(), {"identity", 4711, "vm1-data"});
  ASSERT_TRUE(sink.ok()) << sink.error().Message();
  Send(**sink, google::GLOG_ERROR);
  const std::string line = Received();
  EXPECT_THAT(line, StartsWith("<11>"));
  EXPECT_THAT(line, EndsWith(" identity[4711]: vm1-data: error: what happened"));
  EXPECT_EQ(Received(), "");
}

TEST_F(SyslogSinkTest, WritesToStderrWhenTheDaemonHasGone) {
  auto sink = SyslogSink::Connect(path(), {"identity", 4711, "vm1-data"});
  ASSERT_TRUE(sink.ok());
  daemon_.Reset();
  EXPECT_EQ(StderrOf(**sink), "identity[4711] vm1-data: what happened\n");
}

TEST_F(SyslogSinkTest, WritesToStderrInsteadOfWaitingForASlowDaemon) {
  auto sink = SyslogSink::Connect(path(), {"identity", 4711, "vm1-data"});
  ASSERT_TRUE(sink.ok());
  std::ifstream file("/proc/sys/net/unix/max_dgram_qlen");
  int queue = 0;
  ASSERT_TRUE(file >> queue);
  for (int i = 0; i <= queue; ++i) Send(**sink, google::GLOG_INFO);
  EXPECT_THAT(StderrOf(**sink), HasSubstr(kText));
}

TEST_F(SyslogSinkTest, CannotConnectWhereThereIsNoSocket) {
  EXPECT_EQ(SyslogSink::Connect(directory_ + "/none", {}).error(), Errno(ENOENT));
  EXPECT_EQ(SyslogSink::Connect(std::string(200, 'n'), {}).error(), Errno(ENAMETOOLONG));
}

}  // namespace
}  // namespace postern
