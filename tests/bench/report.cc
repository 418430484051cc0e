#include "tests/bench/report.h"

#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>
#include <utility>

#include "tests/bench/targets.h"

namespace postern::bench {
namespace {

// Something else runs for half of the time.
constexpr double kBusyLoad = 0.5;

// The baseline with the highest rate; null: there is none.
const Contender* BestBaseline(const Row& row, const std::vector<std::string>& baselines) {
  const Contender* best = nullptr;
  double best_rate = 0;
  for (const Contender& contender : row.contenders) {
    if (contender.series.empty()) continue;
    if (std::ranges::find(baselines, contender.name) == baselines.end()) continue;
    const double rate = Median(contender.series).per_second;
    if (best == nullptr || rate > best_rate)
      std::tie(best, best_rate) = std::tuple(&contender, rate);
  }
  return best;
}

// Of the ratios round by round, since both sides of one were measured one after the other.
std::optional<double> MedianRatio(const Contender& above, const Contender& below,
                                  double Measurement::*field) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(above.series.size(), below.series.size()); ++i) {
    if (below.series[i].*field > 0)
      ratios.push_back(above.series[i].*field / below.series[i].*field);
  }
  if (ratios.empty()) return std::nullopt;
  return Median(std::move(ratios));
}

std::string Ratio(std::optional<double> ratio) {
  return ratio ? absl::StrFormat("%.2f", *ratio) : "";
}

std::string Rate(const Row& row, const Measurement& median) {
  if (row.bytes == 0) return absl::StrFormat("%.0f %s/s", median.per_second, row.unit);
  return absl::StrFormat("%.0f MB/s", median.per_second * row.bytes / 1e6);
}

// A line for each workload, depth and number of queues.
void PrintScaling(const Report& report) {
  const std::vector<Scaling> all = ScalingOf(report);
  if (all.empty()) return;
  std::printf("\nrate with several queues by that with one\n");
  const Scaling* last = nullptr;
  for (const Scaling& one : all) {
    if (last == nullptr || std::tie(last->workload, last->depth, last->queues) !=
                               std::tie(one.workload, one.depth, one.queues)) {
      std::printf("%s%-24s %5zu %6zu  ", last == nullptr ? "" : "\n", one.workload.c_str(),
                  one.depth, one.queues);
    }
    std::printf("%s %.2f  ", one.contender.c_str(), one.ratio);
    last = &one;
  }
  std::printf("\n");
}

}  // namespace

std::optional<double> RateRatio(const Row& row, const std::vector<std::string>& baselines) {
  const Contender* best = BestBaseline(row, baselines);
  if (best == nullptr) return std::nullopt;
  return MedianRatio(row.contenders[0], *best, &Measurement::per_second);
}

std::optional<double> CpuRatio(const Row& row, const std::vector<std::string>& baselines) {
  const Contender* best = BestBaseline(row, baselines);
  if (best == nullptr) return std::nullopt;
  return MedianRatio(row.contenders[0], *best, &Measurement::cpu_microseconds);
}

std::optional<double> TailRatio(const Row& row, const std::vector<std::string>& baselines) {
  const Contender* best = BestBaseline(row, baselines);
  if (best == nullptr) return std::nullopt;
  return MedianRatio(row.contenders[0], *best, &Measurement::p99_microseconds);
}

std::optional<double> MemoryRatio(const Report& report) {
  std::optional<uint64_t> best;
  for (const MemoryRow& row : report.memory) {
    if (std::ranges::find(report.baselines, row.contender) == report.baselines.end()) continue;
    if (row.failure.empty()) best = std::min(best.value_or(row.bytes), row.bytes);
  }
  if (!best || !report.memory[0].failure.empty()) return std::nullopt;
  return static_cast<double>(report.memory[0].bytes) / static_cast<double>(*best);
}

std::vector<Scaling> ScalingOf(const Report& report) {
  std::vector<Scaling> all;
  for (const Row& many : report.rows) {
    const auto single = std::ranges::find_if(report.rows, [&many](const Row& row) {
      return row.workload == many.workload && row.depth == many.depth && row.queues == 1;
    });
    if (many.queues == 1 || single == report.rows.end()) continue;
    for (size_t i = 0; i < std::min(many.contenders.size(), single->contenders.size()); ++i) {
      if (many.contenders[i].series.empty() || single->contenders[i].series.empty()) continue;
      all.push_back({.workload = many.workload,
                     .contender = many.contenders[i].name,
                     .depth = many.depth,
                     .queues = many.queues,
                     .ratio = Median(many.contenders[i].series).per_second /
                              Median(single->contenders[i].series).per_second});
    }
  }
  return all;
}

