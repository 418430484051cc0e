// Runs a workload, on a daemon or natively, for some time.
#ifndef POSTERN_TESTS_BENCH_RUNNER_H_
#define POSTERN_TESTS_BENCH_RUNNER_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/measurement.h"
#include "tests/bench/session.h"
#include "tests/bench/workload.h"

namespace postern::bench {

// `depth` operations in flight on each of the session's queues, each queue with a thread of its
// own.
absl::StatusOr<Measurement> Run(Session& session, const Workload& workload, size_t depth,
                                std::chrono::milliseconds duration);

// The same on all of these at a time, whose rates are added: the latencies are the median of their
// medians and the largest of their 99th percentiles. Precondition: not empty.
absl::StatusOr<Measurement> RunTogether(const std::vector<std::unique_ptr<Session>>& crew,
                                        const Workload& workload, size_t depth,
                                        std::chrono::milliseconds duration);

// One after the other, in this process. `share` is the directory.
absl::StatusOr<Measurement> RunNatively(const std::string& share, const Workload& workload,
                                        std::chrono::milliseconds duration);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_RUNNER_H_
