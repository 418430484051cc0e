#include "common/logging.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>

#include "common/line_sink.h"
#include "common/log_line.h"
#include "common/record_sink.h"
#include "common/stderr_sink.h"
#include "common/syslog_sink.h"

namespace postern {

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
  if (lower == "off") return LogLevel::kOff;
  if (lower == "error") return LogLevel::kError;
  if (lower == "warn") return LogLevel::kWarn;
  if (lower == "info") return LogLevel::kInfo;
  if (lower == "debug") return LogLevel::kDebug;
  if (lower == "trace") return LogLevel::kTrace;
  return std::nullopt;
}

namespace {

// Bytes of what came from elsewhere that a line takes.
constexpr size_t kMaxEscaped = 64;

// The attribute of GNU's spelling is part of the type for clang, as glog wants it.
__attribute__((noreturn)) void Abort() { std::abort(); }

// Called last for a line, when it is written: glog would now walk the stack, for which its library
// makes a pipe, and only then call the failure function.
class AbortingSink : public google::LogSink {
 public:
  void send(google::LogSeverity severity, const char*, const char*, int,
            const google::LogMessageTime&, const char*, size_t) override {
    if (severity == google::GLOG_FATAL) Abort();
  }
};

// Where the process's lines go. Changed only while it has one thread.
struct Destination {
  LogOrigin origin;
  google::LogSink* sink = nullptr;
  LineSink* lines = nullptr;  // The same, unless that is somebody else's to make lines of.
};
Destination& TheDestination() {
  static auto* const destination = new Destination;
  return *destination;
}

// Owns `sink` until the next one.
void GoTo(google::LogSink* sink, LineSink* lines) {
  Destination& destination = TheDestination();
  google::AddLogSink(sink);
  if (destination.sink != nullptr) google::RemoveLogSink(destination.sink);
  delete std::exchange(destination.sink, sink);
  destination.lines = lines;
}

// A sink of ours writes all lines: glog itself writes neither to files nor to stderr.
void WriteNothingItself() {
  for (const google::LogSeverity severity :
       {google::GLOG_INFO, google::GLOG_WARNING, google::GLOG_ERROR, google::GLOG_FATAL}) {
    google::SetLogDestination(severity, "");
  }
  FLAGS_logtostderr = false;
  FLAGS_alsologtostderr = false;
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  FLAGS_log_prefix = false;
}

// Null where there is no syslog daemon.
std::unique_ptr<LineSink> ConnectToSyslog(const LogOrigin& origin, bool with_source) {
  auto sink = SyslogSink::Connect(kSyslogSocket, origin, with_source);
  if (sink.ok()) return *std::move(sink);
  LOG(WARNING) << "can't enable syslog (" << kSyslogSocket << ": " << sink.error().Message()
               << "): logging to stderr";
  return nullptr;
}

}  // namespace

void SetLogLevel(LogLevel level) {
  FLAGS_v = level == LogLevel::kTrace ? 2 : level == LogLevel::kDebug ? 1 : 0;
  switch (level) {
    case LogLevel::kOff:
      FLAGS_minloglevel =
          google::GLOG_FATAL;  // A FATAL line is a broken invariant and precedes an abort.
      break;
    case LogLevel::kError:
      FLAGS_minloglevel = google::GLOG_ERROR;
      break;
    case LogLevel::kWarn:
      FLAGS_minloglevel = google::GLOG_WARNING;
      break;
    case LogLevel::kInfo:
    case LogLevel::kDebug:
    case LogLevel::kTrace:
      FLAGS_minloglevel = google::GLOG_INFO;
      break;
  }
}

void InitializeLogging(const char* program) {
  // Without TZ the C library looks at this file anew for each line of the log, which no jail
  // allows. With it, once: here.
  setenv("TZ", ":/etc/localtime", /*overwrite=*/0);
  tzset();
  WriteNothingItself();
  SetLogLevel(LogLevel::kInfo);
  google::InitGoogleLogging(program);
  // glog's own way of dying reads symbols from files, which a jail has not: the check's message
  // would be followed by a seccomp violation that hides the cause. Sinks are called in the reverse
  // of the order of their coming.
  google::InstallFailureFunction(&Abort);
  static AbortingSink* const aborting = new AbortingSink;  // For the rest of the process's life.
  google::AddLogSink(aborting);
  Destination& destination = TheDestination();
  destination.origin = {program, PidOutside(), ""};
  auto* const lines =
      new StderrSink(destination.origin, LineHeadForStderr(), /*with_source=*/false);
  GoTo(lines, lines);
}

void ConfigureLogging(const LogSettings& settings) {
  SetLogLevel(settings.level);
  LogOrigin& origin = TheDestination().origin;
  origin.share = settings.share;
  const bool with_source = FLAGS_v > 0;
  auto* const lines = new StderrSink(origin, settings.head, with_source);
  GoTo(lines, lines);
  if (settings.target != LogTarget::kSyslog) return;
  if (auto syslog = ConnectToSyslog(origin, with_source)) {
    LineSink* const sent = syslog.release();
    GoTo(sent, sent);
  }
}

void LogToLauncher() { GoTo(new RecordSink, nullptr); }

void LogForProcess(const std::string& program, pid_t pid, google::LogSeverity severity,
                   const std::string& text) {
  const Destination& destination = TheDestination();
  if (severity < FLAGS_minloglevel || destination.lines == nullptr) return;
  destination.lines->Write({program, pid, destination.origin.share}, severity, LogMoment::Now(),
                           text);
}

std::string ShareForLog(std::string_view tag, std::string_view directory) {
  if (!tag.empty()) return EscapeForLog(tag);
  // Of a long path the end tells more.
  const bool cut = directory.size() > kMaxEscaped;
  if (cut) directory.remove_prefix(directory.size() - kMaxEscaped);
  return (cut ? "..." : "") + EscapeForLog(directory);
}

std::string EscapeForLog(std::string_view text) {
  const bool cut = text.size() > kMaxEscaped;
  std::string escaped =
      absl::CHexEscape(absl::string_view(text.data(), cut ? kMaxEscaped : text.size()));
  if (cut) escaped += "...";
  return escaped;
}

}  // namespace postern
