#include "tests/bench/measurement.h"

#include <algorithm>
#include <utility>

namespace postern::bench {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

Measurement Median(const std::vector<Measurement>& series) {
  Measurement median;
  for (double Measurement::*field :
       {&Measurement::per_second, &Measurement::p50_microseconds, &Measurement::p99_microseconds,
        &Measurement::cpu_microseconds, &Measurement::front_end_percent}) {
    std::vector<double> values;
    for (const Measurement& one : series) values.push_back(one.*field);
    median.*field = Median(std::move(values));
  }
  return median;
}

}  // namespace postern::bench
