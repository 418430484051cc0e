// What the options mean for the log.
#ifndef POSTERN_SANDBOX_OPTIONS_LOG_OPTIONS_H_
#define POSTERN_SANDBOX_OPTIONS_LOG_OPTIONS_H_

#include <string>
#include <vector>

#include "common/logging.h"
#include "sandbox/options/options.h"

namespace postern {

struct LogChoice {
  LogLevel level;
  std::vector<std::string> ignored;  // Parts of RUST_LOG that mean nothing here.
};
// Of --log-level, -d and the environment variable RUST_LOG (null: not set) the last one wins.
// RUST_LOG is a list of levels and of levels for parts of a program; posternd knows no parts.
LogChoice ChooseLogLevel(const Options& options, const char* rust_log);

// A line for each deprecated option that was used.
std::vector<std::string> DeprecationWarnings(const Options& options);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_LOG_OPTIONS_H_
