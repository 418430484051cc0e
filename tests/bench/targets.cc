#include "tests/bench/targets.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace postern::bench {
namespace {

constexpr size_t kShallow = 1;
constexpr size_t kDeep = 32;

// The least rate, on one queue.
struct RateTarget {
  const char* workload;
  double shallow;  // With one operation in flight.
  double deep;     // With 32.
};
constexpr RateTarget kRates[] = {
    {"getattr", 1.0, 1.5},
    {"lookup, known", 1.0, 1.5},
    {"lookup+forget, cold", 1.0, 1.5},
    {"open+release", 1.0, 1.5},
    {"getxattr", 1.0, 1.5},
    {"git-status trace", 1.0, 1.5},
    {"create+unlink", 1.0, 1.2},
    {"rename", 1.0, 1.2},
    {"untar trace", 1.0, 1.2},
    {"readdir of 10,000", 1.5, 1.5},
    {"readdirplus of 10,000", 1.5, 1.5},
    {"read 4 KiB, random", 1.1, 1.3},
    {"write 4 KiB, random", 1.1, 1.3},
    {"read 128 KiB", 1.0, 1.0},
    {"write 128 KiB", 1.0, 1.0},
    {"read 1 MiB", 1.0, 1.0},
    {"write 1 MiB", 1.0, 1.0},
    {"fsync", 1.0, 1.0},
};
// The most CPU time per operation, for all of these.
constexpr double kShallowCpu = 1.3;
constexpr double kDeepCpu = 1.0;
// The most memory.
constexpr double kMemory = 1.0;
// The least rate with four queues by that with one.
constexpr size_t kManyQueues = 4;
constexpr double kScaling = 0.95;

void JudgeRow(const Row& row, const std::vector<std::string>& baselines,
              std::vector<Verdict>& verdicts) {
  const auto target = std::find_if(std::begin(kRates), std::end(kRates), [&row](const auto& one) {
    return row.workload == one.workload;
  });
  const auto rate = RateRatio(row, baselines);
  if (target == std::end(kRates) || !rate) return;
  if (row.queues != 1 || (row.depth != kShallow && row.depth != kDeep)) return;
  const bool deep = row.depth == kDeep;
  const std::string name = absl::StrFormat("%s, depth %d: ", row.workload, row.depth);
  verdicts.push_back({name + "rate", *rate, deep ? target->deep : target->shallow});
  if (const auto cpu = CpuRatio(row, baselines)) {
    verdicts.push_back({name + "CPU time", *cpu, deep ? kDeepCpu : kShallowCpu, true});
  }
}

}  // namespace

std::vector<Verdict> Judge(const Report& report) {
  std::vector<Verdict> verdicts;
  for (const Row& row : report.rows) JudgeRow(row, report.baselines, verdicts);
  for (const Scaling& scaling : ScalingOf(report)) {
    // One operation at a time on each queue is no load that asks for more of them.
    if (scaling.contender != report.rows[0].contenders[0].name || scaling.queues != kManyQueues ||
        scaling.depth == kShallow) {
      continue;
    }
    verdicts.push_back({absl::StrFormat("%s, depth %d: rate with %d queues by that with one",
                                        scaling.workload, scaling.depth, scaling.queues),
                        scaling.ratio, kScaling});
  }
  if (const auto memory = MemoryRatio(report)) {
    verdicts.push_back({"memory", *memory, kMemory, true});
  }
  return verdicts;
}

void PrintTargets(const Report& report) {
  const std::vector<Verdict> verdicts = Judge(report);
  const auto met = std::ranges::count_if(verdicts, &Verdict::met);
  std::printf("\ntargets: %td of %zu met\n", met, verdicts.size());
  for (const Verdict& verdict : verdicts) {
    if (verdict.met()) continue;
    std::printf("missed: %-60s %6.2f, should be %s %.2f\n", verdict.what.c_str(), verdict.ratio,
                verdict.at_most ? "at most" : "at least", verdict.target);
  }
}

}  // namespace postern::bench
