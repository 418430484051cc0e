// Runs checks on trees and compares what came of them.
#ifndef POSTERN_TESTS_CONFORMANCE_RUNNER_H_
#define POSTERN_TESTS_CONFORMANCE_RUNNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/conformance/check.h"

namespace postern::conformance {

struct RunOptions {
  std::string filter = "*";          // fnmatch(3) with FNM_EXTMATCH, over the checks' names.
  uint32_t has = kAllNeeds;          // What the shared tree has.
  std::vector<std::string> knowing;  // Whose known differences count, beside everyone's.
  bool verbose = false;              // Say what was explained, and by what.
};

struct Summary {
  size_t run = 0;
  size_t equal = 0;
  size_t explained = 0;
  size_t different = 0;
  size_t not_applicable = 0;
  size_t lines = 0;

  // Nothing unexplained, and not nothing at all.
  bool passed() const { return different == 0 && run > 0; }
};

// The lines of one check, in a directory of its own.
std::vector<std::string> RunCheck(const Check& check, Tree& tree, size_t number);
// Prints what every check gives on one tree.
Summary PrintTranscript(Tree& tree, const RunOptions& options);
// Runs each check on both. Prints each difference that nothing explains, and a line that sums up.
Summary Compare(Tree& local, Tree& shared, const RunOptions& options);
void PrintSummary(const Summary& summary);

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_RUNNER_H_
