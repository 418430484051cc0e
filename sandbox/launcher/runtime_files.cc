#include "sandbox/launcher/runtime_files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/logging.h"

namespace postern {
namespace {

constexpr int kLockAttempts = 200;
constexpr int kLockPauseMilliseconds = 10;

// Takes the lock now or within two seconds: one who was killed is still ending, or its sweeper
// holds the lock while it removes the two names. errno is flock(2)'s if not.
bool LockSoon(int file, const std::string& name) {
  for (int attempt = 0;; ++attempt) {
    if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK || attempt == kLockAttempts) return false;
    if (attempt == 0) LOG(INFO) << "'" << name << "' is locked: waiting for its holder's end";
    poll(nullptr, 0, kLockPauseMilliseconds);
  }
}

// Of the call that has just failed.
absl::Status Failed(const std::string& step) {
  const int error = errno;
  const absl::Status status = ErrnoStatus(step, error);
  switch (error) {
    case EWOULDBLOCK:
      return WithAdvice(status,
                        "it is locked: another posternd serves this socket; end that one, or "
                        "choose another --socket-path");
    case EACCES:
    case EPERM:
    case EROFS:
      return WithAdvice(status, "choose a --socket-path in a directory that posternd may write to");
    case ELOOP:
      return WithAdvice(status, "remove the symbolic link in its place");
    default:
      return status;
  }
}

}  // namespace

absl::StatusOr<FilePlace> OpenPlace(const std::string& path) {
  const size_t slash = path.rfind('/');
  FilePlace place;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (place.name.empty() || place.name == "." || place.name == "..") {
    return ErrorStatus("--socket-path: '" + path + "' doesn't name a file");
  }
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  place.directory.Reset(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory) {
    const int error = errno;
    return WithAdvice(
        ErrnoStatus("--socket-path: '" + directory + "' does not exist or is not a directory",
                    error),
        "create it first");
  }
  return place;
}

absl::StatusOr<RuntimeFile> Identify(int directory, const std::string& name, mode_t type) {
  struct stat attributes;
  if (fstatat(directory, name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) < 0) {
    return ErrnoStatus("looking at '" + name + "'");
  }
  if ((attributes.st_mode & S_IFMT) != type || attributes.st_uid != geteuid()) {
    return ErrorStatus("something else has taken the place of '" + name + "'");
  }
  return RuntimeFile{name, attributes.st_dev, attributes.st_ino};
}

bool IsStillThere(int directory, const RuntimeFile& file) {
  struct stat now;
  return fstatat(directory, file.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
         now.st_dev == file.device && now.st_ino == file.inode;
}

void RemoveIfStillThere(int directory, const RuntimeFile& file) {
  if (IsStillThere(directory, file)) unlinkat(directory, file.name.c_str(), 0);
}

absl::StatusOr<PidFile> CreatePidFile(int directory, const std::string& name) {
  const std::string failure = "Error creating pid file '" + name + "'";
  PidFile pid_file;
  // Another daemon that ends removes its file: then the one that we have just locked has no name
  // any more.
  do {
    pid_file.lock.Reset(
        openat(directory, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!pid_file.lock) return Failed(failure);
    if (!LockSoon(pid_file.lock.get(), name)) return Failed(failure);
    struct stat attributes;
    if (fstat(pid_file.lock.get(), &attributes) < 0) return ErrnoStatus(failure);
    pid_file.file = {name, attributes.st_dev, attributes.st_ino};
  } while (!IsStillThere(directory, pid_file.file));

  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(pid_file.lock.get(), 0) < 0) return ErrnoStatus(failure);
  const ssize_t written = write(pid_file.lock.get(), text.data(), text.size());
  if (written < 0) return ErrnoStatus(failure);
  if (static_cast<size_t>(written) != text.size()) return ErrnoStatus(failure, ENOSPC);
  return pid_file;
}

}  // namespace postern
