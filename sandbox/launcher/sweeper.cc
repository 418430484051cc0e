#include "sandbox/launcher/sweeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "sandbox/launcher/launcher_jail.h"

namespace postern {
namespace {

// Where everything but the three descriptors that it needs is closed.
constexpr int kPeer = 0;
constexpr int kDirectory = 1;
constexpr int kPosternd = 2;  // A pidfd.

// A new daemon on the same path may have begun already. It holds the pid file's lock, and then
// everything is its own.
void Sweep(const RuntimeFile& socket, const RuntimeFile& pid_file) {
  const int lock =
      openat(kDirectory, pid_file.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0) return;
  if (!IsStillThere(kDirectory, pid_file)) return;
  RemoveIfStillThere(kDirectory, socket);
  RemoveIfStillThere(kDirectory, pid_file);
}

// Whether posternd has ended without a word. Its end of the socket may close before its lock is
// free; its pidfd tells when all is closed.
bool IsOrphaned() {
  char done;
  ssize_t size;
  do {
    size = read(kPeer, &done, 1);
  } while (size < 0 && errno == EINTR);
  if (size != 0) return false;
  pollfd posternd{kPosternd, POLLIN, 0};
  int ended;
  do {
    ended = poll(&posternd, 1, -1);
  } while (ended < 0 && errno == EINTR);
  return ended == 1;
}

struct Descriptors {
  int peer;
  int directory;
  int posternd;
};

[[noreturn]] void Run(const Descriptors& from, const RuntimeFile& socket,
                      const RuntimeFile& pid_file, config::SeccompAction action) {
  prctl(PR_SET_NAME, "postern-sweeper");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // Nothing of the caller's stays open here: it may wait for the end of a pipe of its own. The
  // three are above 2.
  if (dup2(from.peer, kPeer) < 0 || dup2(from.directory, kDirectory) < 0 ||
      dup2(from.posternd, kPosternd) < 0 || syscall(SYS_close_range, kPosternd + 1, ~0U, 0) < 0 ||
      chdir("/") < 0 || !SealSweeper(action, kDirectory).ok() || write(kPeer, "", 1) != 1) {
    _exit(1);
  }
  if (IsOrphaned()) Sweep(socket, pid_file);
  _exit(0);
}

}  // namespace

absl::StatusOr<Sweeper> Sweeper::Start(int directory, const RuntimeFile& socket,
                                       const RuntimeFile& pid_file, config::SeccompAction action) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return ErrnoStatus("making the sweeper's socket");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const UniqueFd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));  // Linux 5.3
  if (!self) return ErrnoStatus("pidfd_open");
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus("starting the sweeper");
  if (pid == 0) Run({theirs.get(), directory, self.get()}, socket, pid_file, action);
  theirs.Reset();
  Sweeper sweeper(pid, std::move(ours));
  // From then on it holds nothing of ours: neither the pid file's lock nor a descriptor of the
  // caller's.
  char ready;
  if (read(sweeper.alive_.get(), &ready, 1) != 1) return ErrorStatus("the sweeper couldn't start");
  return sweeper;
}

Sweeper::Sweeper(Sweeper&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), alive_(std::move(other.alive_)) {}

Sweeper& Sweeper::operator=(Sweeper&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(alive_, other.alive_);
  return *this;
}

Sweeper::~Sweeper() {
  if (pid_ < 0) return;
  // Not send(2) and waitpid(2): those are other system calls to the filter of posternd, which has
  // these two anyway. MSG_NOSIGNAL: it may have been killed.
  char done = 0;
  iovec data{&done, 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  sendmsg(alive_.get(), &message, MSG_NOSIGNAL);
  alive_.Reset();
  while (waitid(P_PID, static_cast<id_t>(pid_), nullptr, WEXITED) < 0 && errno == EINTR) {
  }
}

}  // namespace postern
