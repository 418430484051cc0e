// The log to stderr, in lines for people or for the journal.
#ifndef POSTERN_COMMON_STDERR_SINK_H_
#define POSTERN_COMMON_STDERR_SINK_H_

#include <sys/types.h>

#include <string_view>
#include <utility>

#include "common/line_sink.h"
#include "common/log_line.h"

namespace postern {

// Whether stderr is a stream of the journal. `variable` is $JOURNAL_STREAM (systemd.exec(5)), which
// may be null.
bool IsJournalStream(const char* variable, dev_t device, ino_t inode);
// What fits this process's stderr.
LineHead LineHeadForStderr();

// Writes each line with one write(2), so that the lines of several processes don't mix.
class StderrSink : public LineSink {
 public:
  StderrSink(LogOrigin origin, LineHead head, bool with_source)
      : LineSink(std::move(origin), with_source), head_(head) {}

  void Write(const LogOrigin& origin, google::LogSeverity severity, const LogMoment& moment,
             std::string_view text) override;

 private:
  const LineHead head_;
};

// Nobody is left to hear of a failure.
void WriteToStderr(std::string_view line);

}  // namespace postern

#endif  // POSTERN_COMMON_STDERR_SINK_H_
