// The one logging header: glog, set up for a daemon that writes to stderr. Never include absl's or
// glog's directly. Lines that a guest can cause must be limited: use POSTERN_LOG_ONCE, or an error
// count of your own.
#ifndef POSTERN_COMMON_LOGGING_H_
#define POSTERN_COMMON_LOGGING_H_

#include <glog/logging.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/log_line.h"

namespace postern {

// virtiofsd's levels. kDebug and kTrace are glog's VLOG(1) and VLOG(2).
enum class LogLevel { kOff = 1, kError = 2, kWarn = 3, kInfo = 4, kDebug = 5, kTrace = 6 };

// Case-insensitive: error, warn, info, debug, trace, off.
std::optional<LogLevel> ParseLogLevel(std::string_view name);

// To kSyslog every line goes with the program's name as the identity. Where there is no syslog
// daemon, it says so and is kStderr.
enum class LogTarget { kStderr, kSyslog };

// Once per process, before it logs, has a second thread, or is in a jail: its lines go to stderr,
// from kInfo on, and look like
//   2026-11-30 09:05:07.042 posternd[4711] vm1-data: error: what happened
// with the process's id as the host sees it. Makes glog read what it needs (time zone) while it
// still can. `program` must outlive the process (glog keeps the pointer).
void InitializeLogging(const char* program);

struct LogSettings {
  LogLevel level = LogLevel::kInfo;  // From kDebug on, lines end with their place in the source.
  LogTarget target = LogTarget::kStderr;
  std::string share;                // What is shared, as ShareForLog() has it.
  LineHead head = LineHead::kTime;  // On stderr.
};
// Once, after InitializeLogging() and under the same conditions.
void ConfigureLogging(const LogSettings& settings);

// Instead of ConfigureLogging(), in a process that posternd has started: from here on the lines go
// to stderr as records (record_sink.h), of which posternd makes lines.
void LogToLauncher();
void SetLogLevel(LogLevel level);

// Writes a line in the name of another process of the same share, where this one's lines go. `text`
// is printable and has no end of a line in it. Nothing for a severity that isn't wanted.
void LogForProcess(const std::string& program, pid_t pid, google::LogSeverity severity,
                   const std::string& text);

// What the lines of a share are told by: its tag, or without one the directory. Escaped and cut.
std::string ShareForLog(std::string_view tag, std::string_view directory);

// `text`, which came from a guest or a peer, with control and non-ASCII bytes escaped, cut after 64
// bytes.
std::string EscapeForLog(std::string_view text);

}  // namespace postern

// Logs at most once in the process's life at this place.
#define POSTERN_LOG_ONCE(severity) LOG_FIRST_N(severity, 1)

#endif  // POSTERN_COMMON_LOGGING_H_