void PrintTable(const Report& report) {
  std::printf("%s; %s; %s\n", report.machine.c_str(), report.filesystem.c_str(),
              Describe(report.place).c_str());
  if (report.load >= kBusyLoad) {
    std::printf("the machine was busy (load average %.1f): the rates mean little\n", report.load);
  }
  for (const std::string& note : report.notes) std::printf("%s\n", note.c_str());
  if (!report.baselines.empty()) {
    std::printf("ratios: the first by the better of %s\n",
                absl::StrJoin(report.baselines, ", ").c_str());
  }
  if (!report.rows.empty())
    std::printf("\n%-24s %5s %6s  %-18s %18s %9s %9s %8s %6s %6s %6s %6s\n", "workload", "depth",
                "queues", "", "rate", "p50 us", "p99 us", "CPU us", "front", "ratio", "CPU", "p99");
  for (const Row& row : report.rows) {
    bool first = true;
    for (const Contender& contender : row.contenders) {
      if (contender.series.empty()) continue;
      const Measurement median = Median(contender.series);
      std::printf("%-24s %5zu %6zu  %-18s %18s %9.1f %9.1f %8.2f %5.0f%% %6s %6s %6s\n",
                  first ? row.workload.c_str() : "", row.depth, row.queues, contender.name.c_str(),
                  Rate(row, median).c_str(), median.p50_microseconds, median.p99_microseconds,
                  median.cpu_microseconds, median.front_end_percent,
                  first ? Ratio(RateRatio(row, report.baselines)).c_str() : "",
                  first ? Ratio(CpuRatio(row, report.baselines)).c_str() : "",
                  first ? Ratio(TailRatio(row, report.baselines)).c_str() : "");
      first = false;
    }
  }
  for (const MemoryRow& row : report.memory) {
    const std::string figure =
        row.failure.empty() ? absl::StrFormat("%.1f MB", static_cast<double>(row.bytes) / 1e6)
                            : row.failure;
    std::printf("memory with %lu known inodes, %s: %s\n", row.inodes, row.contender.c_str(),
                figure.c_str());
  }
  if (const auto ratio = MemoryRatio(report)) std::printf("memory, ratio: %.2f\n", *ratio);
  for (const IdleRow& row : report.idle) {
    std::printf("idle for %d s, %s: %.2f%% of a CPU\n", row.seconds, row.contender.c_str(),
                row.cpu_percent);
  }
  PrintScaling(report);
}

namespace {

nlohmann::json JsonOf(const Measurement& one) {
  return {{"per_second", one.per_second},
          {"p50_us", one.p50_microseconds},
          {"p99_us", one.p99_microseconds},
          {"cpu_us", one.cpu_microseconds},
          {"front_end_percent", one.front_end_percent}};
}

nlohmann::json JsonOf(const std::vector<Verdict>& verdicts) {
  nlohmann::json json = nlohmann::json::array();
  for (const Verdict& verdict : verdicts) {
    json.push_back({{"what", verdict.what},
                    {"ratio", verdict.ratio},
                    {verdict.at_most ? "at_most" : "at_least", verdict.target},
                    {"met", verdict.met()}});
  }
  return json;
}

nlohmann::json JsonOf(const std::vector<Scaling>& scalings) {
  nlohmann::json json = nlohmann::json::array();
  for (const Scaling& scaling : scalings) {
    json.push_back({{"workload", scaling.workload},
                    {"contender", scaling.contender},
                    {"depth", scaling.depth},
                    {"queues", scaling.queues},
                    {"ratio", scaling.ratio}});
  }
  return json;
}

}  // namespace

bool WriteJson(const Report& report, const std::string& path) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Row& row : report.rows) {
    for (const Contender& contender : row.contenders) {
      nlohmann::json runs = nlohmann::json::array();
      const bool first = &contender == &row.contenders[0];
      for (const Measurement& one : contender.series) {
        runs.push_back(JsonOf(one));
      }
      rows.push_back({{"workload", row.workload},
                      {"unit", row.unit},
                      {"depth", row.depth},
                      {"queues", row.queues},
                      {"bytes", row.bytes},
                      {"contender", contender.name},
                      {"runs", runs}});
      if (!contender.series.empty()) rows.back()["median"] = JsonOf(Median(contender.series));
      if (const auto ratio = RateRatio(row, report.baselines); first && ratio) {
        rows.back()["rate_ratio"] = *ratio;
      }
      if (const auto ratio = CpuRatio(row, report.baselines); first && ratio) {
        rows.back()["cpu_ratio"] = *ratio;
      }
      if (const auto ratio = TailRatio(row, report.baselines); first && ratio) {
        rows.back()["p99_ratio"] = *ratio;
      }
    }
  }
  nlohmann::json memory = nlohmann::json::array();
  for (const MemoryRow& row : report.memory) {
    memory.push_back({{"contender", row.contender},
                      {"inodes", row.inodes},
                      {"bytes", row.bytes},
                      {"failure", row.failure}});
  }
  nlohmann::json idle = nlohmann::json::array();
  for (const IdleRow& row : report.idle) {
    idle.push_back(
        {{"contender", row.contender}, {"seconds", row.seconds}, {"cpu_percent", row.cpu_percent}});
  }
  std::ofstream file(path);
  file << nlohmann::json{{"machine", report.machine},
                         {"place", Describe(report.place)},
                         {"load", report.load},
                         {"notes", report.notes},
                         {"filesystem", report.filesystem},
                         {"baselines", report.baselines},
                         {"rows", rows},
                         {"memory", memory},
                         {"idle", idle},
                         {"queues", JsonOf(ScalingOf(report))},
                         {"targets", JsonOf(Judge(report))}}
              .dump(2)
       << "\n";
  file.close();
  return static_cast<bool>(file);
}

std::string Describe(const Place& place) {
  const char* const placement = [&place] {
    switch (place.placement) {
      case Place::Placement::kApart:
        return "apart";
      case Place::Placement::kFree:
        return "free";
      case Place::Placement::kOneCpu:
        return "one CPU";
      case Place::Placement::kOther:
        break;
    }
    return "some other placement";
  }();
  return absl::StrFormat("%s, %s", placement, place.crowded ? "crowded" : "quiet");
}

std::string DescribeMachine() {
  std::string processor = "unknown processor";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("model name")) continue;
    processor = line.substr(line.find(':') + 2);
    break;
  }
  utsname kernel{};
  uname(&kernel);
  return absl::StrFormat("%u CPUs, %s, Linux %s", std::thread::hardware_concurrency(), processor,
                         kernel.release);
}

}  // namespace postern::bench
