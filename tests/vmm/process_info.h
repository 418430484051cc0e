// What /proc says about other processes.
#ifndef POSTERN_TESTS_VMM_PROCESS_INFO_H_
#define POSTERN_TESTS_VMM_PROCESS_INFO_H_

#include <sys/types.h>

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/errno_or.h"

namespace postern::vmm {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;  // comm: the first 15 bytes of the executable's name.
  char state = '?';  // As in /proc/PID/stat: 'Z' for one that has ended and isn't reaped.
};

// `pid` and everything below it in the process tree, parents first. Empty if there is no such
// process.
std::vector<ProcessInfo> ProcessTree(pid_t pid);

// A field of /proc/PID/status ("CapEff", "Seccomp", "Uid"), without blanks at its ends; empty if
// there is none.
std::string StatusField(pid_t pid, std::string_view field);
// /proc/PID/maps.
std::string Maps(pid_t pid);
// The ids of its threads; StatusField() takes them too.
std::vector<pid_t> Threads(pid_t pid);
// The time that its threads have spent on a processor so far. None of those that have ended.
std::chrono::nanoseconds ProcessorTime(pid_t pid);
// That of all of them.
std::chrono::nanoseconds ProcessorTime(std::span<const ProcessInfo> processes);
// The numbers of its open descriptors.
ErrnoOr<std::vector<std::string>> ListDescriptors(pid_t pid);
// What /proc/PID/fd links to, one per open descriptor, sorted; "memfd:name (deleted)",
// "socket:[17]", "/path".
ErrnoOr<std::vector<std::string>> OpenDescriptors(pid_t pid);
// What /proc/PID/ns/NAME links to ("net:[4026531840]").
ErrnoOr<std::string> NamespaceOf(pid_t pid, std::string_view name);
// The names in a process's root directory, without "." and "..", sorted.
ErrnoOr<std::vector<std::string>> RootListing(pid_t pid);

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_PROCESS_INFO_H_
