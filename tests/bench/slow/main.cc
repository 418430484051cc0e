// A filesystem that shows a directory, and takes its time: each operation so long, any number of
// them at a time, like a server far away. Nothing is cached by the kernel.
//
// Usage: postern-slow-filesystem SOURCE MOUNT-POINT MICROSECONDS SPARED [libfuse's options…]
// A process whose name (comm) is SPARED, who prepares what is measured, is served at once.
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <fcntl.h>
#include <fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace postern::bench {
namespace {

struct Settings {
  std::string source;
  std::chrono::microseconds delay{0};
  std::string spared;
};
// Constant while it is mounted.
Settings settings;

std::string On(const char* path) { return settings.source + path; }

// What a call of the host's has returned, as libfuse has it.
int Result(ssize_t returned) { return returned < 0 ? -errno : static_cast<int>(returned); }

void TakeTime() {
  const std::string comm = "/proc/" + std::to_string(fuse_get_context()->pid) + "/comm";
  std::string name;
  std::getline(std::ifstream(comm), name);
  if (name != settings.spared) std::this_thread::sleep_for(settings.delay);
}

int FdOf(const fuse_file_info* file) { return static_cast<int>(file->fh); }

int Opened(int fd, fuse_file_info* file) {
  if (fd < 0) return -errno;
  file->fh = static_cast<uint64_t>(fd);
  file->direct_io = 1;  // Each read comes here.
  return 0;
}

void* Init(fuse_conn_info*, fuse_config* config) {
  config->attr_timeout = 0;
  config->entry_timeout = 0;
  config->negative_timeout = 0;
  config->use_ino = 1;
  return nullptr;
}

int Getattr(const char* path, struct stat* attributes, fuse_file_info*) {
  TakeTime();
  return Result(lstat(On(path).c_str(), attributes));
}
int Mkdir(const char* path, mode_t mode) {
  TakeTime();
  return Result(mkdir(On(path).c_str(), mode));
}
int Unlink(const char* path) {
  TakeTime();
  return Result(unlink(On(path).c_str()));
}
int Rmdir(const char* path) {
  TakeTime();
  return Result(rmdir(On(path).c_str()));
}
int Rename(const char* from, const char* to, unsigned int) {
  TakeTime();
  return Result(rename(On(from).c_str(), On(to).c_str()));
}
int Chmod(const char* path, mode_t mode, fuse_file_info*) {
  TakeTime();
  return Result(chmod(On(path).c_str(), mode));
}
int Truncate(const char* path, off_t size, fuse_file_info*) {
  TakeTime();
  return Result(truncate(On(path).c_str(), size));
}
int Utimens(const char* path, const timespec times[2], fuse_file_info*) {
  TakeTime();
  return Result(utimensat(AT_FDCWD, On(path).c_str(), times, AT_SYMLINK_NOFOLLOW));
}
int Open(const char* path, fuse_file_info* file) {
  TakeTime();
  return Opened(open(On(path).c_str(), file->flags & ~O_CREAT), file);
}
int Create(const char* path, mode_t mode, fuse_file_info* file) {
  TakeTime();
  return Opened(open(On(path).c_str(), file->flags | O_CREAT, mode), file);
}
int Read(const char*, char* to, size_t size, off_t offset, fuse_file_info* file) {
  TakeTime();
  return Result(pread(FdOf(file), to, size, offset));
}
int Write(const char*, const char* from, size_t size, off_t offset, fuse_file_info* file) {
  TakeTime();
  return Result(pwrite(FdOf(file), from, size, offset));
}
int Fsync(const char*, int, fuse_file_info* file) {
  TakeTime();
  return Result(fsync(FdOf(file)));
}
int Release(const char*, fuse_file_info* file) { return Result(close(FdOf(file))); }
int Statfs(const char* path, struct statvfs* result) {
  return Result(statvfs(On(path).c_str(), result));
}
int Setxattr(const char* path, const char* name, const char* value, size_t size, int flags) {
  return Result(lsetxattr(On(path).c_str(), name, value, size, flags));
}
int Getxattr(const char* path, const char* name, char* value, size_t size) {
  return Result(lgetxattr(On(path).c_str(), name, value, size));
}
int Readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
            fuse_readdir_flags) {
  TakeTime();
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(On(path).c_str()), &closedir);
  if (listing == nullptr) return -errno;
  while (const dirent* entry = readdir(listing.get())) {
    struct stat known {};
    known.st_ino = entry->d_ino;
    known.st_mode = static_cast<mode_t>(DTTOIF(entry->d_type));
    if (fill(buffer, entry->d_name, &known, 0, fuse_fill_dir_flags{}) != 0) break;
  }
  return 0;
}

fuse_operations Operations() {
  fuse_operations operations{};
  operations.init = &Init;
  operations.getattr = &Getattr;
  operations.mkdir = &Mkdir;
  operations.unlink = &Unlink;
  operations.rmdir = &Rmdir;
  operations.rename = &Rename;
  operations.chmod = &Chmod;
  operations.truncate = &Truncate;
  operations.utimens = &Utimens;
  operations.open = &Open;
  operations.create = &Create;
  operations.read = &Read;
  operations.write = &Write;
  operations.fsync = &Fsync;
  operations.release = &Release;
  operations.statfs = &Statfs;
  operations.setxattr = &Setxattr;
  operations.getxattr = &Getxattr;
  operations.readdir = &Readdir;
  return operations;
}

int Main(int argc, char** argv) {
  uint32_t microseconds = 0;
  if (argc < 5 ||
      std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), microseconds).ec != std::errc()) {
    std::fputs("usage: postern-slow-filesystem SOURCE MOUNT-POINT MICROSECONDS SPARED …\n", stderr);
    return 2;
  }
  settings = {argv[1], std::chrono::microseconds(microseconds), argv[4]};
  umask(0);
  std::vector<char*> arguments = {argv[0], argv[2]};
  arguments.insert(arguments.end(), argv + 5, argv + argc);
  const fuse_operations operations = Operations();
  return fuse_main(static_cast<int>(arguments.size()), arguments.data(), &operations, nullptr);
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) { return postern::bench::Main(argc, argv); }
