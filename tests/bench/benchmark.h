// The whole of a run: all daemons, fresh in each round, side by side.
#ifndef POSTERN_TESTS_BENCH_BENCHMARK_H_
#define POSTERN_TESTS_BENCH_BENCHMARK_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/neighbours.h"
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
                                                        size_t queues, size_t position = 0) const;

  void Note(std::string text);
  struct Group {
    size_t first;
    size_t end;
  };

  absl::Status RunRounds();
  // The sessions of one kind of daemon at a time.
  using Crew = std::vector<std::unique_ptr<Session>>;
  absl::StatusOr<Crew> StartCrew(const Daemon& daemon, const std::vector<std::string>& options,
                                 size_t queues);
  // Fresh ones of each kind; none where one can't serve what is asked for.
  absl::StatusOr<std::vector<Crew>> StartCrews(const std::vector<std::string>& options,
                                               size_t queues);
  // Workloads that want the same options. The daemons take turns at each of them: what else the
  // machine does hits all alike, and an idle one costs nothing.
  absl::Status RunGroup(Group group, size_t queues, size_t round);
  absl::Status RunFloor(size_t workload, size_t queues);
  absl::Status MeasureMemory(const Daemon& daemon);
  absl::Status MeasureIdle(const Daemon& daemon);

  const Settings& settings_;
  const vmm::TempDirectory scratch_;
  const std::string share_;
  std::vector<Workload> workloads_;
  Neighbours neighbours_;
  Report report_;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_BENCHMARK_H_
