#include "sandbox/launcher/log_relay.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/logging.h"
#include "common/record_sink.h"
#include "common/sanitized.h"

namespace postern {
namespace {

constexpr size_t kReadBytes = 4096;
// What a pipe holds, unless somebody has changed that. More than that at a time would keep the
// launcher from the rest of its work, by the child's choice.
constexpr int kReadsAtOnce = 16;
constexpr size_t kHeadBytes = 3;  // Of a record.

LogAllowance MakeAllowance() {
  if (VLOG_IS_ON(1)) return {LogRelay::kMaxLines * 100, std::chrono::milliseconds(1)};
  return {LogRelay::kMaxLines, std::chrono::seconds(1)};
}

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
      escaped.push_back(c);
    } else {
      absl::StrAppendFormat(&escaped, "\\x%02x", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace

absl::StatusOr<LogRelay> LogRelay::Create(const std::string& program) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return ErrnoStatus("making a pipe for the log");
  LogRelay relay(program, UniqueFd(ends[0]), UniqueFd(ends[1]));
  if (kSanitized && fcntl(relay.writer(), F_SETFL, 0) < 0) return ErrnoStatus("a pipe for the log");
  return relay;
}

LogRelay LogRelay::Adopt(const std::string& program, pid_t pid, UniqueFd reader) {
  LogRelay relay(program, std::move(reader), UniqueFd());
  relay.pid_ = pid;
  return relay;
}

LogRelay::LogRelay(const std::string& program, UniqueFd reader, UniqueFd writer)
    : program_(program),
      reader_(std::move(reader)),
      writer_(std::move(writer)),
      allowance_(MakeAllowance()) {}

LogRelay::~LogRelay() {
  if (reader_) Drain();
}

void LogRelay::Started(pid_t pid) {
  pid_ = pid;
  writer_.Reset();
}

bool LogRelay::ReadOnce() {
  char bytes[kReadBytes];
  const ssize_t size = read(reader_.get(), bytes, sizeof(bytes));
  if (size > 0) Take({bytes, static_cast<size_t>(size)});
  if (size == 0) Finish();
  return size > 0 || (size < 0 && errno == EINTR);
}

void LogRelay::Read() {
  for (int i = 0; reader_ && i < kReadsAtOnce && ReadOnce(); ++i) {
  }
}

void LogRelay::Drain() {
  // A helper of a sanitizer's may live on and write: not without end.
  for (int i = 0; reader_ && i < kReadsAtOnce * kReadsAtOnce && ReadOnce(); ++i) {
  }
  if (reader_) Finish();
}

void LogRelay::Finish() {
  reader_.Reset();
  if (!line_.empty()) EndLine();
  if (dropped_ != 0) SayDropped();
}

void LogRelay::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    const size_t room = kMaxText + kHeadBytes - line_.size();
    line_.append(part.substr(0, room));
    cut_ = cut_ || part.size() > room;
    if (end == std::string_view::npos) return;
    EndLine();
    bytes.remove_prefix(end + 1);
  }
}

void LogRelay::EndLine() {
  const auto now = LogAllowance::Clock::now();
  if (!allowance_.Take(now)) {
    ++dropped_;
  } else {
    if (dropped_ != 0) SayDropped();
    const ParsedRecord record = ParseLogRecord(line_);
    std::string text = Escape(record.text);
    if (cut_) text += "...";
    LogForProcess(program_, pid_, record.severity, text);
  }
  line_.clear();
  cut_ = false;
}

void LogRelay::SayDropped() {
  LOG(WARNING) << std::exchange(dropped_, 0) << " lines of " << program_
               << " were dropped: too many in too short a time";
}

}  // namespace postern
