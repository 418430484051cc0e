#include "tests/integration/rows/system_call_watch.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

// After the header of glibc, with which it disagrees about one name.
#include <linux/ptrace.h>

namespace postern {
namespace {

constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                          PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
constexpr int kSystemCallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD

long Ptrace(long request, pid_t thread, uintptr_t address, uintptr_t data) {
  return syscall(SYS_ptrace, request, thread, address, data);
}

pid_t ProcessOf(pid_t thread) {
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  for (std::string word; status >> word;) {
    if (word != "Tgid:") continue;
    pid_t process = 0;
    status >> process;
    return process;
  }
  return 0;
}

std::string NameOf(pid_t process) {
  std::ifstream comm("/proc/" + std::to_string(process) + "/comm");
  std::string name;
  std::getline(comm, name);
  return name;
}

// Waits until it is watched.
[[noreturn]] void Execute(const std::vector<std::string>& command, int gate) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char opened;
  if (read(gate, &opened, 1) != 1) _exit(127);
  close(gate);
  execv(argv[0], argv.data());
  _exit(127);
}

bool IsGroupStop(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

}  // namespace

int SystemCallWatch::Run(const std::vector<std::string>& command) {
  int gate[2];
  if (command.empty() || pipe2(gate, 0) != 0) return -1;
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    close(gate[1]);
    Execute(command, gate[0]);
  }
  close(gate[0]);
  if (Ptrace(PTRACE_SEIZE, child, 0, kOptions) != 0) return -1;
  // What makes it stop at its next system call.
  Ptrace(PTRACE_INTERRUPT, child, 0, 0);
  if (write(gate[1], "", 1) != 1) return -1;
  close(gate[1]);

  int result = -1;
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      return result;  // ECHILD
    }
    if (WIFSTOPPED(status)) {
      HandleStop(thread, status);
      continue;
    }
    threads_.erase(thread);
    if (thread == child) {
      result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}

void SystemCallWatch::HandleStop(pid_t thread, int status) {
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  // A thread that is killed meanwhile is no error: its end is reported.
  if (signal == kSystemCallStop) {
    HandleSystemCall(thread);
    Ptrace(PTRACE_SYSCALL, thread, 0, 0);
  } else if (event == PTRACE_EVENT_STOP && IsGroupStop(signal)) {
    Ptrace(PTRACE_LISTEN, thread, 0, 0);
  } else {
    const int delivered = event == 0 ? signal : 0;
    Ptrace(PTRACE_SYSCALL, thread, 0, static_cast<uintptr_t>(delivered));
  }
}

SystemCallWatch::Thread& SystemCallWatch::Find(pid_t thread) {
  Thread& found = threads_[thread];
  if (found.process == 0) found.process = ProcessOf(thread);
  return found;
}

void SystemCallWatch::HandleSystemCall(pid_t id) {
  ptrace_syscall_info info{};
  if (Ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof(info), reinterpret_cast<uintptr_t>(&info)) <= 0) {
    return;
  }
  Thread& thread = Find(id);
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    if (thread.is_sealing && info.exit.rval == 0 && !sealed_[thread.process]) {
      sealed_[thread.process] = true;
      listener_.OnSealed(thread.process, NameOf(thread.process));
    }
    thread.is_sealing = false;
    return;
  }
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
  SystemCall call{static_cast<int>(info.entry.nr), {}};
  std::copy(std::begin(info.entry.args), std::end(info.entry.args), call.arguments.begin());
  if (sealed_[thread.process]) listener_.OnCall(thread.process, call);
  thread.is_sealing = call.number == SYS_seccomp && call.arguments[0] == SECCOMP_SET_MODE_FILTER &&
                      (call.arguments[1] & SECCOMP_FILTER_FLAG_TSYNC) != 0;
}

}  // namespace postern
