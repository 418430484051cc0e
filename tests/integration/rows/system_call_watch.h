// Runs a command and tells of each system call that it and its descendants make (ptrace(2)).
#ifndef POSTERN_TESTS_INTEGRATION_ROWS_SYSTEM_CALL_WATCH_H_
#define POSTERN_TESTS_INTEGRATION_ROWS_SYSTEM_CALL_WATCH_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace postern {

struct SystemCall {
  int number;
  std::array<uint64_t, 6> arguments;
};

// Hears of calls made after a process has loaded a seccomp filter into all of its threads.
class SealedCallListener {
 public:
  virtual ~SealedCallListener() = default;
  virtual void OnSealed(pid_t process, const std::string& name) = 0;
  // When the call is made, whatever becomes of it.
  virtual void OnCall(pid_t process, const SystemCall& call) = 0;
};

// For one thread, which must be the only one of its process with children.
class SystemCallWatch {
 public:
  explicit SystemCallWatch(SealedCallListener& listener) : listener_(listener) {}

  // Runs `command` until it and all its descendants have ended. Its exit status, 128 + the signal
  // that killed it, or -1 if it can't be run so.
  int Run(const std::vector<std::string>& command);

 private:
  struct Thread {
    pid_t process = 0;
    bool is_sealing = false;  // In a call that seals the process if it succeeds.
  };

  void HandleStop(pid_t thread, int status);
  void HandleSystemCall(pid_t thread);
  Thread& Find(pid_t thread);

  SealedCallListener& listener_;
  std::map<pid_t, Thread> threads_;
  std::map<pid_t, bool> sealed_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_ROWS_SYSTEM_CALL_WATCH_H_
