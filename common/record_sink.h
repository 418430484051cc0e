// The log of a jailed process: records in a pipe, of which whoever started it makes lines. It holds
// neither the caller's terminal nor file, nor a socket of the syslog daemon's.
#ifndef POSTERN_COMMON_RECORD_SINK_H_
#define POSTERN_COMMON_RECORD_SINK_H_

#include <glog/logging.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern {

// "<4>text\n": the severity as syslog numbers it, and the text, which is cut where the whole would
// be more than one write(2) to a pipe takes undivided.
std::string LogRecord(google::LogSeverity severity, std::string_view text);

// A line of such a pipe, without its end. One that is no record (what the C library or a sanitizer
// writes before it aborts) is an error's text, all of it.
struct ParsedRecord {
  google::LogSeverity severity;
  std::string_view text;
};
ParsedRecord ParseLogRecord(std::string_view line);

// Writes each line to stderr as a record. One that doesn't fit into a pipe which doesn't block is
// lost, and how many were is said when there is room again: whoever reads may be stopped, and the
// guest must be served.
class RecordSink : public google::LogSink {
 public:
  void send(google::LogSeverity severity, const char* full_filename, const char* base_filename,
            int line, const google::LogMessageTime& time, const char* message,
            size_t message_len) override;
  using google::LogSink::send;

 private:
  std::atomic<uint64_t> lost_ = 0;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RECORD_SINK_H_
