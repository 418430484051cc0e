// Where lines of the log end: what stderr and syslog have in common.
#ifndef POSTERN_COMMON_LINE_SINK_H_
#define POSTERN_COMMON_LINE_SINK_H_

#include <glog/logging.h>

#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "common/log_line.h"

namespace postern {

// Local time.
struct LogMoment {
  std::tm time = {};
  long milliseconds = 0;

  static LogMoment Now();
};

// Writes the lines of the process's own log, and those that it is asked to write for others. One
// call is one line.
class LineSink : public google::LogSink {
 public:
  // `origin` is of the process's own lines. `with_source`: they end with their place in the source.
  LineSink(LogOrigin origin, bool with_source)
      : origin_(std::move(origin)), with_source_(with_source) {}

  void send(google::LogSeverity severity, const char* full_filename, const char* base_filename,
            int line, const google::LogMessageTime& time, const char* message,
            size_t message_len) final;
  using google::LogSink::send;

  // `text` is one line, without its end. Thread-safe.
  virtual void Write(const LogOrigin& origin, google::LogSeverity severity, const LogMoment& moment,
                     std::string_view text) = 0;

  const LogOrigin& origin() const { return origin_; }

 private:
  const LogOrigin origin_;
  const bool with_source_;
};

// " [file.cc:12]", which follows a text. Always for a fatal line, which is a bug of ours; else only
// if `wanted`.
std::string SourceNote(google::LogSeverity severity, const char* file, int line, bool wanted);

}  // namespace postern

#endif  // POSTERN_COMMON_LINE_SINK_H_
