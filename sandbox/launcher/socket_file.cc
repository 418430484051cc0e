#include "sandbox/launcher/socket_file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

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

}  // namespace

absl::StatusOr<UniqueFd> BindSocket(int directory, const std::string& name, mode_t mask) {
  const std::string failure = "Error creating the socket '" + name + "'";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof(address.sun_path)) return ErrnoStatus(failure, ENAMETOOLONG);
  std::memcpy(address.sun_path, name.data(), name.size());

  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_fd) return ErrnoStatus(failure);
  if (unlinkat(directory, name.c_str(), 0) < 0 && errno != ENOENT) {
    return WithAdvice(ErrnoStatus("Error replacing '" + name + "'"),
                      "choose another --socket-path, or remove what is in its place");
  }
  // bind(2) takes no directory's descriptor.
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
