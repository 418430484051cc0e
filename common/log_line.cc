#include "common/log_line.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <syslog.h>
#include <unistd.h>

namespace postern {
namespace {

absl::string_view SeverityWord(google::LogSeverity severity) {
  switch (severity) {
    case google::GLOG_INFO:
      return "";
    case google::GLOG_WARNING:
      return "warning: ";
    case google::GLOG_ERROR:
      return "error: ";
    default:
      return "fatal: ";
  }
}

}  // namespace

int SyslogPriority(google::LogSeverity severity) {
  switch (severity) {
    case google::GLOG_INFO:
      return LOG_INFO;
    case google::GLOG_WARNING:
      return LOG_WARNING;
    case google::GLOG_ERROR:
      return LOG_ERR;
    default:
      return LOG_CRIT;
  }
}

std::string PriorityHead(google::LogSeverity severity) {
  return absl::StrCat("<", SyslogPriority(severity), ">");
}

pid_t PidOutside() {
  char link[32] = {};
  const ssize_t size = readlink("/proc/self", link, sizeof(link) - 1);
  pid_t pid = 0;
  if (size > 0 && absl::SimpleAtoi(absl::string_view(link, static_cast<size_t>(size)), &pid)) {
    return pid;
  }
  return getpid();
}

std::string LogText(const LogOrigin& origin, google::LogSeverity severity, std::string_view text) {
  return absl::StrCat(origin.share, origin.share.empty() ? "" : ": ", SeverityWord(severity),
                      absl::string_view(text.data(), text.size()));
}

std::string LogLine(const LogOrigin& origin, google::LogSeverity severity, std::string_view text) {
  return absl::StrCat(origin.program, "[", origin.pid, "]", origin.share.empty() ? ": " : " ",
                      LogText(origin, severity, text));
}

std::string LogTime(const std::tm& time, long milliseconds) {
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d:%02d.%03d", time.tm_year + 1900, time.tm_mon + 1,
                         time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, milliseconds);
}

}  // namespace postern
