#include "worker/virtio/memory_fault.h"

#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace postern {
namespace {

// Does more than wake somebody, as an exception: the thread can't go on, since it would only meet
// the same fault again. Async-signal-safe calls only.
void OnMemoryFault(int signal, siginfo_t* info, void*) {
  if (info->si_code != BUS_ADRERR && info->si_code != BUS_MCEERR_AR) {
    std::signal(signal, SIG_DFL);
    raise(signal);
    return;
  }
  static constexpr char kMessage[] =
      "postern-worker: a part of guest memory is gone: the front end has cut its file short, or "
      "the host has no page left for it\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  _exit(EXIT_FAILURE);
}

}  // namespace

void EndOnMemoryFault() {
  struct sigaction action {};
  action.sa_sigaction = &OnMemoryFault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace postern
