#include "tests/conformance/script_text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace postern::conformance {
namespace {

constexpr size_t kShownBytes = 40;
}  // namespace

std::string ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

std::string Hash(std::string_view data) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char text[32];
  std::snprintf(text, sizeof(text), "#%016" PRIx64, hash);
  return text;
}

std::string Data(const std::string& data) {
  if (data.size() <= kShownBytes) return Shown(data);
  return std::to_string(data.size()) + " bytes " + Hash(data);
}

std::string TypeName(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character device";
    case S_IFBLK:
      return "block device";
    default:
      return "type " + std::to_string(mode & S_IFMT);
  }
}

std::string StatText(const struct stat& s) {
  std::string text = TypeName(s.st_mode) + " " + Octal(s.st_mode & 07777) + " nlink " +
                     std::to_string(s.st_nlink) + " owner " + std::to_string(s.st_uid) + ":" +
                     std::to_string(s.st_gid);
  // What a directory's size means is the filesystem's business.
  if (!S_ISDIR(s.st_mode)) text += " size " + std::to_string(s.st_size);
  if (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode)) {
    text += " device " + std::to_string(major(s.st_rdev)) + ":" + std::to_string(minor(s.st_rdev));
  }
  return text;
}

std::string TimeText(const timespec& time) {
  if (time.tv_nsec == UTIME_NOW) return "now";
  if (time.tv_nsec == UTIME_OMIT) return "omit";
  return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec);
}

std::string Id(uint32_t id) { return id == ~uint32_t{0} ? "-" : std::to_string(id); }

std::string FlagText(int flags) {
  std::string text;
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      text = "r";
      break;
    case O_WRONLY:
      text = "w";
      break;
    default:
      text = "rw";
  }
  constexpr struct {
    int flag;
    const char* name;
  } kNames[] = {{O_CREAT, "creat"},       {O_EXCL, "excl"},         {O_TRUNC, "trunc"},
                {O_APPEND, "append"},     {O_NOFOLLOW, "nofollow"}, {O_DIRECTORY, "directory"},
                {O_NONBLOCK, "nonblock"}, {O_DIRECT, "direct"},     {O_SYNC, "sync"},
                {O_NOATIME, "noatime"}};
  for (const auto& [flag, name] : kNames) {
    if ((flags & flag) == flag) text += std::string("|") + name;
  }
  return text;
}

std::string Octal(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04o", mode);
  return text;
}

std::string Shown(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, kShownBytes)) {
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      shown += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
      shown += escaped;
    }
  }
  shown += '"';
  if (text.size() > kShownBytes) shown += "…" + std::to_string(text.size());
  return shown;
}

std::string Pattern(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (size_t i = 0; i < size; i += sizeof(state)) {
    state ^= state << 13;  // xorshift64
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(text.data() + i, &state, std::min(sizeof(state), size - i));
  }
  return text;
}

}  // namespace postern::conformance
