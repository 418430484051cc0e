// The launcher's end of a child's log.
#ifndef POSTERN_SANDBOX_LAUNCHER_LOG_RELAY_H_
#define POSTERN_SANDBOX_LAUNCHER_LOG_RELAY_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"
#include "common/unique_fd.h"
#include "sandbox/launcher/log_allowance.h"

namespace postern {

// A pipe that is a child's stderr, and what makes lines of the log of what comes through it
// (record_sink.h). It believes nothing: the line names the process whose pipe it is, whatever it
// says; what isn't printable is escaped, what is too long cut, and beyond so many lines dropped and
// counted. So a child that was taken over can neither speak in another's name nor fill a disk.
class LogRelay {
 public:
  // Longest text of a line, in bytes of the child's.
  static constexpr size_t kMaxText = 1024;
  // Lines at once, and one more each second; at debug level, for which somebody has asked, more.
  static constexpr uint64_t kMaxLines = 1000;

  // `program` is what its lines call the child.
  static absl::StatusOr<LogRelay> Create(const std::string& program);
  // Of a child that runs, whose log somebody else has created.
  static LogRelay Adopt(const std::string& program, pid_t pid, UniqueFd reader);
  LogRelay(LogRelay&&) noexcept = default;
  LogRelay& operator=(LogRelay&&) = delete;
  // Drains.
  ~LogRelay();

  // The child's end, until Started(). Writing never waits, but in a build with a sanitizer, whose
  // reports are longer than what a pipe holds and must not be cut.
  int writer() const { return writer_.get(); }
  // The child has its end by now.
  void Started(pid_t pid);

  // Gives its end away, for handing it to another process: nothing is read here any more.
  UniqueFd TakeReader() { return std::move(reader_); }

  // Readable when there is something; -1 once nobody has the other end any more.
  int fd() const { return reader_.get(); }
  // Takes up to a pipe's worth of what is there.
  void Read();
  // Takes all that is there, the last line even without its end, and closes. For a child that has
  // ended: what it has said last counts.
  void Drain();

 private:
  LogRelay(const std::string& program, UniqueFd reader, UniqueFd writer);
  // What one read(2) gives. False: there is nothing.
  bool ReadOnce();
  void Take(std::string_view bytes);
  void EndLine();
  void Finish();
  void SayDropped();

  const std::string program_;
  pid_t pid_ = 0;
  UniqueFd reader_;
  UniqueFd writer_;
  LogAllowance allowance_;
  std::string line_;  // So far; at most kMaxText bytes and a record's head.
  bool cut_ = false;  // There was more of it.
  uint64_t dropped_ = 0;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_LOG_RELAY_H_
