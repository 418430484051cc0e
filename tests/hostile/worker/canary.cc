#include "tests/hostile/worker/canary.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace postern {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kEverything = FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_ATTRIB | FAN_CREATE |
                                 FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_DELETE_SELF |
                                 FAN_MOVE_SELF | FAN_ONDIR | FAN_EVENT_ON_CHILD;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

Canary::Canary(const std::string& path) : path_(path) {
  fs::create_directories(path_ + "/inner");
  for (const char* name : {"victim", "file", "secret", "inner/victim"}) {
    Write(path_ + "/" + name, "untouched");
  }
  // All rights for everybody: what protects it must not be its mode.
  for (const char* name : {"", "victim", "file", "secret", "inner", "inner/victim"}) {
    const std::string entry = path_ + "/" + name;
    if (chmod(entry.c_str(), 0777) < 0) Die("chmod");
    struct stat status;
    if (stat(entry.c_str(), &status) < 0) Die("stat");
    inodes_.insert(status.st_ino);
  }
  snapshot_ = Snapshot();
  events_.Reset(fanotify_init(
      FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME | FAN_UNLIMITED_QUEUE,
      0));
  if (!events_) Die("fanotify_init");
  Watch(path_);
  Watch(path_ + "/inner");
}

void Canary::Watch(const std::string& path) const {
  if (fanotify_mark(events_.get(), FAN_MARK_ADD, kEverything, AT_FDCWD, path.c_str()) < 0) {
    Die("fanotify_mark");
  }
}

std::vector<std::string> Canary::Snapshot() const {
  // By lstat(2) only: a look at the contents would be a touch.
  std::vector<std::string> lines;
  for (const char* name : {"", "victim", "file", "secret", "inner", "inner/victim"}) {
    struct stat status {};
    const int result = lstat((path_ + "/" + name).c_str(), &status);
    lines.push_back(
        std::string(name) + " " + std::to_string(result) + " ino " + std::to_string(status.st_ino) +
        " mode " + std::to_string(status.st_mode) + " links " + std::to_string(status.st_nlink) +
        " owner " + std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid) + " size " +
        std::to_string(status.st_size) + " ctime " + std::to_string(status.st_ctim.tv_sec) + "." +
        std::to_string(status.st_ctim.tv_nsec));
  }
  return lines;
}

std::vector<std::string> Canary::Touches() {
  std::vector<std::string> touches;
  alignas(fanotify_event_metadata) std::array<char, 8192> buffer;
  for (;;) {
    ssize_t size = read(events_.get(), buffer.data(), buffer.size());
    if (size <= 0) break;
    // Safe because the kernel writes aligned records of this type (fanotify(7)).
    const auto* event = reinterpret_cast<const fanotify_event_metadata*>(buffer.data());
    for (; FAN_EVENT_OK(event, size); event = FAN_EVENT_NEXT(event, size)) {
      touches.push_back("event mask " + std::to_string(event->mask) + " by process " +
                        std::to_string(event->pid));
    }
  }
  std::vector<std::string> now = Snapshot();
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] != snapshot_[i]) touches.push_back(snapshot_[i] + " became " + now[i]);
  }
  snapshot_ = std::move(now);
  return touches;
}

}  // namespace postern
