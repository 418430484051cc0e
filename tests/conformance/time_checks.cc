// Which of atime, mtime and ctime an operation moves.
#include <fcntl.h>

#include "tests/conformance/check.h"

namespace postern::conformance {

void AddTimeChecks(std::vector<Check>& checks) {
  static constexpr struct {
    const char* name;
    const char* watched;
    void (*act)(Script&);
  } kActs[] = {
      {"stat", "f", [](Script& s) { s.Lstat("f"); }},
      {"read", "f", [](Script& s) { s.Content("f"); }},
      {"open-only", "f", [](Script& s) { s.Open("f", O_RDWR); }},
      {"write", "f",
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Write(0, 0, "x");
         s.Close(0);
       }},
      {"truncate", "f", [](Script& s) { s.Truncate("f", 1); }},
      {"truncate-to-same-size", "f", [](Script& s) { s.Truncate("f", 7); }},
      {"open-truncate", "f", [](Script& s) { s.Open("f", O_WRONLY | O_TRUNC); }},
      {"ftruncate", "f",
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Ftruncate(0, 2);
       }},
      {"fallocate", "f",
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Fallocate(0, 0, 0, 100);
       }},
      {"chmod", "f", [](Script& s) { s.Chmod("f", 0600); }},
      {"chown", "f", [](Script& s) { s.Chown("f", 5, 6); }},
      {"link", "f", [](Script& s) { s.Link("f", "d/g"); }},
      {"unlink-other-name", "f", [](Script& s) { s.Unlink("h"); }},
      {"rename", "f", [](Script& s) { s.Rename("h", "d/h"); }},
      {"readlink", "l", [](Script& s) { s.Readlink("l"); }},
      {"list", "d", [](Script& s) { s.List("d"); }},
      {"parent-of-create", "d", [](Script& s) { s.MakeFile("d/n"); }},
      {"parent-of-open-existing", "d", [](Script& s) { s.Open("d/e", O_RDWR | O_CREAT); }},
      {"parent-of-mkdir", "d", [](Script& s) { s.Mkdir("d/n"); }},
      {"parent-of-mkfifo", "d", [](Script& s) { s.Mknod("d/n", S_IFIFO | 0600); }},
      {"parent-of-symlink", "d", [](Script& s) { s.Symlink("x", "d/n"); }},
      {"parent-of-link", "d", [](Script& s) { s.Link("f", "d/n"); }},
      {"parent-of-unlink", "d", [](Script& s) { s.Unlink("d/e"); }},
      {"parent-of-rmdir", "d", [](Script& s) { s.Rmdir("d/s"); }},
      {"parent-of-rename-from", "d", [](Script& s) { s.Rename("d/e", "e"); }},
      {"parent-of-rename-to", "d", [](Script& s) { s.Rename("f", "d/f"); }},
      {"parent-of-rename-within", "d", [](Script& s) { s.Rename("d/e", "d/e2"); }},
      {"parent-of-chmod", "d", [](Script& s) { s.Chmod("d/e", 0600); }},
      {"parent-of-write", "d",
       [](Script& s) {
         s.Open("d/e", O_WRONLY);
         s.Write(0, 0, "x");
       }},
      {"parent-of-failed-create", "d",
       [](Script& s) { s.Open("d/e", O_WRONLY | O_CREAT | O_EXCL); }},
  };
  for (const auto& act : kActs) {
    checks.push_back({std::string("time/") + act.name, kNothing, [act](Script& s) {
                        s.MakeFile("f", "content");
                        s.Link("f", "h");
                        s.Symlink("f", "l");
                        s.Mkdir("d");
                        s.Mkdir("d/s");
                        s.MakeFile("d/e");
                        s.SetOldTimes(act.watched);
                        act.act(s);
                        s.ChangedTimes(act.watched);
                      }});
  }
}

}  // namespace postern::conformance
