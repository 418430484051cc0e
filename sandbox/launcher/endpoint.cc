#include "sandbox/launcher/endpoint.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/launcher/socket_file.h"

namespace postern {
namespace {

constexpr int kBacklog = 1;  // One front end; it may connect before we are ready.

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  errno = 0;
  const group* found = getgrnam(name.c_str());
  if (found != nullptr) return found->gr_gid;
  if (errno == 0) {
    return ErrorStatus("--socket-group: there is no group '" + name +
                       "': create it, or name another");
  }
  return ErrnoStatus("--socket-group: looking up '" + name + "'");
}

// poll(2) says that a connection waits, but another process with the same socket may take it first.
absl::Status SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    return ErrnoStatus("setting up the socket");
  }
  return absl::OkStatus();
}

// What a front end can connect to.
absl::Status CheckLength(const std::string& path) {
  constexpr size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() <= kMost) return absl::OkStatus();
  return WithAdvice(ErrnoStatus("Error creating the socket '" + path + "'", ENAMETOOLONG),
                    "a --socket-path has at most " + std::to_string(kMost) + " bytes");
}

int IntOption(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

absl::StatusOr<PidFile> MakePidFile(int directory, const std::string& name,
                                    const SecurityLevel& level) {
  POSTERN_TRY_ASSIGN(const ScopedLabel label, ScopedLabel::OfFiles(level, directory, S_IFREG));
  return CreatePidFile(directory, name);
}

absl::StatusOr<UniqueFd> MakeSocket(int directory, const std::string& name, mode_t mask,
                                    const SecurityLevel& level) {
  POSTERN_TRY_ASSIGN(const ScopedLabel file, ScopedLabel::OfFiles(level, directory, S_IFSOCK));
  POSTERN_TRY_ASSIGN(const ScopedLabel socket, ScopedLabel::OfSockets(level));
  return BindSocket(directory, name, mask);
}

}  // namespace

absl::StatusOr<Endpoint> Endpoint::Create(const std::string& path,
                                          const std::optional<std::string>& group,
                                          const SecurityLevel& level,
                                          config::SeccompAction action) {
  POSTERN_TRY(CheckLength(path));
  std::optional<gid_t> gid;
  if (group) {
    POSTERN_TRY_ASSIGN(gid, FindGroup(*group));
  }
  POSTERN_TRY_ASSIGN(FilePlace place, OpenPlace(path));
  Endpoint endpoint;
  endpoint.directory_ = std::move(place.directory);
  const int directory = endpoint.directory_.get();
  POSTERN_TRY_ASSIGN(endpoint.pid_file_, MakePidFile(directory, place.name + ".pid", level));
  POSTERN_TRY_ASSIGN(endpoint.listener_,
                     MakeSocket(directory, place.name, group ? 0007 : 0077, level));
  POSTERN_TRY_ASSIGN(endpoint.socket_, Identify(directory, place.name, S_IFSOCK));
  if (gid) POSTERN_TRY(GiveSocketTo(*gid, directory, *endpoint.socket_));
  if (listen(endpoint.listener_.get(), kBacklog) < 0) return ErrnoStatus("listening");
  POSTERN_TRY_ASSIGN(endpoint.sweeper_, Sweeper::Start(directory, *endpoint.socket_,
                                                       endpoint.pid_file_->file, action));
  return endpoint;
}

absl::StatusOr<Endpoint> Endpoint::Adopt(int fd) {
  const std::string name = "--fd " + std::to_string(fd);
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
    return WithAdvice(ErrnoStatus(name), "pass posternd the descriptor open and not close-on-exec");
  }
  if (IntOption(fd, SO_DOMAIN) != AF_UNIX || IntOption(fd, SO_TYPE) != SOCK_STREAM ||
      IntOption(fd, SO_ACCEPTCONN) != 1) {
    return ErrorStatus(
        name + ": not a listening Unix stream socket (bind and listen before posternd is started)");
  }
  POSTERN_TRY(SetNonBlocking(fd));
  Endpoint endpoint;
  endpoint.listener_.Reset(fd);
  return endpoint;
}

Endpoint::~Endpoint() {
  if (!directory_) return;  // Adopted, or moved from.
  // The pid file last: it is the lock under which the socket may be touched.
  if (socket_) RemoveIfStillThere(directory_.get(), *socket_);
  if (pid_file_) RemoveIfStillThere(directory_.get(), pid_file_->file);
}

ErrnoOr<UniqueFd> Endpoint::Accept() {
  UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) {
    const Errno error = Errno::Last();
    return error == Errno(ECONNABORTED) || error == Errno(EINTR) ? Errno(EAGAIN) : error;
  }
  return connection;
}

}  // namespace postern
