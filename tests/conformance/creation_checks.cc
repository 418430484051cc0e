// Owner, group and mode of what is made, by whom, and where.
#include <fcntl.h>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

struct Maker {
  const char* name;
  uint32_t needs;
  void (*make)(Script&, mode_t mode);
};

constexpr Maker kMakers[] = {
    {"open", kNothing, [](Script& s, mode_t mode) { s.Open("d/it", O_RDWR | O_CREAT, mode); }},
    {"open-exclusive", kNothing,
     [](Script& s, mode_t mode) { s.Open("d/it", O_WRONLY | O_CREAT | O_EXCL, mode); }},
    {"mkdir", kNothing, [](Script& s, mode_t mode) { s.Mkdir("d/it", mode); }},
    {"mknod-file", kNothing, [](Script& s, mode_t mode) { s.Mknod("d/it", S_IFREG | mode); }},
    {"mkfifo", kNothing, [](Script& s, mode_t mode) { s.Mknod("d/it", S_IFIFO | mode); }},
    {"mksocket", kNothing, [](Script& s, mode_t mode) { s.Mknod("d/it", S_IFSOCK | mode); }},
    {"symlink", kNothing, [](Script& s, mode_t) { s.Symlink("target", "d/it"); }},
    {"tmpfile", kTmpfile,
     [](Script& s, mode_t mode) {
       s.Tmpfile("d", O_RDWR, mode);
       s.Fstat(0);
       s.As({});
       s.LinkFile(0, "d/it");
     }},
};

struct Parent {
  const char* name;
  mode_t mode;
  gid_t group;
};

constexpr Parent kParents[] = {
    {"plain", 0777, 0},
    {"sticky", 01777, kThirdGroup},
    {"set-gid", 02777, kThirdGroup},
    {"set-gid-of-own-group", 02777, kGroup},
    {"only-for-group", 0770, kThirdGroup},
};

constexpr struct {
  mode_t mode;
  mode_t umask;
} kModes[] = {{0666, 022}, {0777, 0}, {02770, 027}, {06777, 077}, {01644, 0}, {0, 0777}};

const struct {
  const char* name;
  Caller caller;
} kCallers[] = {
    {"root", {}},
    {"user", {.uid = kUser, .gid = kGroup}},
    {"member-of-third-group", {.uid = kUser, .gid = kGroup, .groups = {kThirdGroup, 40000}}},
    {"only-third-group", {.uid = kUser, .gid = kThirdGroup}},
    {"root-of-a-group", {.uid = 0, .gid = kGroup}},
    {"user-of-group-0", {.uid = kUser, .gid = 0}},
};

}  // namespace

void AddCreationChecks(std::vector<Check>& checks) {
  for (const Maker& maker : kMakers) {
    for (const Parent& parent : kParents) {
      for (const auto& who : kCallers) {
        const bool refused = parent.mode == 0770 && who.caller.gid != kThirdGroup &&
                             who.caller.groups.empty() && who.caller.uid != 0;
        checks.push_back(
            {std::string("creation/") + maker.name + "/in-" + parent.name + "/by-" + who.name,
             maker.needs | (refused ? kKernel : kNothing),
             [maker, parent, caller = who.caller](Script& s) {
               for (const auto& [mode, mask] : kModes) {
                 s.Mkdir("d");
                 s.Chown("d", 0, parent.group);
                 s.Chmod("d", parent.mode);
                 Caller now = caller;
                 now.umask = mask;
                 s.As(now);
                 maker.make(s, mode);
                 s.As({});
                 s.Lstat("d/it");
                 s.Rename("d", "d" + Octal(mode));
               }
             }});
      }
    }
  }
}

}  // namespace postern::conformance
