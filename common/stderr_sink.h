// The log to stderr, in lines for people.
#ifndef POSTERN_COMMON_STDERR_SINK_H_
#define POSTERN_COMMON_STDERR_SINK_H_

#include <glog/logging.h>
#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "common/log_line.h"

namespace postern {

// Whether stderr is a stream of the journal, which notes the time of each line itself. `variable`
// is $JOURNAL_STREAM (systemd.exec(5)), which may be null.
bool IsJournalStream(const char* variable, dev_t device, ino_t inode);
bool StderrIsTheJournal();

// Writes each line with one write(2), so that the lines of several processes don't mix.
class StderrSink : public google::LogSink {
 public:
  StderrSink(LogOrigin origin, bool with_time, bool with_source)
      : origin_(std::move(origin)), with_time_(with_time), with_source_(with_source) {}

  void send(google::LogSeverity severity, const char* full_filename, const char* base_filename,
            int line, const google::LogMessageTime& time, const char* message,
            size_t message_len) override;
  using google::LogSink::send;

 private:
  const LogOrigin origin_;
  const bool with_time_;
  const bool with_source_;
};

// Nobody is left to hear of a failure.
void WriteToStderr(std::string_view line);

// " [file.cc:12]", which follows a text. Always for a fatal line, which is a bug of ours; else only
// if `wanted`.
std::string SourceNote(google::LogSeverity severity, const char* file, int line, bool wanted);

}  // namespace postern

#endif  // POSTERN_COMMON_STDERR_SINK_H_
