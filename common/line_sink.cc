#include "common/line_sink.h"

#include <absl/strings/str_cat.h>

#include <chrono>

namespace postern {
namespace {

// glog 0.6 has a number, 0.7 a duration.
[[maybe_unused]] long Milliseconds(long microseconds) { return microseconds / 1000; }
[[maybe_unused]] long Milliseconds(std::chrono::microseconds time) {
  return static_cast<long>(time.count() / 1000);
}

}  // namespace

LogMoment LogMoment::Now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto time = static_cast<std::time_t>(seconds.count());
  LogMoment moment;
  localtime_r(&time, &moment.time);
  moment.milliseconds =
      Milliseconds(std::chrono::duration_cast<std::chrono::microseconds>(since_epoch - seconds));
  return moment;
}

void LineSink::send(google::LogSeverity severity, const char*, const char* file, int line,
                    const google::LogMessageTime& time, const char* message, size_t size) {
  Write(origin_, severity, {time.tm(), Milliseconds(time.usec())},
        absl::StrCat(absl::string_view(message, size),
                     SourceNote(severity, file, line, with_source_)));
}

std::string SourceNote(google::LogSeverity severity, const char* file, int line, bool wanted) {
  if (!wanted && severity != google::GLOG_FATAL) return "";
  return absl::StrCat(" [", file, ":", line, "]");
}

}  // namespace postern
