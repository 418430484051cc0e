#include "tests/conformance/runner.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstdio>

#include "tests/conformance/differences.h"

namespace postern::conformance {
namespace {

bool Chosen(const Check& check, const RunOptions& options) {
  return fnmatch(options.filter.c_str(), check.name.c_str(), FNM_EXTMATCH) == 0;
}

const std::string& LineAt(const std::vector<std::string>& lines, size_t i) {
  static const std::string none = "(nothing)";
  return i < lines.size() ? lines[i] : none;
}

void PrintDifference(const Check& check, const std::vector<std::string>& local,
                     const std::vector<std::string>& shared, const RunOptions& options) {
  std::printf("DIFFERENT %s\n", check.name.c_str());
  for (size_t i = 0; i < std::max(local.size(), shared.size()); ++i) {
    const std::string& here = LineAt(local, i);
    const std::string& there = LineAt(shared, i);
    if (here == there) {
      std::printf("            %s\n", here.c_str());
    } else {
      const char* reason = Explanation(options.knowing, check.name, here, there);
      std::printf("    local:  %s\n    shared: %s%s%s\n", here.c_str(), there.c_str(),
                  reason != nullptr ? "  # " : "", reason != nullptr ? reason : "");
    }
  }
}

}  // namespace

std::vector<std::string> RunCheck(const Check& check, Tree& tree, size_t number) {
  const std::string directory = "check-" + std::to_string(number);
  Script script(tree, directory);
  tree.SetCaller({.umask = 0});
  const ErrnoOrVoid made = tree.Mkdir(directory, 0777);
  if (!made.ok()) return {"the check's own directory: " + made.error().Message()};
  script.As({});
  check.run(script);
  tree.Settle();
  return script.lines();
}

Summary PrintTranscript(Tree& tree, const RunOptions& options) {
  Summary summary;
  for (const Check& check : AllChecks()) {
    if (!Chosen(check, options)) continue;
    if ((check.needs & ~options.has) != 0) {
      ++summary.not_applicable;
      continue;
    }
    const std::vector<std::string> lines = RunCheck(check, tree, summary.run++);
    std::printf("%s\n", check.name.c_str());
    for (const std::string& line : lines) std::printf("    %s\n", line.c_str());
    summary.lines += lines.size();
    ++summary.equal;
  }
  return summary;
}

Summary Compare(Tree& local, Tree& shared, const RunOptions& options) {
  Summary summary;
  for (const Check& check : AllChecks()) {
    if (!Chosen(check, options)) continue;
    if ((check.needs & ~options.has) != 0) {
      ++summary.not_applicable;
      continue;
    }
    const size_t number = summary.run++;
    const std::vector<std::string> here = RunCheck(check, local, number);
    const std::vector<std::string> there = RunCheck(check, shared, number);
    summary.lines += here.size();
    if (here == there) {
      ++summary.equal;
      continue;
    }
    bool all_explained = true;
    for (size_t i = 0; i < std::max(here.size(), there.size()); ++i) {
      const std::string& a = LineAt(here, i);
      const std::string& b = LineAt(there, i);
      if (a != b && Explanation(options.knowing, check.name, a, b) == nullptr)
        all_explained = false;
    }
    ++(all_explained ? summary.explained : summary.different);
    if (!all_explained || options.verbose) PrintDifference(check, here, there, options);
  }
  return summary;
}

void PrintSummary(const Summary& summary) {
  std::printf(
      "%zu checks run (%zu lines): %zu equal, %zu explained, %zu different; "
      "%zu not applicable\n",
      summary.run, summary.lines, summary.equal, summary.explained, summary.different,
      summary.not_applicable);
  if (summary.run == 0) std::printf("nothing was run\n");
}

}  // namespace postern::conformance
