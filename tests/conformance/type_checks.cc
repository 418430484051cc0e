// Each operation on each type of file.
#include <sys/sysmacros.h>

#include "tests/conformance/check.h"
#include "tests/conformance/operations.h"

namespace postern::conformance {
namespace {

struct FileType {
  const char* name;
  bool special;  // Opening it is no request to the daemon.
  bool opens;    // Whether opening it is harmless at all.
  void (*make)(Script&);
};

constexpr FileType kTypes[] = {
    {"file", false, true, [](Script& s) { s.MakeFile("it", "twelve bytes"); }},
    {"empty-file", false, true, [](Script& s) { s.MakeFile("it", "", 0444); }},
    {"linked-file", false, true,
     [](Script& s) {
       s.MakeFile("it", "twelve bytes");
       s.Link("it", "second");
     }},
    {"empty-directory", false, true, [](Script& s) { s.Mkdir("it"); }},
    {"full-directory", false, true,
     [](Script& s) {
       s.Mkdir("it");
       s.MakeFile("it/inner", "inner");
       s.Mkdir("it/below");
     }},
    {"link-to-file", false, true,
     [](Script& s) {
       s.MakeFile("target", "twelve bytes");
       s.Symlink("target", "it");
     }},
    {"link-to-directory", false, true,
     [](Script& s) {
       s.Mkdir("target");
       s.Symlink("target", "it");
     }},
    {"link-to-link", false, true,
     [](Script& s) {
       s.MakeFile("target", "twelve bytes");
       s.Symlink("target", "middle");
       s.Symlink("middle", "it");
     }},
    {"fifo", true, true, [](Script& s) { s.Mknod("it", S_IFIFO | 0640); }},
    {"socket", true, true, [](Script& s) { s.Mknod("it", S_IFSOCK | 0640); }},
    {"character-device", true, false,
     [](Script& s) { s.Mknod("it", S_IFCHR | 0640, makedev(1, 3)); }},
    {"block-device", true, false,
     [](Script& s) { s.Mknod("it", S_IFBLK | 0640, makedev(240, 70000)); }},
};

}  // namespace

void AddTypeChecks(std::vector<Check>& checks) {
  for (const FileType& type : kTypes) {
    for (const Operation& operation : Operations()) {
      if (operation.opens && !type.opens) continue;
      const uint32_t needs = operation.opens && type.special ? kKernel : kNothing;
      checks.push_back({std::string("type/") + operation.name + "/" + type.name, needs,
                        [operation, type](Script& s) {
                          s.MakeFile("other", "other content", 0604);
                          type.make(s);
                          operation.run(s, "it");
                          for (const char* path : {"it", "other", "made", "second", "target"}) {
                            s.Lstat(path);
                          }
                          s.List(".");
                        }});
    }
  }
}

}  // namespace postern::conformance
