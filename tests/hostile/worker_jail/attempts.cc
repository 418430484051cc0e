#include "tests/hostile/worker_jail/attempts.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace postern {
namespace {

long Open(const char* path, int flags) { return open(path, flags | O_CLOEXEC, 0600); }

// The names in the root directory, "." and ".." aside.
long ListRoot(const Loot&) {
  DIR* root = opendir("/");
  if (root == nullptr) return -1;
  long names = 0;
  while (readdir(root) != nullptr) ++names;
  closedir(root);
  errno = ENOENT;
  return names > 2 ? names : -1;
}

long Connect(int family, int type, const sockaddr* address, socklen_t size) {
  const int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int result = connect(fd, address, size);
  return result < 0 && errno == EINPROGRESS ? 0 : result;
}
long ConnectInternet(const Loot&) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(0x08080808);
  // Safe because that is how every sockets API takes its addresses.
  return Connect(AF_INET, SOCK_DGRAM, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}
long ConnectLoopback(const Loot&) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(22);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Connect(AF_INET, SOCK_STREAM, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address));
}
long ConnectSyslog(const Loot&) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  return Connect(AF_UNIX, SOCK_DGRAM, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}
long OpenVsock(const Loot&) { return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); }
long OpenNetlink(const Loot&) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0); }

// All the numbers that a process may have, but its own.
template <typename Call>
long WithAnyProcess(Call&& call) {
  for (int pid = 2; pid < 70'000; ++pid) {
    if (pid != getpid() && call(pid) >= 0) return pid;
  }
  return -1;
}
long SignalAnybody(const Loot&) {
  return WithAnyProcess([](int pid) { return kill(pid, 0); });
}
long TraceAnybody(const Loot&) {
  return WithAnyProcess([](int pid) { return ptrace(PTRACE_SEIZE, pid, 0, 0); });
}
long ReadAnybodysMemory(const Loot&) {
  return WithAnyProcess([](int pid) {
    char byte;
    const iovec here{&byte, 1};
    const iovec there{&byte, 1};
    return process_vm_readv(pid, &here, 1, &there, 1, 0);
  });
}
long OpenAnybodysPidfd(const Loot&) {
  return WithAnyProcess([](int pid) { return syscall(SYS_pidfd_open, pid, 0); });
}
long SignalOwnGroup(const Loot&) { return kill(0, SIGCONT); }

long Fork(const Loot&) {
  const long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid;
}
long ForkByClone3(const Loot&) {
  struct {
    uint64_t fields[8];
  } arguments{};
  arguments.fields[4] = SIGCHLD;  // clone_args.exit_signal
  const long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
  if (pid == 0) _exit(0);
  return pid;
}
long ExecuteShell(const Loot&) {
  char name[] = "sh";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};
  return execve("/bin/sh", arguments, environment);
}
long ExecuteTheShare(const Loot& loot) {
  char name[] = "x";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};
  return syscall(SYS_execveat, loot.reading, "", arguments, environment, AT_EMPTY_PATH);
}

// Nothing is freed: the process ends after its one attempt.
long MapExecutable(const Loot&) {
  return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
              0) == MAP_FAILED
             ? -1
             : 0;
}
long MapTheShareExecutable(const Loot& loot) {
  return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, loot.reading, 0) == MAP_FAILED ? -1
                                                                                                : 0;
}
long MakeExecutable(const Loot&) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

long OpenByHandle(const Loot& loot) {
  // The way out of many a container: the number of the root directory is easily guessed, and any
  // descriptor names the filesystem.
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  // Safe because the room is aligned and larger than the structure.
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (name_to_handle_at(loot.reading, "", handle, &mount, AT_EMPTY_PATH) < 0) return -1;
  return open_by_handle_at(loot.reading, handle, O_RDWR | O_CLOEXEC);
}

long WriteWhereItReads(const Loot& loot) {
  char byte = 'x';
  const iovec data{&byte, 1};
  return pwritev(loot.reading, &data, 1, 0);
}
long AllocateWhereItReads(const Loot& loot) { return fallocate(loot.reading, 0, 0, 4096); }
long CopyToWhereItReads(const Loot& loot) {
  off_t from = 0;
  off_t to = 0;
  return copy_file_range(loot.writing, &from, loot.reading, &to, 1, 0);
}
long SetFlags(const Loot& loot) {
  int flags = FS_IMMUTABLE_FL;
  return ioctl(loot.writing, FS_IOC_SETFLAGS, &flags);
}
long Lock(const Loot& loot) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  return fcntl(loot.writing, F_SETLK, &lock);
}

