#include "sandbox/launcher/cgroups.h"

#include <absl/strings/match.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "common/unique_fd.h"

namespace postern {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return ErrorStatus("can't read " + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// A line of mountinfo (proc(5)) that shows control groups; parts of its text.
struct CgroupMount {
  absl::string_view root;  // What of the file system is at `mount_point`.
  absl::string_view mount_point;
  absl::string_view type;     // "cgroup" or "cgroup2"
  absl::string_view options;  // Of the file system: of version 1 the controllers.
};

std::vector<CgroupMount> ParseCgroupMounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (absl::string_view line : absl::StrSplit(Absl(mountinfo), '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    const auto separator = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 10 || std::distance(separator, fields.end()) < 4) continue;
    if (separator[1] != "cgroup" && separator[1] != "cgroup2") continue;
    mounts.push_back({fields[3], fields[4], separator[1], separator[3]});
  }
  return mounts;
}

// Whether `mount` shows `cgroup`'s hierarchy.
bool IsHierarchy(const Cgroup& cgroup, const CgroupMount& mount) {
  if (cgroup.hierarchy == "0") return mount.type == "cgroup2";
  if (mount.type != "cgroup") return false;
  const std::vector<absl::string_view> set = absl::StrSplit(mount.options, ',');
  const std::vector<std::string> wanted = absl::StrSplit(cgroup.controllers, ',');
  return std::all_of(wanted.begin(), wanted.end(), [&set](const std::string& controller) {
    return std::find(set.begin(), set.end(), controller) != set.end();
  });
}

// Where `path` is below `mount`.
std::optional<std::string> BelowMount(const CgroupMount& mount, const std::string& path) {
  if (mount.root == "/") return std::string(mount.mount_point) + path;
  if (path == mount.root) return std::string(mount.mount_point);
  if (!absl::StartsWith(path, std::string(mount.root) + "/")) return std::nullopt;
  return std::string(mount.mount_point) + path.substr(mount.root.size());
}

absl::Status Move(pid_t pid, std::string_view mountinfo, const Cgroup& cgroup) {
  const std::optional<std::string> directory = CgroupDirectory(mountinfo, cgroup);
  if (!directory) return ErrorStatus("control group " + cgroup.path + " isn't mounted");
  const std::string path = *directory + "/cgroup.procs";
  const UniqueFd procs(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!procs) return ErrnoStatus(path);
  const std::string text = std::to_string(pid);
  if (write(procs.get(), text.data(), text.size()) < 0) return ErrnoStatus(path);
  return absl::OkStatus();
}

}  // namespace

std::vector<Cgroup> ParseCgroups(std::string_view text) {
  std::vector<Cgroup> cgroups;
  for (absl::string_view line : absl::StrSplit(Absl(text), '\n', absl::SkipEmpty())) {
    // The path may contain colons.
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() == 3) cgroups.push_back({fields[0], fields[1], fields[2]});
  }
  return cgroups;
}

std::vector<Cgroup> DifferingCgroups(const std::vector<Cgroup>& own,
                                     const std::vector<Cgroup>& other) {
  std::vector<Cgroup> differing;
  for (const Cgroup& cgroup : own) {
    if (std::find(other.begin(), other.end(), cgroup) == other.end()) differing.push_back(cgroup);
  }
  return differing;
}

std::optional<std::string> CgroupDirectory(std::string_view mountinfo, const Cgroup& cgroup) {
  for (const CgroupMount& mount : ParseCgroupMounts(mountinfo)) {
    if (!IsHierarchy(cgroup, mount)) continue;
    if (auto directory = BelowMount(mount, cgroup.path)) return directory;
  }
  return std::nullopt;
}

std::vector<std::string> CgroupMountPoints(std::string_view mountinfo) {
  std::vector<std::string> mount_points;
  for (const CgroupMount& mount : ParseCgroupMounts(mountinfo)) {
    mount_points.emplace_back(mount.mount_point);
  }
  return mount_points;
}

std::vector<std::string> CgroupMounts() {
  const absl::StatusOr<std::string> mountinfo = ReadFile("/proc/self/mountinfo");
  return mountinfo.ok() ? CgroupMountPoints(*mountinfo) : std::vector<std::string>();
}

absl::Status MoveIntoOwnCgroups(pid_t pid) {
  POSTERN_TRY_ASSIGN(const std::string own, ReadFile("/proc/self/cgroup"));
  POSTERN_TRY_ASSIGN(const std::string other, ReadFile("/proc/" + std::to_string(pid) + "/cgroup"));
  const std::vector<Cgroup> differing = DifferingCgroups(ParseCgroups(own), ParseCgroups(other));
  if (differing.empty()) return absl::OkStatus();
  POSTERN_TRY_ASSIGN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  absl::Status first_failure;
  for (const Cgroup& cgroup : differing) first_failure.Update(Move(pid, mountinfo, cgroup));
  return first_failure;
}

}  // namespace postern
