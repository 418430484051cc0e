#include "sandbox/options/log_options.h"

#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include <optional>

namespace postern {

LogChoice ChooseLogLevel(const Options& options, const char* rust_log) {
  LogChoice choice{options.debug ? LogLevel::kDebug : options.log_level, {}};
  if (rust_log == nullptr) return choice;
  std::optional<LogLevel> level;
  for (const absl::string_view part : absl::StrSplit(rust_log, ',', absl::SkipWhitespace())) {
    const absl::string_view word = absl::StripAsciiWhitespace(part);
    const auto parsed = ParseLogLevel({word.data(), word.size()});
    if (parsed) {
      level = parsed;
    } else {
      choice.ignored.emplace_back(word);
    }
  }
  if (level) {
    choice.level = *level;
  } else if (choice.ignored.empty()) {
    choice.level = LogLevel::kError;  // Set, but empty.
  }
  return choice;
}

std::vector<std::string> DeprecationWarnings(const Options& options) {
  std::vector<std::string> lines;
  if (options.compat_foreground) {
    lines.emplace_back("Use of deprecated flag '-f': This flag has no effect, please remove it");
  }
  if (options.debug) {
    lines.emplace_back(
        "Use of deprecated flag '-d': Please use the '--log-level debug' option instead");
  }
  if (!options.compat_options.empty()) {
    lines.emplace_back(
        "Use of deprecated option format '-o': Please specify options without it (e.g., '--cache "
        "auto' instead of '-o cache=auto')");
  }
  if (options.inode_file_handles_fallback) {
    lines.emplace_back(
        "Use of deprecated value 'fallback' for '--inode-file-handles': Please use 'prefer' "
        "instead");
  }
  if (options.socket && !options.socket_path) {
    lines.emplace_back(
        "Use of deprecated option '--socket': Please use the '--socket-path' option instead");
  }
  return lines;
}

}  // namespace postern
