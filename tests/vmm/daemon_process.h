// A daemon under test as a child process.
#ifndef POSTERN_TESTS_VMM_DAEMON_PROCESS_H_
#define POSTERN_TESTS_VMM_DAEMON_PROCESS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.h"
#include "tests/vmm/process_info.h"

namespace postern::vmm {

// posternd or a peer such as virtiofsd, started from a command line that ends up listening on a
// socket. In a process group of its own, so that what it leaves behind can be found and ended. Dies
// with the thread that started it. Belongs to one thread.
class DaemonProcess {
 public:
  struct Options {
    std::vector<std::string> command;  // argv; command[0] is a path.
    std::string socket_path;           // Where it will listen.
    std::string stderr_path;           // Gets its stderr and stdout.
  };

  static absl::StatusOr<std::unique_ptr<DaemonProcess>> Start(const Options& options);
  // Kills whatever is left of the group.
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  // Tries to connect until the daemon accepts, it exits, or the time is over. The first connection
  // that succeeds is the one to use: these daemons serve a single one.
  absl::StatusOr<UniqueFd> Connect(std::chrono::milliseconds limit = std::chrono::seconds(20));

  // Waits until the daemon has exited: its exit status, or 128 + the signal that ended it. Nothing
  // if it still runs.
  std::optional<int> WaitForExit(std::chrono::milliseconds limit = std::chrono::seconds(20));
  void Signal(int signal) const;

  pid_t pid() const { return pid_; }
  // The daemon and everything below it that hasn't ended.
  std::vector<ProcessInfo> Processes() const;
  // The one of these with that comm; 0 if there is none or more than one.
  pid_t ProcessNamed(std::string_view name) const;
  // Processes of the daemon's group that still exist, wherever they hang in the tree; empty once
  // all have gone. Waits for that, at most `limit`.
  std::vector<pid_t> Leftovers(std::chrono::milliseconds limit = std::chrono::seconds(5)) const;
  // What it has written to stderr and stdout so far.
  std::string Output() const;
  // Waits until that contains `text`, the daemon has exited, or the time is over; whether it does.
  // posternd's children have what they say written by posternd, which may be a moment later.
  bool HasSaid(std::string_view text, std::chrono::milliseconds limit = std::chrono::seconds(20));

 private:
  DaemonProcess(Options options, pid_t pid, UniqueFd pidfd);

  const Options options_;
  const pid_t pid_;
  const UniqueFd pidfd_;
  std::optional<int> exit_status_;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_DAEMON_PROCESS_H_
