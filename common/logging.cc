#include "common/logging.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>

#include "common/log_line.h"
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

// What InitializeLogging() began with and ConfigureLogging() replaces.
struct Initial {
  LogOrigin origin;
  StderrSink* sink = nullptr;
};
Initial& TheInitial() {
  static auto* const initial = new Initial;
  return *initial;
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

void SetLevel(LogLevel level) {
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

// Null where there is no syslog daemon.
std::unique_ptr<google::LogSink> ConnectToSyslog(const LogOrigin& origin, bool with_source) {
  auto sink = SyslogSink::Connect(kSyslogSocket, origin, with_source);
  if (sink.ok()) return *std::move(sink);
  LOG(WARNING) << "can't enable syslog (" << kSyslogSocket << ": " << sink.error().Message()
               << "): logging to stderr";
  return nullptr;
}

}  // namespace

void InitializeLogging(const char* program) {
  // Without TZ the C library looks at this file anew for each line of the log, which no jail
  // allows. With it, once: here.
  setenv("TZ", ":/etc/localtime", /*overwrite=*/0);
  tzset();
  WriteNothingItself();
  SetLevel(LogLevel::kInfo);
  google::InitGoogleLogging(program);
  // glog's own way of dying reads symbols from files, which a jail has not: the check's message
  // would be followed by a seccomp violation that hides the cause. Sinks are called in the reverse
  // of the order of their coming.
  google::InstallFailureFunction(&Abort);
  static AbortingSink* const aborting = new AbortingSink;  // For the rest of the process's life.
  google::AddLogSink(aborting);
  Initial& initial = TheInitial();
  initial.origin = {program, PidOutside(), ""};
  initial.sink = new StderrSink(initial.origin, !StderrIsTheJournal(), /*with_source=*/false);
  google::AddLogSink(initial.sink);
}

void ConfigureLogging(const LogSettings& settings) {
  SetLevel(settings.level);
  Initial& initial = TheInitial();
  initial.origin.share = settings.share;
  const bool with_source = FLAGS_v > 0;
  auto sink = std::unique_ptr<google::LogSink>(
      new StderrSink(initial.origin, settings.with_time, with_source));
  google::AddLogSink(sink.get());
  google::RemoveLogSink(initial.sink);
  delete std::exchange(initial.sink, nullptr);
  if (settings.target == LogTarget::kSyslog) {
    if (auto syslog = ConnectToSyslog(initial.origin, with_source)) {
      google::AddLogSink(syslog.get());
      google::RemoveLogSink(sink.get());
      sink = std::move(syslog);
    }
  }
  (void)sink.release();  // For the rest of the process's life.
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
