// The results as a table and as JSON.
#ifndef POSTERN_TESTS_BENCH_REPORT_H_
#define POSTERN_TESTS_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/measurement.h"

namespace postern::bench {

struct Contender {
  std::string name;                 // "native" is no daemon.
  std::vector<Measurement> series;  // None: it doesn't offer as many queues.
};

struct Row {
  std::string workload;
  std::string unit;
  size_t depth = 1;
  size_t queues = 1;
  uint32_t bytes = 0;                 // Moved by each operation; the rate is then given in MB/s.
  std::vector<Contender> contenders;  // The first is the one whose ratios are given.
};

struct MemoryRow {
  std::string contender;
  uint64_t inodes = 0;
  uint64_t bytes = 0;
  std::string failure = {};  // Why there is no figure.
};

struct IdleRow {
  std::string contender;
  int seconds = 0;
  double cpu_percent = 0;  // Of one CPU.
};

// Where front end and daemon run.
struct Place {
  enum class Placement {
    kApart,   // On a CPU each.
    kFree,    // Where the scheduler puts them.
    kOneCpu,  // Both on the same.
    kOther,
  };
  Placement placement = Placement::kOther;
  bool crowded = false;  // With busy neighbours.

  bool operator==(const Place&) const = default;
};

struct Report {
  std::string filesystem;
  std::string machine;  // Processor and kernel.
  Place place;
  double load = 0;  // Other processes that wanted to run before (the load average).
  std::vector<std::string> baselines;
  std::vector<Row> rows;
  std::vector<MemoryRow> memory;
  std::vector<IdleRow> idle;
  std::vector<std::string> notes;
};

// The rate of the first contender by that of the better of the baselines, the median over the
// rounds; nothing without these.
std::optional<double> RateRatio(const Row& row, const std::vector<std::string>& baselines);
// CPU time per unit, likewise; below 1 is better for the first.
std::optional<double> CpuRatio(const Row& row, const std::vector<std::string>& baselines);

// The 99th percentile of the latency, likewise.
std::optional<double> TailRatio(const Row& row, const std::vector<std::string>& baselines);

// Memory of the first contender by that of the better of the baselines, likewise.
std::optional<double> MemoryRatio(const Report& report);

// The rate with several queues by that with one.
struct Scaling {
  std::string workload;
  std::string contender;
  size_t depth = 1;
  size_t queues = 1;
  double ratio = 0;
};
// Of all contenders, where the report has both.
std::vector<Scaling> ScalingOf(const Report& report);

void PrintTable(const Report& report);
// Every run of every contender. False if the file can't be written.
bool WriteJson(const Report& report, const std::string& path);

// "one CPU, crowded"
std::string Describe(const Place& place);

// The processor and the kernel of this machine.
std::string DescribeMachine();

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_REPORT_H_
