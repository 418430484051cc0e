#include "tests/bench/measurement.h"

#include <algorithm>

namespace postern::bench {

Measurement Median(const std::vector<Measurement>& series) {
  Measurement median;
  for (double Measurement::*field :
       {&Measurement::per_second, &Measurement::p50_microseconds, &Measurement::p99_microseconds,
        &Measurement::cpu_microseconds, &Measurement::front_end_percent}) {
    std::vector<double> values;
    for (const Measurement& one : series) values.push_back(one.*field);
    std::sort(values.begin(), values.end());
    // Of an even number, what lies between the two in the middle.
    median.*field = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  }
  return median;
}

}  // namespace postern::bench
