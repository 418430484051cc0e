// postern-bench: the same requests to several daemons in turn, as ratios to the first one.
#include <absl/strings/str_format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

#include "tests/bench/session.h"
#include "tests/bench/workload.h"

namespace postern::bench {
namespace {

struct Settings {
  std::vector<std::string> daemons;
  std::string directory = "/tmp";
  int rounds = 5;
  int milliseconds = 500;
  int daemon_cpu = 1;
  int front_end_cpu = 0;
};

using Series = std::vector<Measurement>;

double Median(const Series& series, double Measurement::*field) {
  std::vector<double> values;
  for (const Measurement& one : series) values.push_back(one.*field);
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

absl::Status Measure(const Settings& settings) {
  const vmm::TempDirectory scratch(settings.directory);
  const std::string share = scratch.path();
  if (auto status = PrepareShare(share); !status.ok()) return status;
  const std::vector<Workload> workloads = AllWorkloads();
  // By workload, depth and daemon.
  std::map<std::tuple<size_t, size_t, size_t>, Series> results;
  for (int round = 0; round < settings.rounds; ++round) {
    // A fresh daemon each time, and daemons in turn: what else the machine does hits all alike.
    for (size_t daemon = 0; daemon < settings.daemons.size(); ++daemon) {
      auto session = Session::Start(Words(settings.daemons[daemon]), share, settings.daemon_cpu,
                                    settings.front_end_cpu);
      if (!session.ok()) return session.status();
      for (size_t workload = 0; workload < workloads.size(); ++workload) {
        for (const size_t depth : {size_t{1}, size_t{32}}) {
          auto one = Run(**session, workloads[workload], depth,
                         std::chrono::milliseconds(settings.milliseconds));
          if (!one.ok()) return one.status();
          results[{workload, depth, daemon}].push_back(*one);
        }
      }
      if (auto status = (*session)->Stop(); !status.ok()) return status;
    }
  }
  std::printf("%-24s %5s  %-40s %11s %7s %9s %9s %8s\n", "workload", "depth", "daemon", "ops/s",
              "ratio", "p50 us", "p99 us", "CPU us");
  for (const auto& [key, series] : results) {
    const auto& [workload, depth, daemon] = key;
    const double rate = Median(series, &Measurement::per_second);
    const double baseline = Median(results[{workload, depth, 0}], &Measurement::per_second);
    std::printf("%-24s %5zu  %-40.40s %11.0f %7.2f %9.1f %9.1f %8.1f\n",
                workloads[workload].name.c_str(), depth, settings.daemons[daemon].c_str(), rate,
                rate / baseline, Median(series, &Measurement::p50_microseconds),
                Median(series, &Measurement::p99_microseconds),
                Median(series, &Measurement::cpu_microseconds));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  postern::bench::Settings settings;
  CLI::App app(
      "Measures vhost-user-fs daemons: medians over alternating rounds, ratios to the first");
  app.add_option("daemon", settings.daemons,
                 "Command lines, each one argument; socket and directory are added. The first is "
                 "the baseline")
      ->required();
  app.add_option("--directory", settings.directory, "Where to put the shared directory")
      ->capture_default_str();
  app.add_option("--rounds", settings.rounds, "Rounds")->capture_default_str();
  app.add_option("--milliseconds", settings.milliseconds, "Time for each measurement")
      ->capture_default_str();
  app.add_option("--daemon-cpu", settings.daemon_cpu, "CPU of the daemon; -1: any")
      ->capture_default_str();
  app.add_option("--front-end-cpu", settings.front_end_cpu, "CPU of the front end; -1: any")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = postern::bench::Measure(settings); !status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
