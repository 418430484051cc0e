#include "tests/conformance/script.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace postern::conformance {
namespace {

constexpr time_t kOldSeconds = 1000000000;  // 2001-09-09
constexpr TimePair kOldTimes = {timespec{kOldSeconds, 0}, timespec{kOldSeconds, 0}};

bool Before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}
bool Same(const timespec& a, const timespec& b) { return !Before(a, b) && !Before(b, a); }

// Filesystems stamp with the coarse clock: only when it has passed `time` can a later change be
// told from one at `time`. It ticks every few milliseconds.
void WaitForClockBeyond(const timespec& time) {
  timespec now{};
  do {
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
  } while (!Before(time, now));
}

}  // namespace

std::string Script::Full(const std::string& path) const {
  // An empty path stays one: what it gives is a result too.
  return path.empty() ? path : directory_ + "/" + path;
}

void Script::Note(std::string operation, const std::string& result) {
  lines_.push_back(who_ + std::move(operation) + ": " + result);
}

void Script::Note(std::string operation, const ErrnoOrVoid& result) {
  Note(std::move(operation), result.ok() ? "ok" : ErrnoName(result.errno_value()));
}

template <typename T, typename Format>
void Script::Note(std::string operation, const ErrnoOr<T>& result, Format&& format) {
  Note(std::move(operation),
       result.ok() ? std::string(format(*result)) : ErrnoName(result.errno_value()));
}

void Script::NoteStat(std::string operation, const ErrnoOr<struct stat>& result) {
  Note(std::move(operation), result, StatText);
}

void Script::As(const Caller& caller) {
  tree_.SetCaller(caller);
  who_.clear();
  if (caller.uid == 0 && caller.gid == 0 && caller.umask == 022) return;
  who_ = "[" + std::to_string(caller.uid) + ":" + std::to_string(caller.gid);
  for (const gid_t group : caller.groups) who_ += "," + std::to_string(group);
  who_ += " umask " + Octal(caller.umask) + "] ";
}

void Script::Mkdir(const std::string& path, mode_t mode) {
  Note("mkdir " + Shown(path) + " " + Octal(mode), tree_.Mkdir(Full(path), mode));
}

void Script::Mknod(const std::string& path, mode_t mode, dev_t device) {
  Note("mknod " + Shown(path) + " " + TypeName(mode) + " " + Octal(mode & 07777) + " " +
           std::to_string(major(device)) + ":" + std::to_string(minor(device)),
       tree_.Mknod(Full(path), mode, device));
}

void Script::Symlink(const std::string& target, const std::string& path) {
  Note("symlink " + Shown(target) + " " + Shown(path), tree_.Symlink(target, Full(path)));
}

void Script::Link(const std::string& from, const std::string& to) {
  Note("link " + Shown(from) + " " + Shown(to), tree_.Link(Full(from), Full(to)));
}

void Script::Unlink(const std::string& path) {
  Note("unlink " + Shown(path), tree_.Unlink(Full(path)));
}

void Script::Rmdir(const std::string& path) {
  Note("rmdir " + Shown(path), tree_.Rmdir(Full(path)));
}

void Script::Rename(const std::string& from, const std::string& to, uint32_t flags) {
  Note("rename " + Shown(from) + " " + Shown(to) + (flags != 0 ? " " + std::to_string(flags) : ""),
       tree_.Rename(Full(from), Full(to), flags));
}

void Script::Readlink(const std::string& path) {
  Note("readlink " + Shown(path), tree_.Readlink(Full(path)), Data);
}

void Script::List(const std::string& path) {
  Note("list " + Shown(path), tree_.Readdir(Full(path)), [](std::vector<DirectoryItem> items) {
    std::ranges::sort(items, {}, &DirectoryItem::name);
    std::string all;
    for (const DirectoryItem& item : items) {
      all += " " + Shown(item.name) + "=" + std::to_string(item.type);
    }
    const std::string count = std::to_string(items.size()) + " entries";
    return all.size() <= 400 ? count + all : count + " " + Hash(all);
  });
}

void Script::Stat(const std::string& path) {
  NoteStat("stat " + Shown(path), tree_.Stat(Full(path), Last::kFollow));
}

void Script::Lstat(const std::string& path) {
  NoteStat("lstat " + Shown(path), tree_.Stat(Full(path), Last::kNoFollow));
}

void Script::Chmod(const std::string& path, mode_t mode) {
  Note("chmod " + Shown(path) + " " + Octal(mode), tree_.Chmod(Full(path), mode));
}

void Script::Chown(const std::string& path, uid_t uid, gid_t gid) {
  Note("chown " + Shown(path) + " " + Id(uid) + ":" + Id(gid),
       tree_.Chown(Full(path), uid, gid, Last::kFollow));
}

