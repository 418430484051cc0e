// Runs code that changes its process for good in a child.
#ifndef POSTERN_TESTS_UNIT_SANDBOX_FORKED_H_
#define POSTERN_TESTS_UNIT_SANDBOX_FORKED_H_

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace postern {

// The wait status of a child that runs `body` and exits with what it returns.
template <typename Body>
int RunForked(Body&& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(std::forward<Body>(body)());
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// The exit status of such a child; 1000 + the signal that killed it.
template <typename Body>
int ExitOfForked(Body&& body) {
  const int status = RunForked(std::forward<Body>(body));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_SANDBOX_FORKED_H_
