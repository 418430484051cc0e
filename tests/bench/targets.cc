#include "tests/bench/targets.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace postern::bench {
namespace {

constexpr size_t kShallow = 1;
constexpr size_t kDeep = 32;

enum class Kind { kMetadata, kSmallData, kLargeData };

struct Judged {
  const char* workload;
  Kind kind;
};
constexpr Judged kJudged[] = {
    {"getattr", Kind::kMetadata},
    {"lookup, known", Kind::kMetadata},
    {"lookup+forget, cold", Kind::kMetadata},
    {"open+release", Kind::kMetadata},
    {"getxattr", Kind::kMetadata},
    {"git-status trace", Kind::kMetadata},
    {"create+unlink", Kind::kMetadata},
    {"rename", Kind::kMetadata},
    {"untar trace", Kind::kMetadata},
    {"readdir of 10,000", Kind::kMetadata},
    {"readdirplus of 10,000", Kind::kMetadata},
    {"fsync", Kind::kMetadata},
    {"read 4 KiB, random", Kind::kSmallData},
    {"write 4 KiB, random", Kind::kSmallData},
    {"read 128 KiB", Kind::kLargeData},
    {"write 128 KiB", Kind::kLargeData},
    {"read 1 MiB", Kind::kLargeData},
    {"write 1 MiB", Kind::kLargeData},
};

// The least rate of each kind, on one queue.
struct Rates {
  double metadata;
  double small_data;
  double large_data;

  double Of(Kind kind) const {
    switch (kind) {
      case Kind::kMetadata:
        return metadata;
      case Kind::kSmallData:
        return small_data;
      case Kind::kLargeData:
        break;
    }
    return large_data;
  }
};
using Placement = Place::Placement;
struct PlaceTargets {
  Place place;
  Rates shallow;  // With one operation in flight.
  Rates deep;     // With 32.
};
constexpr PlaceTargets kPlaces[] = {
    {{Placement::kApart, false}, {1.5, 1.5, 1.0}, {1.3, 1.1, 1.1}},
    {{Placement::kFree, false}, {2.0, 2.0, 1.0}, {1.3, 1.1, 1.1}},
    {{Placement::kFree, true}, {0.9, 1.0, 1.0}, {1.2, 1.0, 1.0}},
    {{Placement::kOneCpu, false}, {0.75, 1.0, 1.0}, {1.0, 1.1, 1.1}},
    {{Placement::kOneCpu, true}, {0.75, 1.0, 1.0}, {1.0, 1.0, 1.0}},
};
// The most CPU time per operation, and the longest 99th percentile of the latency, everywhere.
constexpr double kShallowCpu = 1.3;
constexpr double kDeepCpu = 1.0;
constexpr double kTail = 1.5;
// The most memory.
constexpr double kMemory = 1.0;
// The least rate with four queues by that with one.
constexpr size_t kManyQueues = 4;
constexpr double kScaling = 0.95;

void JudgeRow(const Row& row, const PlaceTargets& place, const std::vector<std::string>& baselines,
              std::vector<Verdict>& verdicts) {
  const auto judged = std::ranges::find(kJudged, row.workload, &Judged::workload);
  const auto rate = RateRatio(row, baselines);
  if (judged == std::end(kJudged) || !rate) return;
  if (row.queues != 1 || (row.depth != kShallow && row.depth != kDeep)) return;
  const bool deep = row.depth == kDeep;
  const std::string name = absl::StrFormat("%s, depth %d: ", row.workload, row.depth);
  verdicts.push_back({name + "rate", *rate, (deep ? place.deep : place.shallow).Of(judged->kind)});
  if (const auto cpu = CpuRatio(row, baselines)) {
    verdicts.push_back({name + "CPU time", *cpu, deep ? kDeepCpu : kShallowCpu, true});
  }
  if (const auto tail = TailRatio(row, baselines)) {
    verdicts.push_back({name + "p99 latency", *tail, kTail, true});
  }
}

}  // namespace

std::vector<Verdict> Judge(const Report& report) {
  std::vector<Verdict> verdicts;
  const auto place = std::ranges::find(kPlaces, report.place, &PlaceTargets::place);
  if (place != std::end(kPlaces)) {
    for (const Row& row : report.rows) JudgeRow(row, *place, report.baselines, verdicts);
  }
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
  std::printf("\ntargets, %s: %td of %zu met\n", Describe(report.place).c_str(), met,
              verdicts.size());
  for (const Verdict& verdict : verdicts) {
    if (verdict.met()) continue;
    std::printf("missed: %-60s %6.2f, should be %s %.2f\n", verdict.what.c_str(), verdict.ratio,
                verdict.at_most ? "at most" : "at least", verdict.target);
  }
}

}  // namespace postern::bench
