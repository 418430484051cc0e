// What a line of the log says besides its text: which process of which share it comes from.
#ifndef POSTERN_COMMON_LOG_LINE_H_
#define POSTERN_COMMON_LOG_LINE_H_

#include <glog/logging.h>
#include <sys/types.h>

#include <ctime>
#include <string>
#include <string_view>

namespace postern {

// The calling process's id as /proc names it. In a pid namespace of one's own getpid(2) says 1, and
// /proc, until the jail is closed, what whoever started the process sees.
pid_t PidOutside();

// The severity as syslog and the journal number it: LOG_INFO and the like.
int SyslogPriority(google::LogSeverity severity);

// "<3>": what the journal takes from the beginning of a line (sd-daemon(3)).
std::string PriorityHead(google::LogSeverity severity);

// What stands before a line: the time for people, the priority for the journal, which notes the
// time itself.
enum class LineHead { kNone, kTime, kPriority };

struct LogOrigin {
  std::string program;
  pid_t pid = 0;      // PidOutside()
  std::string share;  // Printable. Empty: not known yet.
};

// "vm1-data: error: text": the share, what kind of line it is (nothing for plain information) and
// the text. What goes to syslog, which adds the rest itself.
std::string LogText(const LogOrigin& origin, google::LogSeverity severity, std::string_view text);

// "posternd[4711] vm1-data: error: text": the same for those who read plain lines.
std::string LogLine(const LogOrigin& origin, google::LogSeverity severity, std::string_view text);

// "2026-11-30 09:05:07.042"
std::string LogTime(const std::tm& time, long milliseconds);

}  // namespace postern

#endif  // POSTERN_COMMON_LOG_LINE_H_
