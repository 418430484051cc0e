// Open files without a name, from unlink and from O_TMPFILE.
#include <fcntl.h>
#include <stdio.h>

#include "tests/conformance/check.h"

namespace postern::conformance {

void AddUnlinkedChecks(std::vector<Check>& checks) {
  static constexpr struct {
    const char* name;
    void (*lose)(Script&);
  } kLosses[] = {
      {"unlinked", [](Script& s) { s.Unlink("f"); }},
      {"replaced",
       [](Script& s) {
         s.MakeFile("g", "the new one");
         s.Rename("g", "f");
       }},
      {"renamed-away", [](Script& s) { s.Rename("f", "d/f"); }},
      {"exchanged",
       [](Script& s) {
         s.MakeFile("g", "the new one");
         s.Rename("g", "f", RENAME_EXCHANGE);
       }},
      {"with-second-name",
       [](Script& s) {
         s.Link("f", "d/second");
         s.Unlink("f");
       }},
  };
  static constexpr struct {
    const char* name;
    void (*use)(Script&);
  } kUses[] = {
      {"fstat", [](Script& s) { s.Fstat(0); }},
      {"read", [](Script& s) { s.Read(0, 0, 100); }},
      {"write",
       [](Script& s) {
         s.Write(0, 3, "written");
         s.Read(0, 0, 100);
       }},
      {"ftruncate",
       [](Script& s) {
         s.Ftruncate(0, 3);
         s.Fstat(0);
       }},
      {"fallocate",
       [](Script& s) {
         s.Fallocate(0, 0, 0, 1000);
         s.Fstat(0);
       }},
      {"fchmod",
       [](Script& s) {
         s.Fchmod(0, 0600);
         s.Fstat(0);
       }},
      {"fchown",
       [](Script& s) {
         s.Fchown(0, kUser, kGroup);
         s.Fstat(0);
       }},
      {"futimens",
       [](Script& s) {
         s.Futimens(0, {timespec{5, 6}, timespec{7, 8}});
         s.Fstat(0);
       }},
      {"fsync", [](Script& s) { s.Fsync(0); }},
      {"link-back",
       [](Script& s) {
         s.LinkFile(0, "back");
         s.Lstat("back");
       }},
  };
  for (const auto& loss : kLosses) {
    for (const auto& use : kUses) {
      checks.push_back(
          {std::string("unlinked/") + loss.name + "/" + use.name, kNothing, [loss, use](Script& s) {
             s.Mkdir("d");
             s.MakeFile("f", "the old one");
             s.Open("f", O_RDWR);
             loss.lose(s);
             use.use(s);
             s.Close(0);
             s.List(".");
             s.List("d");
             s.Lstat("f");
           }});
    }
  }
  checks.push_back({"unlinked/removed-directory-stays-open", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.Open("d", O_RDONLY | O_DIRECTORY);
                      s.Rmdir("d");
                      s.Fstat(0);
                      s.Fsync(0);
                      s.Close(0);
                    }});
  checks.push_back({"unlinked/name-made-anew-is-another-file", kNothing, [](Script& s) {
                      s.MakeFile("f", "old");
                      s.Open("f", O_RDWR);
                      s.Unlink("f");
                      s.MakeFile("f", "newer");
                      s.Read(0, 0, 10);
                      s.Content("f");
                      s.Write(0, 0, "changed");
                      s.Content("f");
                    }});
  for (const auto& use : kUses) {
    checks.push_back({std::string("unlinked/tmpfile/") + use.name, kTmpfile, [use](Script& s) {
                        s.Mkdir("d");
                        s.Tmpfile("d", O_RDWR, 0640);
                        s.Write(0, 0, "a file without a name");
                        use.use(s);
                        s.List("d");
                        s.LinkFile(0, "d/named");
                        s.Lstat("d/named");
                        s.Content("d/named");
                      }});
  }
  checks.push_back({"unlinked/tmpfile/wrong-places", kTmpfile, [](Script& s) {
                      s.MakeFile("f");
                      s.Tmpfile("f", O_RDWR);
                      s.Tmpfile("missing", O_RDWR);
                      s.Tmpfile(".", O_RDONLY);
                    }});
  checks.push_back({"unlinked/tmpfile/link-over-something", kTmpfile, [](Script& s) {
                      s.MakeFile("f");
                      s.Tmpfile(".", O_RDWR);
                      s.LinkFile(0, "f");
                      s.LinkFile(0, "g");
                      s.LinkFile(0, "h");
                      s.Lstat("g");
                    }});
  checks.push_back({"unlinked/tmpfile/exclusive-can-not-be-linked", kTmpfile, [](Script& s) {
                      s.Tmpfile(".", O_RDWR | O_EXCL);
                      s.Write(0, 0, "x");
                      s.LinkFile(0, "g");
                      s.List(".");
                    }});
}

}  // namespace postern::conformance
