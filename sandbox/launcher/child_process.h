// One of the launcher's two children.
#ifndef POSTERN_SANDBOX_LAUNCHER_CHILD_PROCESS_H_
#define POSTERN_SANDBOX_LAUNCHER_CHILD_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "common/rpc/channel.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "sandbox/jail/id_maps.h"

namespace postern {

// How a process ended: exit status, or the signal that killed it.
struct ProcessEnd {
  std::optional<int> exit_status;
  int signal = 0;

  bool IsSuccess() const { return exit_status == 0; }
  // "exited with status 3", "was killed by signal 9 (Killed)".
  std::string Text() const;
};

// A started child and the launcher's end of its control channel. What is still alive on destruction
// is killed.
class ChildProcess {
 public:
  // Whose child it becomes: who starts it, or the parent of that one, which can then wait for it.
  enum class Parent { kCaller, kCallersParent };
  struct Settings {
    std::string name;
    std::string executable;
    bool own_namespaces = false;
    // A user namespace with these ids, and all capabilities in it until the jail is closed. The
    // child becomes its root if it has one.
    std::optional<IdMaps> user_namespace;
    // The SELinux context that it is executed in; unset: the policy's choice.
    std::optional<std::string> context = std::nullopt;
    // Its stderr, to which it writes its log as records (record_sink.h); -1: the caller's.
    int log = -1;
    Parent parent = Parent::kCaller;
  };
  // Forks and executes; returns before the child has done anything. The child gets 0, 1, 2 and its
  // control channel, an almost empty environment, and ignores the signals that a whole process
  // group gets: the launcher decides. Precondition: one thread.
  static absl::StatusOr<ChildProcess> Start(const Settings& settings);

  // What there is to a child, for handing it to another process.
  struct Parts {
    std::string name;
    pid_t pid;
    UniqueFd pidfd;
    Channel control;
  };
  // A child of the calling process that somebody else has started.
  explicit ChildProcess(Parts parts);
  // The child lives on.
  Parts TakeParts() &&;

  ChildProcess(ChildProcess&&) noexcept = default;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  const std::string& name() const { return name_; }
  pid_t pid() const { return pid_; }
  // Readable when the process has ended; -1 after Reap() has said how.
  int pidfd() const { return pidfd_.get(); }
  Channel& control() { return control_; }

  // How it ended, once; nothing while it runs.
  std::optional<ProcessEnd> Reap();
  // Waits until it has ended. False if it hasn't within `timeout`.
  bool WaitFor(std::chrono::milliseconds timeout) const;
  // SIGKILL, and no waiting.
  void SendKill() const;
  // SIGKILL, and waits: a process in an uninterruptible system call dies later, which is logged.
  void Kill(std::chrono::milliseconds timeout = std::chrono::seconds(5));

 private:
  std::string name_;
  pid_t pid_;
  UniqueFd pidfd_;
  Channel control_;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_CHILD_PROCESS_H_
