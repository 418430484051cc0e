// chmod, chown and utimens, and what they leave.
#include <fcntl.h>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

struct Target {
  const char* name;
  void (*make)(Script&);
};

constexpr Target kTargets[] = {
    {"file", [](Script& s) { s.MakeFile("it"); }},
    {"directory", [](Script& s) { s.Mkdir("it"); }},
    {"fifo", [](Script& s) { s.Mknod("it", S_IFIFO | 0644); }},
    {"link",
     [](Script& s) {
       s.MakeFile("target");
       s.Symlink("target", "it");
     }},
};

void Show(Script& s) {
  s.Lstat("it");
  s.Stat("it");
}

constexpr uint32_t kSame = ~uint32_t{0};

constexpr struct {
  const char* name;
  TimePair times;
} kTimes[] = {
    {"both", {timespec{1111111111, 123456789}, timespec{1222222222, 987654321}}},
    {"epoch", {timespec{0, 0}, timespec{0, 0}}},
    {"last-nanosecond", {timespec{1, 999999999}, timespec{2, 999999999}}},
    {"before-1970", {timespec{-2, 500000000}, timespec{-86400, 1}}},
    {"1901", {timespec{-2147483648, 0}, timespec{-2147483648, 0}}},
    {"after-2038", {timespec{2147483648, 5}, timespec{4294967296, 6}}},
    {"only-atime", {timespec{1111111111, 1}, timespec{0, UTIME_OMIT}}},
    {"only-mtime", {timespec{0, UTIME_OMIT}, timespec{1222222222, 2}}},
    {"neither", {timespec{0, UTIME_OMIT}, timespec{0, UTIME_OMIT}}},
};

constexpr struct {
  const char* name;
  TimePair times;
} kNow[] = {
    {"both-now", {timespec{0, UTIME_NOW}, timespec{0, UTIME_NOW}}},
    {"atime-now", {timespec{0, UTIME_NOW}, timespec{0, UTIME_OMIT}}},
    {"mtime-now", {timespec{0, UTIME_OMIT}, timespec{0, UTIME_NOW}}},
    {"atime-now-mtime-set", {timespec{0, UTIME_NOW}, timespec{1000000000, 0}}},
};

void AddModes(std::vector<Check>& checks, const Target& target) {
  for (const mode_t mode : {0u, 0777u, 07777u, 04755u, 02755u, 02745u, 01777u, 0640u, 0111u}) {
    checks.push_back({std::string("attribute/chmod/") + target.name + "/" + Octal(mode), kNothing,
                      [target, mode](Script& s) {
                        target.make(s);
                        s.Chmod("it", mode);
                        Show(s);
                      }});
  }
}

void AddOwners(std::vector<Check>& checks, const Target& target) {
  constexpr struct {
    const char* name;
    uint32_t uid;
    uint32_t gid;
  } kOwners[] = {{"both", kUser, kGroup},
                 {"user", kUser, kSame},
                 {"group", kSame, kGroup},
                 {"neither", kSame, kSame},
                 {"root", 0, 0},
                 {"largest", 65534, 65534},
                 {"beyond-16-bits", 70000, 1u << 30}};
  for (const auto& owner : kOwners) {
    for (const bool follow : {true, false}) {
      checks.push_back({std::string("attribute/") + (follow ? "chown/" : "lchown/") + target.name +
                            "/" + owner.name,
                        kNothing, [target, owner, follow](Script& s) {
                          target.make(s);
                          s.Chown("it", 3, 4);
                          if (follow) {
                            s.Chown("it", owner.uid, owner.gid);
                          } else {
                            s.Lchown("it", owner.uid, owner.gid);
                          }
                          Show(s);
                        }});
    }
  }
}

void AddTimes(std::vector<Check>& checks, const Target& target) {
  for (const auto& [name, times] : kTimes) {
    for (const Last last : {Last::kFollow, Last::kNoFollow}) {
      checks.push_back({std::string("attribute/") +
                            (last == Last::kFollow ? "utimens/" : "lutimens/") + target.name + "/" +
                            name,
                        kNothing, [target, set = times, last](Script& s) {
                          target.make(s);
                          s.Utimens("it", {timespec{777777777, 7}, timespec{888888888, 8}}, last);
                          s.Utimens("it", set, last);
                          s.Times("it", last);
                        }});
    }
  }
  for (const auto& [name, times] : kNow) {
    checks.push_back({std::string("attribute/lutimens/") + target.name + "/" + name, kNothing,
                      [target, set = times](Script& s) {
                        target.make(s);
                        s.SetOldTimes("it");
                        s.Utimens("it", set, Last::kNoFollow);
                        s.ChangedTimes("it");
                      }});
  }
}

}  // namespace

void AddAttributeChecks(std::vector<Check>& checks) {
  for (const Target& target : kTargets) {
    AddModes(checks, target);
    AddOwners(checks, target);
    AddTimes(checks, target);
  }
  for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR}) {
    checks.push_back({"attribute/by-open-file/" + FlagText(flags), kNothing, [flags](Script& s) {
                        s.MakeFile("it");
                        s.Open("it", flags);
                        s.Fchmod(0, 0751);
                        s.Fchown(0, kUser, kGroup);
                        s.Futimens(0, {timespec{5, 6}, timespec{7, 8}});
                        s.Fstat(0);
                        s.Times("it");
                        s.Ftruncate(0, 4);
                        s.Fstat(0);
                      }});
  }
  checks.push_back({"attribute/by-open-directory", kNothing, [](Script& s) {
                      s.Mkdir("it");
                      s.Open("it", O_RDONLY | O_DIRECTORY);
                      s.Fchmod(0, 0751);
                      s.Fchown(0, kUser, kGroup);
                      s.Futimens(0, {timespec{5, 6}, timespec{7, 8}});
                      s.Fstat(0);
                      s.Times("it");
                      s.Fsync(0);
                      s.Fsync(0, /*data_only=*/true);
                    }});
  for (const int mask : {0, 1, 2, 3, 4, 5, 6, 7}) {
    checks.push_back(
        {"attribute/access-by-root/" + std::to_string(mask), kNothing, [mask](Script& s) {
           s.MakeFile("plain", "", 0644);
           s.MakeFile("none", "", 0);
           s.MakeFile("exec", "", 0100);
           s.MakeFile("exec-by-others", "", 0001);
           s.Mkdir("directory", 0700);
           for (const char* path : {"plain", "none", "exec", "exec-by-others", "directory"}) {
             s.Access(path, mask);
           }
         }});
  }
}

}  // namespace postern::conformance
