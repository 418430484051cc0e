#include "tests/bench/report.h"

#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace postern::bench {
namespace {

// The baseline with the highest rate.
std::optional<Measurement> BestBaseline(const Row& row, const std::vector<std::string>& baselines) {
  std::optional<Measurement> best;
  for (const Contender& contender : row.contenders) {
    if (std::find(baselines.begin(), baselines.end(), contender.name) == baselines.end()) continue;
    const Measurement median = Median(contender.series);
    if (!best || median.per_second > best->per_second) best = median;
  }
  return best;
}

std::string Ratio(std::optional<double> ratio) {
  return ratio ? absl::StrFormat("%.2f", *ratio) : "";
}

std::string Rate(const Row& row, const Measurement& median) {
  if (row.bytes == 0) return absl::StrFormat("%.0f %s/s", median.per_second, row.unit);
  return absl::StrFormat("%.0f MB/s", median.per_second * row.bytes / 1e6);
}

}  // namespace

std::optional<double> RateRatio(const Row& row, const std::vector<std::string>& baselines) {
  const auto best = BestBaseline(row, baselines);
  if (!best) return std::nullopt;
  return Median(row.contenders[0].series).per_second / best->per_second;
}

std::optional<double> CpuRatio(const Row& row, const std::vector<std::string>& baselines) {
  const auto best = BestBaseline(row, baselines);
  if (!best || best->cpu_microseconds <= 0) return std::nullopt;
  return Median(row.contenders[0].series).cpu_microseconds / best->cpu_microseconds;
}

void PrintTable(const Report& report) {
  std::printf("%s; %s\n", report.machine.c_str(), report.filesystem.c_str());
  if (!report.baselines.empty()) {
    std::printf("ratios: the first by the better of %s\n",
                absl::StrJoin(report.baselines, ", ").c_str());
  }
  std::printf("\n%-24s %5s %6s  %-18s %18s %9s %9s %8s %6s %6s\n", "workload", "depth", "queues",
              "", "rate", "p50 us", "p99 us", "CPU us", "ratio", "CPU");
  for (const Row& row : report.rows) {
    bool first = true;
    for (const Contender& contender : row.contenders) {
      const Measurement median = Median(contender.series);
      std::printf("%-24s %5zu %6zu  %-18s %18s %9.1f %9.1f %8.2f %6s %6s\n",
                  first ? row.workload.c_str() : "", row.depth, row.queues, contender.name.c_str(),
                  Rate(row, median).c_str(), median.p50_microseconds, median.p99_microseconds,
                  median.cpu_microseconds,
                  first ? Ratio(RateRatio(row, report.baselines)).c_str() : "",
                  first ? Ratio(CpuRatio(row, report.baselines)).c_str() : "");
      first = false;
    }
  }
  for (const MemoryRow& row : report.memory) {
    std::printf("memory with %lu known inodes, %s: %.1f MB\n", row.inodes, row.contender.c_str(),
                static_cast<double>(row.bytes) / 1e6);
  }
}

bool WriteJson(const Report& report, const std::string& path) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Row& row : report.rows) {
    for (const Contender& contender : row.contenders) {
      nlohmann::json runs = nlohmann::json::array();
      for (const Measurement& one : contender.series) {
        runs.push_back({{"per_second", one.per_second},
                        {"p50_us", one.p50_microseconds},
                        {"p99_us", one.p99_microseconds},
                        {"cpu_us", one.cpu_microseconds}});
      }
      rows.push_back({{"workload", row.workload},
                      {"unit", row.unit},
                      {"depth", row.depth},
                      {"queues", row.queues},
                      {"bytes", row.bytes},
                      {"contender", contender.name},
                      {"runs", runs}});
    }
  }
  nlohmann::json memory = nlohmann::json::array();
  for (const MemoryRow& row : report.memory) {
    memory.push_back({{"contender", row.contender}, {"inodes", row.inodes}, {"bytes", row.bytes}});
  }
  std::ofstream file(path);
  file << nlohmann::json{{"machine", report.machine},
                         {"filesystem", report.filesystem},
                         {"baselines", report.baselines},
                         {"rows", rows},
                         {"memory", memory}}
              .dump(2)
       << "\n";
  file.close();
  return static_cast<bool>(file);
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
