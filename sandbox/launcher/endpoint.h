// Where the front end connects.
#ifndef POSTERN_SANDBOX_LAUNCHER_ENDPOINT_H_
#define POSTERN_SANDBOX_LAUNCHER_ENDPOINT_H_

#include <optional>
#include <string>

#include "common/errno_or.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "sandbox/launcher/runtime_files.h"
#include "sandbox/launcher/security_level.h"
#include "sandbox/launcher/sweeper.h"

namespace postern {

// A listening socket: one that we have made, with its pid file, or an inherited one.
class Endpoint {
 public:
  // Locks PATH.pid, replaces whatever lies at PATH by a listening socket: mode 0700, or 0770 and
  // owned by `group`; both at `level`. `action` is for the sweeper's seccomp filter.
  static absl::StatusOr<Endpoint> Create(const std::string& path,
                                         const std::optional<std::string>& group,
                                         const SecurityLevel& level, config::SeccompAction action);
  // Takes a listening socket that the caller's parent has made; its path is none of our business.
  static absl::StatusOr<Endpoint> Adopt(int fd);

  Endpoint(Endpoint&&) noexcept = default;
  Endpoint& operator=(Endpoint&&) = delete;
  // Removes what Create() made.
  ~Endpoint();

  // Readable when a connection waits; -1 after StopListening().
  int fd() const { return listener_.get(); }
  // Where the destructor removes names, O_PATH; -1 if nowhere.
  int directory() const { return directory_.get(); }
  // Takes one connection. EAGAIN: it has gone again.
  ErrnoOr<UniqueFd> Accept();
  void StopListening() { listener_.Reset(); }

 private:
  Endpoint() = default;

  UniqueFd listener_;
  UniqueFd directory_;
  std::optional<RuntimeFile> socket_;
  std::optional<PidFile> pid_file_;
  Sweeper sweeper_;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_ENDPOINT_H_
