#include "common/stderr_sink.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace postern {
namespace {

// glog 0.6 has a number, 0.7 a duration.
[[maybe_unused]] long Milliseconds(long microseconds) { return microseconds / 1000; }
[[maybe_unused]] long Milliseconds(std::chrono::microseconds time) {
  return static_cast<long>(time.count() / 1000);
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

bool StderrIsTheJournal() {
  struct stat status;
  return fstat(STDERR_FILENO, &status) == 0 &&
         IsJournalStream(std::getenv("JOURNAL_STREAM"), status.st_dev, status.st_ino);
}

void WriteToStderr(std::string_view line) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

std::string SourceNote(google::LogSeverity severity, const char* file, int line, bool wanted) {
  if (!wanted && severity != google::GLOG_FATAL) return "";
  return absl::StrCat(" [", file, ":", line, "]");
}

void StderrSink::send(google::LogSeverity severity, const char*, const char* file, int line,
                      const google::LogMessageTime& time, const char* message, size_t size) {
  const std::string text =
      absl::StrCat(with_time_ ? LogTime(time.tm(), Milliseconds(time.usec())) + " " : "",
                   LogLine(origin_, severity, std::string_view(message, size)),
                   SourceNote(severity, file, line, with_source_), "\n");
  WriteToStderr(text);
}

}  // namespace postern
