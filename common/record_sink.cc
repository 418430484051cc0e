#include "common/record_sink.h"

#include <absl/strings/str_cat.h>
#include <limits.h>
#include <unistd.h>

#include <cerrno>

#include "common/line_sink.h"
#include "common/log_line.h"

namespace postern {
namespace {

constexpr size_t kHeadBytes = 3;

constexpr google::LogSeverity kSeverities[] = {google::GLOG_INFO, google::GLOG_WARNING,
                                               google::GLOG_ERROR, google::GLOG_FATAL};

// False if there is no room for it. Any other failure is nobody's to hear of.
bool WriteRecord(const std::string& record) {
  ssize_t written;
  do {
    written = write(STDERR_FILENO, record.data(), record.size());
  } while (written < 0 && errno == EINTR);
  return written >= 0 || errno != EAGAIN;
}

}  // namespace

std::string LogRecord(google::LogSeverity severity, std::string_view text) {
  // POSIX: so much is written to a pipe in one piece, or not at all.
  text = text.substr(0, PIPE_BUF - kHeadBytes - 1);
  return absl::StrCat(PriorityHead(severity), absl::string_view(text.data(), text.size()), "\n");
}

ParsedRecord ParseLogRecord(std::string_view line) {
  if (line.size() >= kHeadBytes && line[0] == '<' && line[2] == '>') {
    for (const google::LogSeverity severity : kSeverities) {
      if (line[1] - '0' == SyslogPriority(severity)) return {severity, line.substr(kHeadBytes)};
    }
  }
  return {google::GLOG_ERROR, line};
}

void RecordSink::send(google::LogSeverity severity, const char*, const char* file, int line,
                      const google::LogMessageTime&, const char* message, size_t size) {
  if (const uint64_t lost = lost_.exchange(0); lost != 0) {
    const std::string text = absl::StrCat(lost, " lines of the log were lost: nobody read them");
    if (!WriteRecord(LogRecord(google::GLOG_WARNING, text))) lost_ += lost;
  }
  const std::string text =
      absl::StrCat(absl::string_view(message, size), SourceNote(severity, file, line, FLAGS_v > 0));
  if (!WriteRecord(LogRecord(severity, text))) ++lost_;
}

}  // namespace postern