// What the log is.
long ReadTheLog(const Loot&) {
  char byte;
  return read(STDERR_FILENO, &byte, 1);
}
long FillTheLog(const Loot&) { return fallocate(STDERR_FILENO, 0, 0, 1 << 20); }
long PunchTheLog(const Loot&) {
  return fallocate(STDERR_FILENO, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}
long SeekInTheLog(const Loot&) { return lseek(STDERR_FILENO, 0, SEEK_DATA); }
long CopyOverTheLog(const Loot& loot) {
  off_t from = 0;
  off_t to = 0;
  return copy_file_range(loot.writing, &from, STDERR_FILENO, &to, 1, 0);
}

// More than any worker is allowed, and less than there are addresses.
long TakeMemory(const Loot&) {
  constexpr size_t kPiece = size_t{64} << 20;
  for (size_t taken = 0; taken < size_t{64} << 30; taken += kPiece) {
    if (mmap(nullptr, kPiece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
        MAP_FAILED) {
      return -1;
    }
  }
  return 0;
}
// Room that can't be used counts for nothing, until it can.
long TakeMemoryByHeaps(const Loot&) {
  constexpr size_t kPiece = size_t{64} << 20;
  for (size_t taken = 0; taken < size_t{64} << 30; taken += kPiece) {
    void* const piece = mmap(nullptr, kPiece, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED || mprotect(piece, kPiece, PROT_READ | PROT_WRITE) < 0) return -1;
  }
  return 0;
}
long LiftTheMemoryLimit(const Loot&) {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  return setrlimit(RLIMIT_DATA, &unlimited);
}

long SetUpRing(const Loot&) {
  io_uring_params parameters{};
  return syscall(SYS_io_uring_setup, 1, &parameters);
}
long LoadProgram(const Loot&) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes));
}
long CountEvents(const Loot&) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}
long RaiseLimits(const Loot&) {
  rlimit limit{1'000, 1'000};
  return setrlimit(RLIMIT_NPROC, &limit);
}

