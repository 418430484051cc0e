#include "sandbox/launcher/executables.h"

#include <linux/limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "common/build_info.h"

namespace postern {
namespace {

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

absl::StatusOr<std::string> OwnPath() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size < 0) return ErrnoStatus("reading /proc/self/exe (is /proc mounted?)");
  return std::string(path, static_cast<size_t>(size));
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Nothing if it doesn't exist or isn't a program.
std::string ResolveProgram(const std::string& path) {
  struct FreeText {
    void operator()(char* text) const { free(text); }
  };
  const std::unique_ptr<char, FreeText> real(realpath(path.c_str(), nullptr));
  struct stat status;
  if (!real || stat(real.get(), &status) < 0 || !S_ISREG(status.st_mode) ||
      access(real.get(), X_OK) < 0) {
    return "";
  }
  return real.get();
}

// Who could have replaced posternd.
class Trust {
 public:
  explicit Trust(const std::string& own_path) {
    struct stat status;
    if (stat(own_path.c_str(), &status) < 0) return;
    owner_ = status.st_uid;
    if (stat(DirectoryOf(own_path).c_str(), &status) < 0) return;
    group_ = status.st_gid;
    // In a sticky directory (/tmp) what is there can't be replaced by others.
    if ((status.st_mode & S_ISVTX) == 0) writers_ = status.st_mode & kOthersWrite;
  }
  bool Covers(const std::string& program) const {
    return CoversOne(program) && CoversOne(DirectoryOf(program));
  }

 private:
  bool CoversOne(const std::string& path) const {
    struct stat status;
    if (stat(path.c_str(), &status) < 0) return false;
    if (status.st_uid != 0 && status.st_uid != geteuid() && status.st_uid != owner_) return false;
    const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
    const mode_t writers = sticky ? 0 : status.st_mode & kOthersWrite;
    if ((writers & ~writers_) != 0) return false;
    return (writers & S_IWGRP) == 0 || status.st_gid == group_;
  }

  uid_t owner_ = 0;
  gid_t group_ = 0;
  mode_t writers_ = 0;  // Of kOthersWrite.
};

}  // namespace

std::vector<std::string> ExecutableCandidates(const std::string& own_path,
                                              const std::string& folder) {
  const std::string program = "postern-" + folder;
  const std::filesystem::path beside = DirectoryOf(own_path);
  std::vector<std::string> candidates;
  for (const std::filesystem::path& place :
       {beside / program, beside / ".." / folder / program, beside / kLibexecFromBin / program,
        std::filesystem::path(kLibexecDir) / program}) {
    candidates.push_back(place.lexically_normal().string());
  }
  return candidates;
}

absl::StatusOr<std::string> FindProgram(const std::string& own_path,
                                        const std::vector<std::string>& candidates) {
  const Trust trust(own_path);
  std::string places;
  for (const std::string& candidate : candidates) {
    const std::string program = ResolveProgram(candidate);
    if (!program.empty() && trust.Covers(program)) return program;
    if (!places.empty()) places += ", ";
    places += candidate;
    if (!program.empty()) places += " (not taken: others than posternd's owner may change it)";
  }
  return ErrorStatus(
      "can't find a program of posternd's: install it together with posternd; "
      "looked for " +
      places);
}

absl::StatusOr<Executables> FindExecutables() {
  POSTERN_TRY_ASSIGN(const std::string own_path, OwnPath());
  Executables found;
  POSTERN_TRY_ASSIGN(found.broker, FindProgram(own_path, ExecutableCandidates(own_path, "broker")));
  POSTERN_TRY_ASSIGN(found.worker, FindProgram(own_path, ExecutableCandidates(own_path, "worker")));
  return found;
}

}  // namespace postern
