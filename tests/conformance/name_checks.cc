// Each operation on each kind of path.
#include "tests/conformance/check.h"
#include "tests/conformance/operations.h"

namespace postern::conformance {
namespace {

struct PathKind {
  const char* name;
  uint32_t needs;
  std::string path;
};

std::vector<PathKind> PathKinds() {
  return {
      {"missing", kNothing, "missing"},
      {"below-missing", kNothing, "missing/name"},
      {"below-file", kNothing, "file/name"},
      {"dangling-link", kNothing, "dangling"},
      {"below-dangling-link", kNothing, "dangling/name"},
      {"link-loop", kNothing, "loop"},
      {"below-link-loop", kNothing, "loop/name"},
      {"new-through-link", kNothing, "linkdir/new"},
      {"file-through-link", kNothing, "linkdir/inner"},
      {"below-link-to-file", kNothing, "linkfile/name"},
      {"longest-name", kNothing, std::string(255, 'n')},
      {"name-too-long", kNothing, std::string(256, 'n')},
      {"name-far-too-long", kNothing, std::string(1024, 'n')},
      {"below-name-too-long", kNothing, std::string(256, 'n') + "/name"},
      {"odd-bytes", kNothing, "\x01\x7f\n\t \\\"\xff\xc3\xa4*?%"},
      {"leading-dots", kNothing, "...name"},
      {"deep", kNothing, "dir/a/b/c/d/e/f/name"},
      {"trailing-slash-on-file", kKernel, "file/"},
      {"trailing-slash-on-directory", kKernel, "dir/"},
      {"trailing-slash-on-link", kKernel, "linkdir/"},
      {"trailing-slash-on-missing", kKernel, "missing/"},
      {"dot", kKernel, "dir/."},
      {"dot-dot", kKernel, "dir/a/.."},
      {"empty", kKernel, ""},
  };
}

void Prepare(Script& s) {
  s.MakeFile("file", "some content");
  s.MakeFile("other", "other content", 0604);
  s.Mkdir("dir");
  s.MakeFile("dir/inner", "inner content", 0600);
  std::string deep = "dir";
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) s.Mkdir(deep += std::string("/") + name);
  s.Symlink("nowhere", "dangling");
  s.Symlink("loop", "loop");
  s.Symlink("dir", "linkdir");
  s.Symlink("file", "linkfile");
}

}  // namespace

void AddNameChecks(std::vector<Check>& checks) {
  for (const PathKind& kind : PathKinds()) {
    for (const Operation& operation : Operations()) {
      checks.push_back({std::string("name/") + operation.name + "/" + kind.name, kind.needs,
                        [operation, path = kind.path](Script& s) {
                          Prepare(s);
                          operation.run(s, path);
                          s.Lstat(path);
                          s.List(".");
                          s.List("dir");
                          s.Lstat("made");
                          s.Lstat("nowhere");
                        }});
    }
  }
}

}  // namespace postern::conformance
