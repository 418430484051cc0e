#include "tests/vmm/process_info.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <sstream>

#include "common/unique_fd.h"

namespace postern::vmm {
namespace {

std::string ProcPath(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(file);
}

// What there was of the file until its end, or until its process ended (ESRCH).
std::string ReadAll(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char part[4096];
  for (ssize_t size; (size = read(file.get(), part, sizeof(part))) > 0;) {
    text.append(part, static_cast<size_t>(size));
  }
  return text;
}

ErrnoOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), &closedir);
  if (!directory) return Errno::Last();
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

ErrnoOr<std::string> ReadLink(const std::string& path) {
  char target[4096];
  const ssize_t size = readlink(path.c_str(), target, sizeof(target));
  if (size < 0) return Errno::Last();
  return std::string(target, static_cast<size_t>(size));
}

// Of /proc/PID/stat: "pid (comm) state ppid …"; comm may contain anything, so look for the last
// parenthesis.
std::optional<ProcessInfo> ReadStat(pid_t pid) {
  const std::string stat = ReadAll(ProcPath(pid, "stat"));
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  ProcessInfo info;
  info.pid = pid;
  info.name = stat.substr(open + 1, close - open - 1);
  std::istringstream rest(stat.substr(close + 1));
  rest >> info.state >> info.parent;
  return info;
}

}  // namespace

std::vector<ProcessInfo> ProcessTree(pid_t root) {
  std::vector<ProcessInfo> all;
  const auto entries = ListDirectory("/proc");
  if (!entries.ok()) return {};
  for (const std::string& name : *entries) {
    const int pid = std::atoi(name.c_str());
    if (pid <= 0) continue;
    if (auto info = ReadStat(pid); info.has_value()) all.push_back(*std::move(info));
  }
  std::vector<ProcessInfo> tree;
  std::set<pid_t> members;
  // A child may have a lower pid than its parent, so look until nothing is added.
  for (bool added = true; added;) {
    added = false;
    for (const ProcessInfo& info : all) {
      if (members.contains(info.pid)) continue;
      if (info.pid != root && !members.contains(info.parent)) continue;
      members.insert(info.pid);
      tree.push_back(info);
      added = true;
    }
  }
  return tree;
}

std::string StatusField(pid_t pid, std::string_view field) {
  std::istringstream status(ReadAll(ProcPath(pid, "status")));
  const std::string prefix = std::string(field) + ":";
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, prefix.size(), prefix) != 0) continue;
    const size_t first = line.find_first_not_of(" \t", prefix.size());
    return first == std::string::npos
               ? ""
               : line.substr(first, line.find_last_not_of(" \t") + 1 - first);
  }
  return "";
}

std::string Maps(pid_t pid) { return ReadAll(ProcPath(pid, "maps")); }

std::vector<pid_t> Threads(pid_t pid) {
  std::vector<pid_t> threads;
  const auto names = ListDirectory(ProcPath(pid, "task"));
  if (!names.ok()) return threads;
  for (const std::string& name : *names) threads.push_back(std::atoi(name.c_str()));
  return threads;
}

std::chrono::nanoseconds ProcessorTime(pid_t pid) {
  std::chrono::nanoseconds sum{0};
  for (const pid_t thread : Threads(pid)) {
    // The first field is the time on a processor (Documentation/scheduler/sched-stats.rst).
    std::istringstream schedstat(ReadAll(ProcPath(thread, "schedstat")));
    int64_t nanoseconds = 0;
    schedstat >> nanoseconds;
    sum += std::chrono::nanoseconds(nanoseconds);
  }
  return sum;
}

std::chrono::nanoseconds ProcessorTime(std::span<const ProcessInfo> processes) {
  std::chrono::nanoseconds sum{0};
  for (const ProcessInfo& process : processes) sum += ProcessorTime(process.pid);
  return sum;
}

ErrnoOr<std::vector<std::string>> ListDescriptors(pid_t pid) {
  return ListDirectory(ProcPath(pid, "fd"));
}

ErrnoOr<std::vector<std::string>> OpenDescriptors(pid_t pid) {
  POSTERN_ASSIGN_OR_RETURN(const std::vector<std::string> numbers, ListDescriptors(pid));
  std::vector<std::string> targets;
  for (const std::string& number : numbers) {
    const auto target = ReadLink(ProcPath(pid, "fd/" + number));
    if (target.ok())
      targets.push_back(*target);  // Closed meanwhile; for our own pid, the listing's.
  }
  std::ranges::sort(targets);
  return targets;
}

ErrnoOr<std::string> NamespaceOf(pid_t pid, std::string_view name) {
  return ReadLink(ProcPath(pid, "ns/" + std::string(name)));
}

ErrnoOr<std::vector<std::string>> RootListing(pid_t pid) {
  return ListDirectory(ProcPath(pid, "root") + "/");
}

}  // namespace postern::vmm
