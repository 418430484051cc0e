#include "sandbox/jail/id_maps.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/unique_fd.h"

namespace postern {
namespace {

// Each of these files takes exactly one write(2).
absl::Status WriteOnce(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) {
    const int error = errno;
    const absl::Status status = ErrnoStatus("opening " + path, error);
    if (error != EROFS) return status;
    return WithAdvice(status,
                      "the /proc here is read-only, as in many containers: mount one that isn't, "
                      "or use --sandbox=none");
  }
  const ssize_t written = write(file.get(), text.data(), text.size());
  if (written < 0) return ErrnoStatus("writing " + path);
  if (static_cast<size_t>(written) != text.size()) return ErrorStatus("writing " + path + ": cut");
  return absl::OkStatus();
}

std::string Line(const IdMapRange& range) {
  return std::to_string(range.inside) + " " + std::to_string(range.outside) + " " +
         std::to_string(range.count) + "\n";
}

// Runs newuidmap or newgidmap, which say on stderr what they refuse.
absl::Status RunHelper(const std::string& helper, pid_t pid, std::span<const IdMapRange> map) {
  std::vector<std::string> words = {helper, std::to_string(pid)};
  for (const IdMapRange& range : map) {
    for (const uint32_t number : {range.inside, range.outside, range.count}) {
      words.push_back(std::to_string(number));
    }
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  const int error =
      posix_spawnp(&child, helper.c_str(), nullptr, nullptr, arguments.data(), environ);
  if (error != 0) {
    return WithAdvice(ErrnoStatus("running " + helper, error),
                      "--uid-map and --gid-map of more than one's own id need it: install it "
                      "(package uidmap or shadow-utils)");
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoStatus("waiting for " + helper);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string option = helper == "newuidmap" ? "--uid-map" : "--gid-map";
    const std::string file = helper == "newuidmap" ? "/etc/subuid" : "/etc/subgid";
    return ErrorStatus(option + ": " + helper + " refuses the id map: does " + file +
                       " give the caller these ids?");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsMappedInside(std::span<const IdMapRange> map, uint32_t id) {
  return std::ranges::any_of(map, [id](const IdMapRange& range) {
    return id >= range.inside && id - range.inside < range.count;
  });
}

bool IsMappedOutside(std::span<const IdMapRange> map, uint32_t id) {
  return std::ranges::any_of(map, [id](const IdMapRange& range) {
    return id >= range.outside && id - range.outside < range.count;
  });
}

bool AnybodyMayWrite(std::span<const IdMapRange> map, uint32_t own) {
  return map.size() == 1 && map.front().outside == own && map.front().count == 1;
}

absl::Status WriteIdMaps(pid_t pid, const IdMaps& maps) {
  const std::string directory = "/proc/" + std::to_string(pid);
  if (AnybodyMayWrite(maps.uids, geteuid())) {
    POSTERN_TRY(WriteOnce(directory + "/uid_map", Line(maps.uids.front())));
  } else {
    POSTERN_TRY(RunHelper("newuidmap", pid, maps.uids));
  }
  if (!AnybodyMayWrite(maps.gids, getegid())) return RunHelper("newgidmap", pid, maps.gids);
  // Linux 3.19: a gid map without CAP_SETGID is allowed only after this, or groups that deny access
  // could be left.
  POSTERN_TRY(WriteOnce(directory + "/setgroups", "deny"));
  return WriteOnce(directory + "/gid_map", Line(maps.gids.front()));
}

}  // namespace postern
