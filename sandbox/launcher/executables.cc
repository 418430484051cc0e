#include "sandbox/launcher/executables.h"

#include <linux/limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/build_info.h"

namespace postern {
namespace {

absl::StatusOr<std::string> OwnPath() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size < 0) return ErrnoStatus("reading /proc/self/exe");
  return std::string(path, static_cast<size_t>(size));
}

bool IsProgram(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 && S_ISREG(attributes.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

absl::StatusOr<std::string> Find(const std::string& own_path, const std::string& folder) {
  std::string places;
  for (const std::string& candidate : ExecutableCandidates(own_path, folder)) {
    if (IsProgram(candidate)) return candidate;
    places += (places.empty() ? "" : ", ") + candidate;
  }
  return ErrorStatus("postern-" + folder + " not found: looked for " + places);
}

}  // namespace

std::vector<std::string> ExecutableCandidates(const std::string& own_path,
                                              const std::string& folder) {
  const std::string program = "postern-" + folder;
  const std::string beside = own_path.substr(0, own_path.rfind('/'));
  const std::string above = beside.substr(0, beside.rfind('/'));
  return {beside + "/" + program, above + "/" + folder + "/" + program,
          std::string(kLibexecDir) + "/" + program};
}

absl::StatusOr<Executables> FindExecutables() {
  POSTERN_TRY_ASSIGN(const std::string own_path, OwnPath());
  Executables found;
  POSTERN_TRY_ASSIGN(found.broker, Find(own_path, "broker"));
  POSTERN_TRY_ASSIGN(found.worker, Find(own_path, "worker"));
  return found;
}

}  // namespace postern