void Script::Lchown(const std::string& path, uid_t uid, gid_t gid) {
  Note("lchown " + Shown(path) + " " + Id(uid) + ":" + Id(gid),
       tree_.Chown(Full(path), uid, gid, Last::kNoFollow));
}

void Script::Truncate(const std::string& path, off_t size) {
  Note("truncate " + Shown(path) + " " + std::to_string(size), tree_.Truncate(Full(path), size));
}

void Script::Utimens(const std::string& path, const TimePair& times, Last last) {
  Note((last == Last::kFollow ? "utimens " : "lutimens ") + Shown(path) + " " + TimeText(times[0]) +
           " " + TimeText(times[1]),
       tree_.Utimens(Full(path), times, last));
}

void Script::Access(const std::string& path, int mask) {
  Note("access " + Shown(path) + " " + std::to_string(mask), tree_.Access(Full(path), mask));
}

void Script::Statvfs(const std::string& path) {
  Note("statvfs " + Shown(path), tree_.Statvfs(Full(path)), [](const struct statvfs& s) {
    return "name length " + std::to_string(s.f_namemax) +
           (s.f_bfree <= s.f_blocks && s.f_bavail <= s.f_bfree ? ", blocks fit"
                                                               : ", blocks don't") +
           (s.f_ffree <= s.f_files ? ", files fit" : ", files don't") +
           (s.f_bsize > 0 && s.f_frsize > 0 ? "" : ", no block size");
  });
}

void Script::SameFile(const std::string& one, const std::string& other) {
  const auto first = tree_.Stat(Full(one), Last::kNoFollow);
  const auto second = tree_.Stat(Full(other), Last::kNoFollow);
  const std::string operation = "same file " + Shown(one) + " " + Shown(other);
  if (!first.ok()) return Note(operation, ErrnoName(first.errno_value()));
  Note(operation, second,
       [&](const struct stat& s) { return s.st_ino == first->st_ino ? "yes" : "no"; });
}

void Script::SetOldTimes(const std::string& path) {
  ErrnoOrVoid done = tree_.Utimens(Full(path), kOldTimes, Last::kNoFollow);
  Note("set old times " + Shown(path), done);
  const auto now = tree_.Stat(Full(path), Last::kNoFollow);
  if (!now.ok()) return Note("stat " + Shown(path), ErrnoName(now.errno_value()));
  reference_ = now->st_ctim;
  WaitForClockBeyond(reference_);
}

void Script::ChangedTimes(const std::string& path) {
  Note("changed times " + Shown(path), tree_.Stat(Full(path), Last::kNoFollow),
       [&](const struct stat& s) {
         std::string text;
         if (!Same(s.st_atim, kOldTimes[0])) text += " atime";
         if (!Same(s.st_mtim, kOldTimes[1])) text += " mtime";
         if (!Same(s.st_ctim, reference_)) text += " ctime";
         return text.empty() ? std::string("none") : text.substr(1);
       });
}

void Script::Times(const std::string& path, Last last) {
  Note("times " + Shown(path), tree_.Stat(Full(path), last),
       [](const struct stat& s) { return TimeText(s.st_atim) + " " + TimeText(s.st_mtim); });
}

void Script::Setxattr(const std::string& path, const std::string& name, const std::string& value,
                      int flags, Last last) {
  Note("setxattr " + Shown(path) + " " + Shown(name) + " " + Data(value) + " " +
           std::to_string(flags),
       tree_.Setxattr(Full(path), name, value, flags, last));
}

void Script::Getxattr(const std::string& path, const std::string& name, size_t size, Last last) {
  Note("getxattr " + Shown(path) + " " + Shown(name) + " " + std::to_string(size),
       tree_.Getxattr(Full(path), name, size, last), Data);
}

void Script::Listxattr(const std::string& path, size_t size, Last last) {
  Note("listxattr " + Shown(path) + " " + std::to_string(size),
       tree_.Listxattr(Full(path), size, last), [&](const std::string& names) {
         if (size == 0) return names;
         // The order is the filesystem's business.
         std::vector<std::string> sorted;
         for (size_t at = 0; at < names.size(); at += sorted.back().size() + 1) {
           sorted.emplace_back(names.c_str() + at);
         }
         std::ranges::sort(sorted);
         std::string text = std::to_string(sorted.size()) + " names";
         for (const std::string& name : sorted) text += " " + Shown(name);
         return text;
       });
}

void Script::Removexattr(const std::string& path, const std::string& name, Last last) {
  Note("removexattr " + Shown(path) + " " + Shown(name), tree_.Removexattr(Full(path), name, last));
}

void Script::KeepFile(std::string operation, const ErrnoOr<FileId>& result) {
  files_.push_back(result.ok() ? *result : FileId(0));
  Note(std::move(operation), result, [](FileId) { return "ok"; });
}

