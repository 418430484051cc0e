#include "tests/bench/neighbours.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "tests/bench/prepare.h"
#include "tests/bench/session.h"

namespace postern::bench {
namespace {

[[noreturn]] void Compute(int cpu) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!RunOnCpu(cpu).ok()) _exit(1);
  volatile uint64_t sum = 0;
  for (;;) sum = sum + 1;
}

}  // namespace

Neighbours::~Neighbours() {
  for (const pid_t process : processes_) kill(process, SIGKILL);
  for (const pid_t process : processes_) waitpid(process, nullptr, 0);
}

absl::Status Neighbours::Start(int count, int cpu) {
  for (int i = 0; i < count; ++i) {
    const pid_t process = fork();
    if (process < 0) return Failed("fork", Errno::Last());
    if (process == 0) Compute(cpu);
    processes_.push_back(process);
  }
  return absl::OkStatus();
}

}  // namespace postern::bench
