// Starts broker and worker anew when posternd itself can't any more: after it is sealed.
#ifndef POSTERN_SANDBOX_LAUNCHER_SPAWNER_H_
#define POSTERN_SANDBOX_LAUNCHER_SPAWNER_H_

#include <sys/types.h>

#include "common/rpc/channel.h"
#include "common/status.h"
#include "sandbox/launcher/children.h"

namespace postern {

// A process that keeps the rights with which posternd was started. It takes nothing but "start
// both" from posternd, over a socket whose other end only posternd holds, and ends with that. It
// sees no byte of a front end's, nor of what it has started: those become posternd's children, and
// it keeps none of their descriptors. No seccomp filter, as its children would inherit it.
class Spawner {
 public:
  // Starts one for children of `plan`. Precondition: one thread.
  static absl::StatusOr<Spawner> Start(const ChildrenPlan& plan);
  Spawner(Spawner&& other) noexcept;
  Spawner& operator=(Spawner&&) = delete;
  // Ends it and waits for that.
  ~Spawner();

  pid_t pid() const { return pid_; }

  // Has it start both, as StartChildren() does, and takes them over. On an error it has said why in
  // the log, if it could.
  absl::StatusOr<Children> StartChildren();

 private:
  Spawner(pid_t pid, Channel requests) : pid_(pid), requests_(std::move(requests)) {}

  pid_t pid_;  // -1: moved from.
  Channel requests_;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_SPAWNER_H_
