#include "sandbox/launcher/socket_file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <optional>

#include "common/scoped_umask.h"

namespace postern {
namespace {

// While it lives `directory` is the working directory; then what was before, or the root where
// there is no way back.
class ScopedWorkingDirectory {
 public:
  explicit ScopedWorkingDirectory(int directory)
      : before_(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)), entered_(fchdir(directory) == 0) {}
  ScopedWorkingDirectory(const ScopedWorkingDirectory&) = delete;
  ScopedWorkingDirectory& operator=(const ScopedWorkingDirectory&) = delete;
  ~ScopedWorkingDirectory() {
    if (!entered_ || fchdir(before_.get()) == 0) return;
    [[maybe_unused]] const int root = chdir("/");
  }

  // errno is that of the constructor's last call if not.
  bool entered() const { return entered_; }

 private:
  const UniqueFd before_;
  const bool entered_;
};

bool OthersMayChange(const struct stat& directory) {
  const bool ours = directory.st_uid == 0 || directory.st_uid == geteuid();
  const bool sticky = (directory.st_mode & S_ISVTX) != 0;  // Others' files stay where they are.
  return !ours || ((directory.st_mode & 022) != 0 && !sticky);
}

// The path of `directory` if nobody but root and this process's user can make it lead elsewhere.
std::optional<std::string> SafePathOf(int directory) {
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(directory);
  const ssize_t size = readlink(link.c_str(), target, sizeof(target));
  if (size <= 0 || target[0] != '/') return std::nullopt;
  const std::string path(target, static_cast<size_t>(size));
  struct stat there, open;
  if (lstat(path.c_str(), &there) < 0 || fstat(directory, &open) < 0) return std::nullopt;
  if (there.st_dev != open.st_dev || there.st_ino != open.st_ino) return std::nullopt;
  for (size_t end = path.size(); end != std::string::npos;
       end = end == 0 ? std::string::npos : path.rfind('/', end - 1)) {
    struct stat part;
    const std::string ancestor = end == 0 ? "/" : path.substr(0, end);
    if (lstat(ancestor.c_str(), &part) < 0 || !S_ISDIR(part.st_mode) || OthersMayChange(part)) {
      return std::nullopt;
    }
  }
  return path == "/" ? std::string() : path;
}

}  // namespace

absl::StatusOr<UniqueFd> BindSocket(int directory, const std::string& name, mode_t mask) {
  const std::string failure = "Error creating the socket '" + name + "'";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::optional<std::string> path = SafePathOf(directory);
  const bool whole = path && path->size() + 1 + name.size() < sizeof(address.sun_path);
  const std::string bound = whole ? *path + "/" + name : name;
  if (bound.size() >= sizeof(address.sun_path)) return ErrnoStatus(failure, ENAMETOOLONG);
  std::memcpy(address.sun_path, bound.data(), bound.size());

  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_fd) return ErrnoStatus(failure);
  if (unlinkat(directory, name.c_str(), 0) < 0 && errno != ENOENT) {
    return WithAdvice(ErrnoStatus("Error replacing '" + name + "'"),
                      "choose another --socket-path, or remove what is in its place");
  }
  // bind(2) takes no directory's descriptor. It doesn't matter where the whole path is used.
  const ScopedWorkingDirectory there(directory);
  if (!there.entered()) return ErrnoStatus(failure);
  const ScopedUmask scoped(mask);
  // Safe because every sockaddr begins with the family.
  if (bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    return ErrnoStatus(failure);
  }
  return socket_fd;
}

absl::Status GiveSocketTo(gid_t group, int directory, const RuntimeFile& socket) {
  const std::string step = "--socket-group: giving the socket to it";
  const UniqueFd file(openat(directory, socket.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat attributes;
  if (!file || fstat(file.get(), &attributes) < 0) return ErrnoStatus(step);
  if (attributes.st_dev != socket.device || attributes.st_ino != socket.inode) {
    return ErrorStatus("something else has taken the place of '" + socket.name + "'");
  }
  if (fchownat(file.get(), "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH) < 0) {
    return WithAdvice(ErrnoStatus(step), "posternd must be root or a member of the group");
  }
  return absl::OkStatus();
}

}  // namespace postern
