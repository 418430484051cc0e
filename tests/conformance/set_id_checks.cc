// What takes set-user-id and set-group-id bits away, and from whom.
#include <fcntl.h>

#include "tests/conformance/check.h"

namespace postern::conformance {

void AddSetIdChecks(std::vector<Check>& checks) {
  static constexpr struct {
    const char* name;
    uint32_t needs_as_user;
    bool root_only;
    void (*act)(Script&);
  } kActs[] = {
      {"write", kNothing, false,
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Write(0, 0, "x");
       }},
      {"append", kNothing, false,
       [](Script& s) {
         s.Open("f", O_WRONLY | O_APPEND);
         s.Write(0, 0, "x");
       }},
      {"write-nothing", kNothing, false,
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Write(0, 0, "");
       }},
      {"truncate", kNothing, false, [](Script& s) { s.Truncate("f", 2); }},
      {"truncate-to-same-size", kNothing, false, [](Script& s) { s.Truncate("f", 7); }},
      {"ftruncate", kNothing, false,
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Ftruncate(0, 1);
       }},
      {"open-truncate", kSetIdOnOpen, false, [](Script& s) { s.Open("f", O_WRONLY | O_TRUNC); }},
      {"open-only", kNothing, false, [](Script& s) { s.Open("f", O_RDWR); }},
      {"fallocate", kKernel, false,
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Fallocate(0, 0, 0, 50);
       }},
      {"copy-into", kKernel, false,
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Open("source", O_RDONLY);
         s.Copy(1, 0, 0, 0, 5);
       }},
      {"read", kNothing, false, [](Script& s) { s.Content("f"); }},
      {"utimens", kNothing, false,
       [](Script& s) {
         s.Utimens("f", {timespec{5, 5}, timespec{6, 6}});
       }},
      {"link", kNothing, false, [](Script& s) { s.Link("f", "g"); }},
      {"rename", kNothing, false, [](Script& s) { s.Rename("f", "g"); }},
      {"chown-user", kNothing, true, [](Script& s) { s.Chown("f", 7, ~gid_t{0}); }},
      {"chown-group", kNothing, true, [](Script& s) { s.Chown("f", ~uid_t{0}, 7); }},
      {"chown-to-same", kNothing, true, [](Script& s) { s.Chown("f", kUser, kGroup); }},
      {"chown-neither", kNothing, true, [](Script& s) { s.Chown("f", ~uid_t{0}, ~gid_t{0}); }},
      {"chmod", kNothing, true, [](Script& s) { s.Chmod("f", 06711); }},
  };
  for (const mode_t mode : {04755u, 02755u, 02745u, 06777u, 06666u, 0755u}) {
    for (const bool as_user : {false, true}) {
      for (const auto& act : kActs) {
        if (as_user && act.root_only) continue;
        checks.push_back({std::string("set-id/") + act.name +
                              (as_user ? "/by-owner/" : "/by-root/") + Octal(mode),
                          as_user ? act.needs_as_user : kNothing, [act, mode, as_user](Script& s) {
                            s.MakeFile("source", "source content", 0644);
                            s.MakeFile("f", "content", 0777);
                            s.Chown("f", kUser, kGroup);
                            s.Chmod("f", mode);
                            if (as_user) s.As({.uid = kUser, .gid = kGroup});
                            act.act(s);
                            s.As({});
                            s.Stat("f");
                            s.Stat("g");
                          }});
      }
    }
  }
  checks.push_back({"set-id/chown-of-directory-keeps-them", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.Chmod("d", 06755);
                      s.Chown("d", kUser, kGroup);
                      s.Stat("d");
                    }});
}

}  // namespace postern::conformance
