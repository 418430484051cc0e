// The whole of a run: each daemon fresh, in turn, round after round.
#ifndef POSTERN_TESTS_BENCH_BENCHMARK_H_
#define POSTERN_TESTS_BENCH_BENCHMARK_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/report.h"
#include "tests/bench/session.h"
#include "tests/bench/settings.h"
#include "tests/bench/workload.h"
#include "tests/vmm/temp_directory.h"

namespace postern::bench {

class Benchmark {
 public:
  // `settings` outlives it.
  explicit Benchmark(const Settings& settings);

  absl::StatusOr<Report> Run();

 private:
  void MakeRows();
  bool HasFloor(const Workload& workload, size_t depth, size_t queues) const;
  Row& FindRow(size_t workload, size_t queues, size_t depth);
  absl::StatusOr<std::unique_ptr<Session>> StartSession(const Daemon& daemon,
                                                        const std::vector<std::string>& options,
                                                        size_t queues) const;

  void Note(std::string text);
  absl::Status RunRounds();
  // A fresh daemon for each set of options and each number of queues.
  absl::Status RunDaemon(size_t daemon);
  absl::Status RunFloor();
  absl::Status MeasureMemory(const Daemon& daemon);
  absl::Status MeasureIdle(const Daemon& daemon);

  const Settings& settings_;
  const vmm::TempDirectory scratch_;
  const std::string share_;
  std::vector<Workload> workloads_;
  Report report_;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_BENCHMARK_H_
