#include "common/stderr_sink.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

namespace postern {
namespace {

std::string HeadText(LineHead head, google::LogSeverity severity, const LogMoment& moment) {
  switch (head) {
    case LineHead::kTime:
      return LogTime(moment.time, moment.milliseconds) + " ";
    case LineHead::kPriority:
      return PriorityHead(severity);
    case LineHead::kNone:
      break;
  }
  return "";
}

}  // namespace

bool IsJournalStream(const char* variable, dev_t device, ino_t inode) {
  if (variable == nullptr) return false;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(variable, absl::MaxSplits(':', 1));
  uint64_t journals_device = 0;
  uint64_t journals_inode = 0;
  return absl::SimpleAtoi(parts.first, &journals_device) &&
         absl::SimpleAtoi(parts.second, &journals_inode) && journals_device == device &&
         journals_inode == inode;
}

LineHead LineHeadForStderr() {
  struct stat status;
  const bool journal = fstat(STDERR_FILENO, &status) == 0 &&
                       IsJournalStream(std::getenv("JOURNAL_STREAM"), status.st_dev, status.st_ino);
  return journal ? LineHead::kPriority : LineHead::kTime;
}

void WriteToStderr(std::string_view line) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

void StderrSink::Write(const LogOrigin& origin, google::LogSeverity severity,
                       const LogMoment& moment, std::string_view text) {
  WriteToStderr(
      absl::StrCat(HeadText(head_, severity, moment), LogLine(origin, severity, text), "\n"));
}

}  // namespace postern