// One line each: name, attempt, whether the jail refuses it without its filter, too.
constexpr Attempt kAttempts[] = {
    // Names: there are none.
    {"list-root", &ListRoot, true},
    {"open-passwd", [](const Loot&) { return Open("/etc/passwd", O_RDONLY); }, true},
    {"open-maps", [](const Loot&) { return Open("/proc/self/maps", O_RDONLY); }, true},
    {"open-own-descriptor", [](const Loot&) { return Open("/proc/self/fd/3", O_RDWR); }, true},
    {"open-parent-of-root", [](const Loot&) { return Open("/../../etc/passwd", O_RDONLY); }, true},
    {"open-beside-the-file",
     [](const Loot& loot) -> long {
       return openat(loot.reading, "../writable", O_RDWR | O_CLOEXEC);
     },
     true},
    {"open-by-handle", &OpenByHandle, true},
    {"make-file", [](const Loot&) { return Open("/new", O_RDWR | O_CREAT); }, true},
    {"make-temporary-file", [](const Loot&) { return Open("/", O_RDWR | O_TMPFILE); }, true},
    {"make-directory", [](const Loot&) -> long { return mkdir("/new", 0700); }, true},
    {"make-device", [](const Loot&) -> long { return mknod("/new", S_IFCHR | 0600, 0x103); }, true},
    {"change-roots-mode", [](const Loot&) -> long { return chmod("/", 0777); }, true},
    {"enter-the-file", [](const Loot& loot) -> long { return fchdir(loot.reading); }, true},
    {"chroot", [](const Loot&) -> long { return chroot("/"); }, true},
    {"mount", [](const Loot&) -> long { return mount("none", "/", "tmpfs", 0, nullptr); }, true},
    {"unmount", [](const Loot&) -> long { return umount2("/", MNT_DETACH); }, true},
    {"new-mount-namespace", [](const Loot&) -> long { return unshare(CLONE_NEWNS); }, true},
    {"new-user-namespace", [](const Loot&) -> long { return unshare(CLONE_NEWUSER); }, false},
    // Other processes: there are none.
    {"signal-anybody", &SignalAnybody, true},
    {"signal-own-group", &SignalOwnGroup, false},
    {"trace-anybody", &TraceAnybody, true},
    {"read-anybodys-memory", &ReadAnybodysMemory, true},
    {"pidfd-of-anybody", &OpenAnybodysPidfd, true},
    {"fork", &Fork, true},
    {"fork-by-clone3", &ForkByClone3, true},
    {"execute-shell", &ExecuteShell, true},
    {"execute-the-share", &ExecuteTheShare, true},
    // Rights: there are none.
    {"become-root", [](const Loot&) -> long { return setresuid(0, 0, 0); }, true},
    {"join-roots-group", [](const Loot&) -> long { return setresgid(0, 0, 0); }, true},
    {"take-groups",
     [](const Loot&) -> long {
       const gid_t zero = 0;
       return setgroups(1, &zero);
     },
     true},
    {"raise-limits", &RaiseLimits, true},
    {"become-dumpable", [](const Loot&) -> long { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); },
     false},
    // The log: nothing but new lines, and memory within bounds.
    {"read-the-log", &ReadTheLog, true},
    {"fill-the-log", &FillTheLog, true},
    {"punch-holes-into-the-log", &PunchTheLog, true},
    {"cut-the-log", [](const Loot&) -> long { return ftruncate(STDERR_FILENO, 0); }, true},
    {"seek-in-the-log", &SeekInTheLog, true},
    {"copy-over-the-log", &CopyOverTheLog, true},
    {"own-the-log", [](const Loot&) -> long { return fchmod(STDERR_FILENO, 0777); }, true},
    {"take-memory", &TakeMemory, true},
    {"take-memory-by-heaps", &TakeMemoryByHeaps, true},
    {"lift-the-memory-limit", &LiftTheMemoryLimit, true},
    {"rename-host", [](const Loot&) -> long { return sethostname("x", 1); }, true},
    // The network.
    {"connect-internet", &ConnectInternet, true},
    {"connect-loopback", &ConnectLoopback, true},
    {"connect-syslog", &ConnectSyslog, true},
    {"open-vsock", &OpenVsock, false},
    {"open-netlink", &OpenNetlink, false},
    // Code, and the corners of the kernel.
    {"map-executable", &MapExecutable, false},
    {"map-the-share-executable", &MapTheShareExecutable, false},
    {"make-executable", &MakeExecutable, false},
    {"io-uring", &SetUpRing, false},
    {"bpf", &LoadProgram, false},
    {"perf-events", &CountEvents, false},
    {"userfaultfd", [](const Loot&) -> long { return syscall(SYS_userfaultfd, O_CLOEXEC); }, false},
    {"memfd", [](const Loot&) -> long { return memfd_create("x", MFD_CLOEXEC); }, false},
    {"keyring",
     [](const Loot&) -> long {
       return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
     },
     false},
    // What it has been given: no more than the open mode says.
    {"write-where-it-reads", &WriteWhereItReads, true},
    {"allocate-where-it-reads", &AllocateWhereItReads, true},
    {"copy-to-where-it-reads", &CopyToWhereItReads, true},
    {"truncate-where-it-reads", [](const Loot& loot) -> long { return ftruncate(loot.reading, 0); },
     true},
    {"change-the-files-mode", [](const Loot& loot) -> long { return fchmod(loot.writing, 04755); },
     true},
    {"change-the-files-owner",
     [](const Loot& loot) -> long { return fchown(loot.writing, getuid(), getgid()); }, true},
    {"change-the-files-attribute",
     [](const Loot& loot) -> long { return fsetxattr(loot.writing, "user.x", "y", 1, 0); }, true},
    {"make-the-file-immutable", &SetFlags, true},
    {"lock-the-file", &Lock, false},
    {"lease-the-file",
     [](const Loot& loot) -> long { return fcntl(loot.writing, F_SETLEASE, F_WRLCK); }, true},
    {"give-the-file-a-name",
     [](const Loot& loot) -> long {
       return linkat(loot.writing, "", AT_FDCWD, "/new", AT_EMPTY_PATH);
     },
     true},
};

}  // namespace

std::span<const Attempt> Attempts() { return kAttempts; }

const Attempt* FindAttempt(std::string_view name) {
  for (const Attempt& attempt : kAttempts) {
    if (attempt.name == name) return &attempt;
  }
  return nullptr;
}

}  // namespace postern
