#include "common/logging.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>

#include <cstdlib>
#include <ctime>
#include <memory>

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

// To the sink, and nowhere else: neither files nor stderr.
void LogToSyslog(const char* program) {
  auto sink = SyslogSink::Connect(kSyslogSocket, program);
  if (!sink.ok()) {
    LOG(WARNING) << "can't enable syslog (" << kSyslogSocket << ": " << sink.error().Message()
                 << "): logging to stderr";
    return;
  }
  for (const google::LogSeverity severity :
       {google::GLOG_INFO, google::GLOG_WARNING, google::GLOG_ERROR, google::GLOG_FATAL}) {
    google::SetLogDestination(severity, "");
  }
  FLAGS_logtostderr = false;
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  google::AddLogSink(sink->release());  // For the rest of the process's life.
}

}  // namespace

void InitializeLogging(const char* program, LogLevel level, LogTarget target) {
  FLAGS_logtostderr = true;
  FLAGS_v = 0;
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
      FLAGS_minloglevel = google::GLOG_INFO;
      break;
    case LogLevel::kDebug:
      FLAGS_minloglevel = google::GLOG_INFO;
      FLAGS_v = 1;
      break;
    case LogLevel::kTrace:
      FLAGS_minloglevel = google::GLOG_INFO;
      FLAGS_v = 2;
      break;
  }
  // Without TZ the C library looks at this file anew for each line of the log, which no jail
  // allows. With it, once: here.
  setenv("TZ", ":/etc/localtime", /*overwrite=*/0);
  tzset();
  google::InitGoogleLogging(program);
  // glog's own way of dying reads symbols from files, which a jail has not: the check's message
  // would be followed by a seccomp violation that hides the cause. Sinks are called in the reverse
  // of the order of their coming.
  google::InstallFailureFunction(&Abort);
  static AbortingSink* const aborting = new AbortingSink;  // For the rest of the process's life.
  google::AddLogSink(aborting);
  if (target == LogTarget::kSyslog) LogToSyslog(program);
}

std::string EscapeForLog(std::string_view text) {
  constexpr size_t kMax = 64;
  const bool cut = text.size() > kMax;
  std::string escaped = absl::CHexEscape(absl::string_view(text.data(), cut ? kMax : text.size()));
  if (cut) escaped += "...";
  return escaped;
}

}  // namespace postern
