// Removes the socket and the pid file when posternd can't: after SIGKILL.
#ifndef POSTERN_SANDBOX_LAUNCHER_SWEEPER_H_
#define POSTERN_SANDBOX_LAUNCHER_SWEEPER_H_

#include <sys/types.h>

#include "common/status.h"
#include "common/unique_fd.h"
#include "proto/config.pb.h"
#include "sandbox/launcher/runtime_files.h"

namespace postern {

// A process of a few kilobytes that waits for the end of a socket whose other end only posternd
// holds. It keeps nothing else open, is deaf to all signals, and is sealed.
class Sweeper {
 public:
  Sweeper() = default;
  // Starts one for two files in `directory`; it is sealed on return, with `action` for its seccomp
  // filter. Precondition: one thread.
  static absl::StatusOr<Sweeper> Start(int directory, const RuntimeFile& socket,
                                       const RuntimeFile& pid_file, config::SeccompAction action);
  Sweeper(Sweeper&& other) noexcept;
  Sweeper& operator=(Sweeper&& other) noexcept;
  // Ends it and waits for that: the owner has removed the files.
  ~Sweeper();

 private:
  Sweeper(pid_t pid, UniqueFd alive) : pid_(pid), alive_(std::move(alive)) {}

  pid_t pid_ = -1;
  UniqueFd alive_;  // Close-on-exec, so that no child keeps it open.
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_SWEEPER_H_
