// What one run of a workload gives.
#ifndef POSTERN_TESTS_BENCH_MEASUREMENT_H_
#define POSTERN_TESTS_BENCH_MEASUREMENT_H_

#include <vector>

namespace postern::bench {

struct Measurement {
  double per_second = 0;  // The workload's units.
  double p50_microseconds =
      0;  // Of an operation, from its first submission to its last completion.
  double p99_microseconds = 0;
  // Of the front end's threads, the time in which they did something else than wait for replies.
  // Near 100 the front end is what limits the rate.
  double front_end_percent = 0;
  double cpu_microseconds = 0;  // Of all of the daemon's processes, per unit.
};

// Precondition: not empty. Of an even number, what lies between the two in the middle.
double Median(std::vector<double> values);
// Field by field. Precondition: not empty.
Measurement Median(const std::vector<Measurement>& series);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_MEASUREMENT_H_
