// Checks against a daemon, through the front end that plays QEMU.
#ifndef POSTERN_TESTS_CONFORMANCE_DAEMON_RUN_H_
#define POSTERN_TESTS_CONFORMANCE_DAEMON_RUN_H_

#include <string>
#include <vector>

#include "tests/conformance/runner.h"

namespace postern::conformance {

// Starts `command` with --socket-path and --shared-dir on a new directory below `directory`, and
// compares with another one beside it. True if it went as it should: the daemon's end included.
bool RunAgainstDaemon(const std::vector<std::string>& command, const std::string& directory,
                      const RunOptions& options);

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_DAEMON_RUN_H_
