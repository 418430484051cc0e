// What the first daemon of a report should reach, as ratios to the better of the baselines.
#ifndef POSTERN_TESTS_BENCH_TARGETS_H_
#define POSTERN_TESTS_BENCH_TARGETS_H_

#include <string>
#include <vector>

#include "tests/bench/report.h"

namespace postern::bench {

struct Verdict {
  std::string what;  // "getattr, depth 32: rate"
  double ratio = 0;
  double target = 0;
  bool at_most = false;  // Else at least.

  bool met() const { return at_most ? ratio <= target : ratio >= target; }
};

// One for each target that the report has figures for.
std::vector<Verdict> Judge(const Report& report);
// The misses. Timings never decide a test: this is for reading.
void PrintTargets(const Report& report);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_TARGETS_H_
