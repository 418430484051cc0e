// Who may do what to a file, and in a directory.
#include <fcntl.h>
#include <unistd.h>

#include <iterator>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

using Path = const std::string&;

struct Act {
  const char* name;
  void (*act)(Script&, Path p);
};

template <int kFlags>
void OpenAs(Script& s, Path p) {
  s.Open(p, kFlags);
}

constexpr Act kOnFile[] = {
    {"open-read", OpenAs<O_RDONLY>},
    {"open-write", OpenAs<O_WRONLY>},
    {"open-both", OpenAs<O_RDWR>},
    {"open-truncate", OpenAs<O_WRONLY | O_TRUNC>},
    {"open-noatime", OpenAs<O_RDONLY | O_NOATIME>},
    {"truncate", [](Script& s, Path p) { s.Truncate(p, 1); }},
    {"stat", [](Script& s, Path p) { s.Stat(p); }},
    {"chmod", [](Script& s, Path p) { s.Chmod(p, 0604); }},
    {"chmod-set-gid", [](Script& s, Path p) { s.Chmod(p, 02775); }},
    {"chmod-sticky", [](Script& s, Path p) { s.Chmod(p, 01775); }},
    {"chown-to-other", [](Script& s, Path p) { s.Chown(p, kOtherUser, ~gid_t{0}); }},
    {"chown-to-same", [](Script& s, Path p) { s.Chown(p, kUser, ~gid_t{0}); }},
    {"chown-to-own-group", [](Script& s, Path p) { s.Chown(p, ~uid_t{0}, kThirdGroup); }},
    {"chown-to-foreign-group", [](Script& s, Path p) { s.Chown(p, ~uid_t{0}, 5555); }},
    {"utimens-now",
     [](Script& s, Path p) {
       s.Utimens(p, {timespec{0, UTIME_NOW}, timespec{0, UTIME_NOW}});
     }},
    {"utimens-set",
     [](Script& s, Path p) {
       s.Utimens(p, {timespec{5, 6}, timespec{7, 8}});
     }},
    {"access",
     [](Script& s, Path p) {
       for (const int mask : {R_OK, W_OK, X_OK, R_OK | X_OK}) s.Access(p, mask);
     }},
    {"unlink", [](Script& s, Path p) { s.Unlink(p); }},
    {"link", [](Script& s, Path p) { s.Link(p, "linked"); }},
};

constexpr Act kInDirectory[] = {
    {"list", [](Script& s, Path p) { s.List(p); }},
    {"lookup", [](Script& s, Path p) { s.Lstat(p + "/inner"); }},
    {"lookup-missing", [](Script& s, Path p) { s.Lstat(p + "/missing"); }},
    {"open-inner", [](Script& s, Path p) { s.Open(p + "/inner", O_RDONLY); }},
    {"create", [](Script& s, Path p) { s.Open(p + "/new", O_WRONLY | O_CREAT); }},
    {"create-existing", [](Script& s, Path p) { s.Open(p + "/inner", O_RDONLY | O_CREAT); }},
    {"mkdir", [](Script& s, Path p) { s.Mkdir(p + "/new"); }},
    {"mkdir-existing", [](Script& s, Path p) { s.Mkdir(p + "/sub"); }},
    {"symlink", [](Script& s, Path p) { s.Symlink("x", p + "/new"); }},
    {"mkfifo", [](Script& s, Path p) { s.Mknod(p + "/new", S_IFIFO | 0600); }},
    {"mknod-device", [](Script& s, Path p) { s.Mknod(p + "/new", S_IFCHR | 0600, 0x103); }},
    {"unlink", [](Script& s, Path p) { s.Unlink(p + "/inner"); }},
    {"unlink-missing", [](Script& s, Path p) { s.Unlink(p + "/missing"); }},
    {"rmdir", [](Script& s, Path p) { s.Rmdir(p + "/sub"); }},
    {"rename-within", [](Script& s, Path p) { s.Rename(p + "/inner", p + "/renamed"); }},
    {"rename-over", [](Script& s, Path p) { s.Rename(p + "/second", p + "/inner"); }},
    {"rename-directory-out", [](Script& s, Path p) { s.Rename(p + "/sub", p + "-out"); }},
    {"tmpfile", [](Script& s, Path p) { s.Tmpfile(p, O_RDWR); }},
    {"statvfs", [](Script& s, Path p) { s.Statvfs(p); }},
};

const Caller kCallers[] = {
    {.uid = kUser, .gid = kGroup, .groups = {kThirdGroup}},
    {.uid = kOtherUser, .gid = kGroup},
    {.uid = kOtherUser, .gid = kOtherGroup, .groups = {77, kGroup}},
    {.uid = kOtherUser, .gid = kOtherGroup},
    {.uid = 0, .gid = kOtherGroup},
};

void MakeDirectory(Script& s, Path p, mode_t mode) {
  s.Mkdir(p);
  s.MakeFile(p + "/inner");
  s.MakeFile(p + "/second");
  s.Mkdir(p + "/sub");
  s.Chown(p + "/second", kOtherUser, kOtherGroup);
  s.Chown(p, kUser, kGroup);
  s.Chmod(p, mode);
}

void ForEachCaller(Script& s, const std::function<void(Path)>& make, const Act& act) {
  for (size_t i = 0; i < std::size(kCallers); ++i) {
    const std::string path = "it-" + std::to_string(i);
    make(path);
    s.As(kCallers[i]);
    act.act(s, path);
    s.As({});
    s.Lstat(path);
  }
}

}  // namespace

void AddPermissionChecks(std::vector<Check>& checks) {
  for (const mode_t mode :
       {0u, 0777u, 0400u, 0200u, 0100u, 0040u, 0020u, 0004u, 0002u, 0070u, 0007u, 0077u, 0644u}) {
    for (const Act& act : kOnFile) {
      checks.push_back({std::string("permission/file/") + act.name + "/" + Octal(mode), kKernel,
                        [act, mode](Script& s) {
                          ForEachCaller(
                              s,
                              [&](Path p) {
                                s.MakeFile(p);
                                s.Chown(p, kUser, kGroup);
                                s.Chmod(p, mode);
                              },
                              act);
                        }});
    }
  }
  for (const mode_t mode : {0u, 0700u, 0070u, 0007u, 0400u, 0100u, 0300u, 0500u, 0755u, 0773u,
                            01777u, 01775u, 02775u}) {
    for (const Act& act : kInDirectory) {
      const uint32_t needs = std::string(act.name) == "tmpfile" ? kKernel | kTmpfile : kKernel;
      checks.push_back({std::string("permission/directory/") + act.name + "/" + Octal(mode), needs,
                        [act, mode](Script& s) {
                          ForEachCaller(
                              s, [&](Path p) { MakeDirectory(s, p, mode); }, act);
                        }});
    }
  }
}

}  // namespace postern::conformance