void Script::Open(const std::string& path, int flags, mode_t mode) {
  KeepFile("open " + Shown(path) + " " + FlagText(flags) +
               ((flags & O_CREAT) != 0 ? " " + Octal(mode) : ""),
           tree_.Open(Full(path), flags, mode));
}

void Script::Tmpfile(const std::string& path, int flags, mode_t mode) {
  KeepFile("tmpfile " + Shown(path) + " " + FlagText(flags) + " " + Octal(mode),
           tree_.Tmpfile(Full(path), flags, mode));
}

void Script::LinkFile(size_t file, const std::string& path) {
  Note("link file " + std::to_string(file) + " " + Shown(path),
       tree_.LinkFile(File(file), Full(path)));
}

void Script::Close(size_t file) { Note("close " + std::to_string(file), tree_.Close(File(file))); }

void Script::Read(size_t file, off_t offset, size_t count) {
  Note("read " + std::to_string(file) + " " + std::to_string(offset) + "+" + std::to_string(count),
       tree_.Read(File(file), offset, count), Data);
}

void Script::Write(size_t file, off_t offset, const std::string& data) {
  Note("write " + std::to_string(file) + " " + std::to_string(offset) + "+" +
           std::to_string(data.size()),
       tree_.Write(File(file), offset, data), [](size_t count) { return std::to_string(count); });
}

void Script::Fstat(size_t file) {
  NoteStat("fstat " + std::to_string(file), tree_.Fstat(File(file)));
}

void Script::Fchmod(size_t file, mode_t mode) {
  Note("fchmod " + std::to_string(file) + " " + Octal(mode), tree_.Fchmod(File(file), mode));
}

void Script::Fchown(size_t file, uid_t uid, gid_t gid) {
  Note("fchown " + std::to_string(file) + " " + Id(uid) + ":" + Id(gid),
       tree_.Fchown(File(file), uid, gid));
}

void Script::Ftruncate(size_t file, off_t size) {
  Note("ftruncate " + std::to_string(file) + " " + std::to_string(size),
       tree_.Ftruncate(File(file), size));
}

void Script::Futimens(size_t file, const TimePair& times) {
  Note("futimens " + std::to_string(file) + " " + TimeText(times[0]) + " " + TimeText(times[1]),
       tree_.Futimens(File(file), times));
}

void Script::Fallocate(size_t file, int mode, off_t offset, off_t length) {
  Note("fallocate " + std::to_string(file) + " mode " + std::to_string(mode) + " " +
           std::to_string(offset) + "+" + std::to_string(length),
       tree_.Fallocate(File(file), mode, offset, length));
}

void Script::Seek(size_t file, off_t offset, int whence) {
  Note("seek " + std::to_string(file) + (whence == SEEK_DATA ? " data " : " hole ") +
           std::to_string(offset),
       tree_.Seek(File(file), offset, whence), [](off_t at) { return std::to_string(at); });
}

void Script::Copy(size_t from, off_t from_offset, size_t to, off_t to_offset, size_t length) {
  Note("copy " + std::to_string(from) + " " + std::to_string(from_offset) + " " +
           std::to_string(to) + " " + std::to_string(to_offset) + " " + std::to_string(length),
       tree_.Copy(File(from), from_offset, File(to), to_offset, length),
       [](size_t count) { return std::to_string(count); });
}

void Script::Fsync(size_t file, bool data_only) {
  Note((data_only ? "fdatasync " : "fsync ") + std::to_string(file),
       tree_.Fsync(File(file), data_only));
}

void Script::MakeFile(const std::string& path, const std::string& content, mode_t mode) {
  const auto file = tree_.Open(Full(path), O_RDWR | O_CREAT | O_EXCL, 0600);
  const std::string operation = "make file " + Shown(path);
  if (!file.ok()) return Note(operation, ErrnoName(file.errno_value()));
  ErrnoOr<size_t> written = size_t{0};
  if (!content.empty()) written = tree_.Write(*file, 0, content);
  const ErrnoOrVoid closed = tree_.Close(*file);
  const ErrnoOrVoid changed = tree_.Chmod(Full(path), mode);
  if (!written.ok()) return Note(operation, ErrnoName(written.errno_value()));
  if (!closed.ok()) return Note(operation, closed);
  Note(operation, changed);
}

void Script::Content(const std::string& path) {
  constexpr size_t kMost = size_t{16} << 20;
  const std::string operation = "content " + Shown(path);
  const auto file = tree_.Open(Full(path), O_RDONLY, 0);
  if (!file.ok()) return Note(operation, ErrnoName(file.errno_value()));
  const auto data = tree_.Read(*file, 0, kMost);
  const ErrnoOrVoid closed = tree_.Close(*file);
  if (data.ok() && !closed.ok()) return Note(operation, closed);
  Note(operation, data, Data);
}

}  // namespace postern::conformance
