// The log to syslog, for a process that can't open or connect anything once it is jailed.
#ifndef POSTERN_COMMON_SYSLOG_SINK_H_
#define POSTERN_COMMON_SYSLOG_SINK_H_

#include <glog/logging.h>
#include <sys/types.h>

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "common/errno_or.h"
#include "common/line_sink.h"
#include "common/log_line.h"
#include "common/unique_fd.h"

namespace postern {

inline constexpr char kSyslogSocket[] = "/dev/log";

// One line as the syslog daemon reads it (RFC 3164 without the host's name), facility USER:
// "<14>Nov  3 09:05:07 posternd[123]: text". `time` is local.
std::string SyslogLine(google::LogSeverity severity, const std::tm& time,
                       const std::string& identity, pid_t pid, std::string_view text);

// Sends every line of the log as one datagram. A line that can't be sent at once (the daemon has
// gone, or doesn't keep up) goes to stderr: a stuck syslog daemon must not stop the service.
class SyslogSink : public LineSink {
 public:
  // Connected for good: a daemon that makes its socket anew gets nothing more. (systemd keeps the
  // socket over the daemon's restarts.) Errno values of socket(2) and connect(2).
  static ErrnoOr<std::unique_ptr<SyslogSink>> Connect(const std::string& socket_path,
                                                      const LogOrigin& origin,
                                                      bool with_source = false);

  // Makes sendmsg(2) and write(2) calls only.
  void Write(const LogOrigin& origin, google::LogSeverity severity, const LogMoment& moment,
             std::string_view text) override;

 private:
  SyslogSink(UniqueFd socket, LogOrigin origin, bool with_source);

  const UniqueFd socket_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_SYSLOG_SINK_H_
