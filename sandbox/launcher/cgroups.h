// The control groups of a process, and how to move another one into them. libvirt moves only the
// process that it has started into the machine's group, and does so after that has started its
// children.
#ifndef POSTERN_SANDBOX_LAUNCHER_CGROUPS_H_
#define POSTERN_SANDBOX_LAUNCHER_CGROUPS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace postern {

// One line of /proc/PID/cgroup (cgroups(7)).
struct Cgroup {
  std::string hierarchy;    // "0" is version 2's.
  std::string controllers;  // "cpu,cpuacct", "name=systemd"; empty for version 2.
  std::string path;

  friend bool operator==(const Cgroup&, const Cgroup&) = default;
};
std::vector<Cgroup> ParseCgroups(std::string_view text);

// The groups of `own` that `other` isn't in.
std::vector<Cgroup> DifferingCgroups(const std::vector<Cgroup>& own,
                                     const std::vector<Cgroup>& other);

// The directory of `cgroup` according to `mountinfo` (the text of /proc/self/mountinfo); none if it
// isn't mounted.
std::optional<std::string> CgroupDirectory(std::string_view mountinfo, const Cgroup& cgroup);

// Where control groups are mounted, of the text of /proc/self/mountinfo (proc(5)).
std::vector<std::string> CgroupMountPoints(std::string_view mountinfo);
// The same, of the calling process.
std::vector<std::string> CgroupMounts();

// Moves `pid` into every group of this process that it isn't in. The first failure is returned,
// after all were tried.
absl::Status MoveIntoOwnCgroups(pid_t pid);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_CGROUPS_H_
