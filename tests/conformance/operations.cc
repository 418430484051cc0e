#include "tests/conformance/operations.h"

#include <fcntl.h>
#include <unistd.h>

namespace postern::conformance {
namespace {

using Path = const std::string&;

// Opens, looks at the file, and closes it. O_NONBLOCK, or a fifo without a peer would wait for one.
template <int kFlags>
void OpenAs(Script& s, Path p) {
  s.Open(p, kFlags | O_NONBLOCK, 0640);
  s.Fstat(s.opened() - 1);
  s.Close(s.opened() - 1);
}

constexpr TimePair kTimes = {timespec{1111111111, 123456789}, timespec{1222222222, 987654321}};

constexpr Operation kOperations[] = {
    {"stat", false, [](Script& s, Path p) { s.Stat(p); }},
    {"lstat", false, [](Script& s, Path p) { s.Lstat(p); }},
    {"access", false, [](Script& s, Path p) { s.Access(p, R_OK | W_OK); }},
    {"statvfs", false, [](Script& s, Path p) { s.Statvfs(p); }},
    {"readlink", false, [](Script& s, Path p) { s.Readlink(p); }},
    {"list", false, [](Script& s, Path p) { s.List(p); }},
    {"open-read", true, OpenAs<O_RDONLY>},
    {"open-write", true, OpenAs<O_WRONLY>},
    {"open-both", true, OpenAs<O_RDWR>},
    {"open-append", true, OpenAs<O_WRONLY | O_APPEND>},
    {"open-truncate", true, OpenAs<O_WRONLY | O_TRUNC>},
    {"open-directory", true, OpenAs<O_RDONLY | O_DIRECTORY>},
    {"open-nofollow", true, OpenAs<O_RDONLY | O_NOFOLLOW>},
    {"create", true, OpenAs<O_RDWR | O_CREAT>},
    {"create-truncate", true, OpenAs<O_RDWR | O_CREAT | O_TRUNC>},
    {"create-exclusive", false, OpenAs<O_RDWR | O_CREAT | O_EXCL>},
    {"create-nofollow", true, OpenAs<O_RDWR | O_CREAT | O_NOFOLLOW>},
    {"mkdir", false, [](Script& s, Path p) { s.Mkdir(p); }},
    {"mkfifo", false, [](Script& s, Path p) { s.Mknod(p, S_IFIFO | 0640); }},
    {"mknod-file", false, [](Script& s, Path p) { s.Mknod(p, S_IFREG | 0640); }},
    {"symlink", false, [](Script& s, Path p) { s.Symlink("other", p); }},
    {"link-from", false, [](Script& s, Path p) { s.Link(p, "made"); }},
    {"link-to", false, [](Script& s, Path p) { s.Link("other", p); }},
    {"unlink", false, [](Script& s, Path p) { s.Unlink(p); }},
    {"rmdir", false, [](Script& s, Path p) { s.Rmdir(p); }},
    {"rename-from", false, [](Script& s, Path p) { s.Rename(p, "made"); }},
    {"rename-to", false, [](Script& s, Path p) { s.Rename("other", p); }},
    {"chmod", false, [](Script& s, Path p) { s.Chmod(p, 0711); }},
    {"chown", false, [](Script& s, Path p) { s.Chown(p, 12001, 13001); }},
    {"lchown", false, [](Script& s, Path p) { s.Lchown(p, 12001, 13001); }},
    {"truncate", false, [](Script& s, Path p) { s.Truncate(p, 3); }},
    {"utimens", false,
     [](Script& s, Path p) {
       s.Utimens(p, kTimes);
       s.Times(p, Last::kFollow);
     }},
    {"lutimens", false,
     [](Script& s, Path p) {
       s.Utimens(p, kTimes, Last::kNoFollow);
       s.Times(p);
     }},
};

}  // namespace

std::span<const Operation> Operations() { return kOperations; }

}  // namespace postern::conformance
