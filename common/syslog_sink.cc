#include "common/syslog_sink.h"

#include <absl/strings/str_format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#include <cstring>
#include <utility>

#include "common/stderr_sink.h"

namespace postern {
namespace {

bool SendDatagram(int socket, std::string_view text) {
  iovec data{const_cast<char*>(text.data()), text.size()};  // sendmsg doesn't write to it.
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  // Not send(2): that is sendto to the seccomp filters, which it isn't worth a row.
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace

std::string SyslogLine(google::LogSeverity severity, const std::tm& time,
                       const std::string& identity, pid_t pid, std::string_view text) {
  // Not strftime's %b: the month's name doesn't depend on the locale.
  constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::string_view month =
      std::string_view(kMonths).substr(static_cast<size_t>(time.tm_mon % 12) * 3, 3);
  return absl::StrFormat(
      "<%d>%s %2d %02d:%02d:%02d %s[%d]: %s", LOG_USER | SyslogPriority(severity),
      absl::string_view(month.data(), month.size()), time.tm_mday, time.tm_hour, time.tm_min,
      time.tm_sec, identity, pid, absl::string_view(text.data(), text.size()));
}

ErrnoOr<std::unique_ptr<SyslogSink>> SyslogSink::Connect(const std::string& socket_path,
                                                         const LogOrigin& origin,
                                                         bool with_source) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) return Errno(ENAMETOOLONG);
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return Errno::Last();
  // Safe because every sockaddr begins with the family.
  if (connect(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    return Errno::Last();
  }
  return std::unique_ptr<SyslogSink>(new SyslogSink(std::move(socket_fd), origin, with_source));
}

SyslogSink::SyslogSink(UniqueFd socket, LogOrigin origin, bool with_source)
    : LineSink(std::move(origin), with_source), socket_(std::move(socket)) {}

void SyslogSink::Write(const LogOrigin& origin, google::LogSeverity severity,
                       const LogMoment& moment, std::string_view text) {
  if (SendDatagram(socket_.get(), SyslogLine(severity, moment.time, origin.program, origin.pid,
                                             LogText(origin, severity, text)))) {
    return;
  }
  WriteToStderr(LogLine(origin, severity, text) + "\n");
}

}  // namespace postern
