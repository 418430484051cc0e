// rename(2) of everything over everything.
#include <fcntl.h>
#include <stdio.h>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

struct Thing {
  const char* name;
  void (*make)(Script&, const std::string& path);
};

using Path = const std::string&;

constexpr Thing kThings[] = {
    {"nothing", [](Script&, Path) {}},
    {"file", [](Script& s, Path p) { s.MakeFile(p, "content of " + p); }},
    {"empty-directory", [](Script& s, Path p) { s.Mkdir(p); }},
    {"full-directory",
     [](Script& s, Path p) {
       s.Mkdir(p);
       s.MakeFile(p + "/inner", "inner of " + p);
     }},
    {"link-to-file", [](Script& s, Path p) { s.Symlink("other", p); }},
    {"link-to-directory", [](Script& s, Path p) { s.Symlink("place", p); }},
    {"dangling-link", [](Script& s, Path p) { s.Symlink("nowhere", p); }},
    {"fifo", [](Script& s, Path p) { s.Mknod(p, S_IFIFO | 0600); }},
    {"second-name", [](Script& s, Path p) { s.Link("other", p); }},
};

struct Mode {
  const char* name;
  uint32_t flags;
};

constexpr Mode kModes[] = {
    {"plain", 0}, {"noreplace", RENAME_NOREPLACE}, {"exchange", RENAME_EXCHANGE}};

void Show(Script& s) {
  s.List(".");
  s.List("place");
  for (const char* path : {"from", "place/to", "other", "from/inner", "place/to/inner"}) {
    s.Lstat(path);
  }
}

void AddMatrix(std::vector<Check>& checks) {
  for (const Mode& mode : kModes) {
    for (const Thing& from : kThings) {
      for (const Thing& to : kThings) {
        checks.push_back({std::string("rename/") + mode.name + "/" + from.name + "/over-" + to.name,
                          kNothing, [from, to, mode](Script& s) {
                            s.MakeFile("other", "other content");
                            s.Mkdir("place");
                            from.make(s, "from");
                            to.make(s, "place/to");
                            s.Rename("from", "place/to", mode.flags);
                            Show(s);
                          }});
      }
    }
  }
}

}  // namespace

void AddRenameChecks(std::vector<Check>& checks) {
  AddMatrix(checks);
  for (const Mode& mode : kModes) {
    const uint32_t flags = mode.flags;
    const std::string family = std::string("rename/") + mode.name + "/";
    checks.push_back({family + "onto-itself", kNothing, [flags](Script& s) {
                        s.MakeFile("a");
                        s.Rename("a", "a", flags);
                        s.List(".");
                      }});
    checks.push_back({family + "into-itself", kNothing, [flags](Script& s) {
                        s.Mkdir("a");
                        s.Mkdir("a/b");
                        s.Rename("a", "a/b/c", flags);
                        s.Rename("a", "a/b", flags);
                        s.List(".");
                        s.List("a");
                      }});
    checks.push_back({family + "onto-parent", kNothing, [flags](Script& s) {
                        s.Mkdir("a");
                        s.Mkdir("a/b");
                        s.Rename("a/b", "a", flags);
                        s.List(".");
                      }});
    checks.push_back({family + "between-two-names-of-one-file", kNothing, [flags](Script& s) {
                        s.MakeFile("a");
                        s.Link("a", "b");
                        s.Rename("a", "b", flags);
                        s.List(".");
                        s.Lstat("b");
                      }});
    checks.push_back({family + "directory-changes-its-parent", kNothing, [flags](Script& s) {
                        s.Mkdir("one");
                        s.Mkdir("two");
                        s.Mkdir("one/d");
                        s.Mkdir("two/e");
                        s.Rename("one/d", flags == RENAME_EXCHANGE ? "two/e" : "two/d", flags);
                        s.Lstat("one");
                        s.Lstat("two");
                        s.List("one");
                        s.List("two");
                      }});
    checks.push_back({family + "name-too-long", kNothing, [flags](Script& s) {
                        s.MakeFile("a");
                        s.Rename("a", std::string(256, 'x'), flags);
                        s.Rename("a", std::string(255, 'x'), flags);
                        s.List(".");
                      }});
  }
  constexpr Mode kOthers[] = {{"whiteout", RENAME_WHITEOUT},
                              {"whiteout-noreplace", RENAME_WHITEOUT | RENAME_NOREPLACE},
                              {"whiteout-exchange", RENAME_WHITEOUT | RENAME_EXCHANGE},
                              {"noreplace-exchange", RENAME_NOREPLACE | RENAME_EXCHANGE},
                              {"unknown-flag", 1 << 7}};
  for (const Mode& mode : kOthers) {
    for (const Thing& to : {kThings[0], kThings[1]}) {
      checks.push_back({std::string("rename/") + mode.name + "/file/over-" + to.name, kNothing,
                        [mode, to](Script& s) {
                          s.MakeFile("other", "other content");
                          s.Mkdir("place");
                          s.MakeFile("from", "from content");
                          to.make(s, "place/to");
                          s.Rename("from", "place/to", mode.flags);
                          Show(s);
                        }});
    }
  }
}

}  // namespace postern::conformance
