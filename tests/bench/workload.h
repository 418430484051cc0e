// What is measured: one kind of request, at some depth, for some time.
#ifndef POSTERN_TESTS_BENCH_WORKLOAD_H_
#define POSTERN_TESTS_BENCH_WORKLOAD_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/session.h"

namespace postern::bench {

struct Measurement {
  double per_second = 0;        // Operations.
  double p50_microseconds = 0;  // From submission to completion.
  double p99_microseconds = 0;
  double cpu_microseconds =
      0;  // Of the daemon, per operation; 0 if the time was too short to tell.
};

struct Workload {
  enum class Kind { kGetattr, kLookup, kRead, kWrite };
  std::string name;
  Kind kind;
  uint32_t bytes = 0;  // Of a read or write.
};

// The workloads, in the order in which they run.
std::vector<Workload> AllWorkloads();

// Puts what the workloads need into the directory `share`.
absl::Status PrepareShare(const std::string& share);

// Runs for about `duration` with `depth` requests in flight. Each reply must be a success of the
// right size; what is read is compared with what PrepareShare() wrote.
absl::StatusOr<Measurement> Run(Session& session, const Workload& workload, size_t depth,
                                std::chrono::milliseconds duration);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_WORKLOAD_H_
