// posternd: starts and watches the two processes of the daemon. No byte of a guest ever comes here.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/log_line.h"
#include "common/logging.h"
#include "common/stderr_sink.h"
#include "sandbox/launcher/launcher.h"
#include "sandbox/options/log_options.h"
#include "sandbox/options/options.h"

namespace postern {
namespace {

constexpr char kProgram[] = "posternd";
// What a usage error begins with.
constexpr std::string_view kErrorWord = "error: ";

// Where the caller has closed one of these, the next file opened would be written to as if it were
// the terminal.
bool OpenStandardDescriptors() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd < 0) return false;
  close(fd);
  return true;
}

// What the options ask for instead of a service, or a usage error. That begins as a line of the log
// does, and goes on with how to use the program.
int EndEarly(const EarlyExit& exit) {
  if (exit.status == 0) {
    std::fputs(exit.text.c_str(), stdout);
    return 0;
  }
  if (!exit.text.starts_with(kErrorWord)) {
    WriteToStderr(exit.text);
    return exit.status;
  }
  const bool journal = LineHeadForStderr() == LineHead::kPriority;
  WriteToStderr((journal ? PriorityHead(google::GLOG_ERROR) : "") +
                LogLine({kProgram, PidOutside(), ""}, google::GLOG_ERROR,
                        exit.text.substr(kErrorWord.size())));
  return exit.status;
}

void DieBy(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, signal);
  raise(signal);
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
}

int Main(std::string_view called, const std::vector<std::string>& arguments) {
  if (!OpenStandardDescriptors()) return 1;
  InitializeLogging(kProgram);
  const auto parsed = ParseOptions(arguments, called);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) return EndEarly(*exit);
  Options options = std::get<Options>(parsed);
  const LogChoice log = ChooseLogLevel(options, std::getenv("RUST_LOG"));
  options.log_level = log.level;
  std::signal(SIGPIPE, SIG_IGN);  // The end of whoever reads the log isn't the end of the service.
  std::signal(SIGCHLD,
              SIG_DFL);  // Ignored, it would reap the children before we see how they ended.
  ConfigureLogging({.level = options.log_level,
                    .target = options.syslog ? LogTarget::kSyslog : LogTarget::kStderr,
                    .share = ShareForLog(options.tag, options.shared_dir),
                    .head = LineHeadForStderr()});
  for (const std::string& part : log.ignored) {
    LOG(WARNING) << "RUST_LOG: '" << part << "' is no log level and is ignored";
  }

  const absl::StatusOr<Outcome> outcome = Launch(options);
  if (!outcome.ok()) {
    LOG(ERROR) << Text(outcome.status());
    return 1;
  }
  if (outcome->signal != 0) DieBy(outcome->signal);
  return outcome->status;
}

}  // namespace
}  // namespace postern

// Whoever calls it with no name at all gets the usage.
int main(int argc, char** argv) {
  return argc == 0 ? postern::Main("", {}) : postern::Main(argv[0], {argv + 1, argv + argc});
}
