// postern-bench: the same requests to several daemons in turn, and to the kernel without any.
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <sys/vfs.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <regex>
#include <sstream>

#include "tests/bench/prepare.h"
#include "tests/bench/report.h"
#include "tests/bench/runner.h"
#include "tests/bench/session.h"
#include "tests/bench/share_content.h"
#include "tests/bench/workload.h"

namespace postern::bench {
namespace {

constexpr char kNative[] = "native";

struct Daemon {
  std::string name;
  std::vector<std::string> command;
};

struct Settings {
  std::vector<Daemon> daemons;
  std::vector<std::string> baselines;
  std::vector<size_t> depths = {1, 32};
  std::vector<size_t> queues = {1};
  std::string filter = ".*";
  std::string directory = "/tmp";
  std::string json;
  bool native = true;
  uint64_t known_inodes = 0;
  uint64_t memory_inodes = 0;
  int rounds = 5;
  int milliseconds = 500;
  int daemon_cpu = 1;
  int front_end_cpu = 0;
};

Session::Options SessionOptions(const Settings& settings, const Daemon& daemon,
                                const std::vector<std::string>& options, const std::string& share,
                                size_t queues) {
  Session::Options session{.command = daemon.command,
                           .share = share,
                           .queues = queues,
                           .daemon_cpu = settings.daemon_cpu,
                           .front_end_cpu = settings.front_end_cpu};
  session.command.insert(session.command.end(), options.begin(), options.end());
  return session;
}

// Has the daemon know `count` inodes more.
absl::Status LookUpMany(Session& session, uint64_t count) {
  Lane lane;
  lane.client = &session.client(0);
  if (auto status = FindDirectory(lane, kManyDirectory); !status.ok()) return status;
  for (uint64_t i = 0; i < count; ++i) {
    const auto entry = lane.client->Lookup(lane.directory, FileName(i));
    if (!entry.ok()) return Failed("lookup", entry.error());
  }
  return absl::OkStatus();
}

class Benchmark {
 public:
  explicit Benchmark(const Settings& settings)
      : settings_(settings), scratch_(settings.directory), share_(scratch_.path()) {
    const std::regex wanted(settings.filter);
    for (Workload& workload : AllWorkloads()) {
      if (std::regex_search(workload.name, wanted)) workloads_.push_back(std::move(workload));
    }
  }

  absl::StatusOr<Report> Run() {
    if (auto status = PrepareShare(share_); !status.ok()) return status;
    const uint64_t many = std::max(settings_.known_inodes, settings_.memory_inodes);
    if (auto status = PrepareManyFiles(share_, many); !status.ok()) return status;
    MakeRows();
    for (int round = 0; round < settings_.rounds; ++round) {
      // Daemons in turn: what else the machine does hits all alike.
      for (size_t daemon = 0; daemon < settings_.daemons.size(); ++daemon) {
        if (auto status = RunDaemon(daemon); !status.ok()) {
          return absl::InternalError(settings_.daemons[daemon].name + ": " +
                                     std::string(status.message()));
        }
      }
      if (auto status = RunFloor(); !status.ok()) return status;
    }
    if (auto status = MeasureMemory(); !status.ok()) return status;
    return report_;
  }

 private:
  void MakeRows() {
    report_.baselines = settings_.baselines;
    report_.machine = DescribeMachine();
    struct statfs status {};
    statfs(share_.c_str(), &status);
    report_.filesystem = absl::StrFormat("%s (file system type 0x%x), %d rounds of %d ms", share_,
                                         status.f_type, settings_.rounds, settings_.milliseconds);
    for (const Workload& workload : workloads_) {
      for (const size_t queues : settings_.queues) {
        for (const size_t depth : settings_.depths) {
          Row row{.workload = workload.name,
                  .unit = workload.unit,
                  .depth = depth,
                  .queues = queues,
                  .bytes = workload.moves_data ? workload.bytes : 0,
                  .contenders = {}};
          for (const Daemon& daemon : settings_.daemons)
            row.contenders.push_back({daemon.name, {}});
          if (HasFloor(workload, depth, queues)) row.contenders.push_back({kNative, {}});
          report_.rows.push_back(std::move(row));
        }
      }
    }
  }

  bool HasFloor(const Workload& workload, size_t depth, size_t queues) const {
    return settings_.native && workload.native != nullptr && depth == settings_.depths[0] &&
           queues == settings_.queues[0];
  }

  Row& FindRow(size_t workload, size_t queues, size_t depth) {
    return report_
        .rows[(workload * settings_.queues.size() + queues) * settings_.depths.size() + depth];
  }

  // A fresh daemon for each set of options and each number of queues.
  absl::Status RunDaemon(size_t daemon) {
    for (size_t queues = 0; queues < settings_.queues.size(); ++queues) {
      for (size_t first = 0; first < workloads_.size();) {
        const std::vector<std::string>& options = workloads_[first].options;
        size_t end = first;
        while (end < workloads_.size() && workloads_[end].options == options) ++end;
        auto session = Session::Start(SessionOptions(settings_, settings_.daemons[daemon], options,
                                                     share_, settings_.queues[queues]));
        if (!session.ok()) return session.status();
        if (auto status = LookUpMany(**session, settings_.known_inodes); !status.ok())
          return status;
        for (; first < end; ++first) {
          for (size_t depth = 0; depth < settings_.depths.size(); ++depth) {
            auto one = bench::Run(**session, workloads_[first], settings_.depths[depth],
                                  std::chrono::milliseconds(settings_.milliseconds));
            if (!one.ok()) return one.status();
            FindRow(first, queues, depth).contenders[daemon].series.push_back(*one);
          }
        }
        if (auto status = (*session)->Stop(); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status RunFloor() {
    for (size_t workload = 0; workload < workloads_.size(); ++workload) {
      if (!HasFloor(workloads_[workload], settings_.depths[0], settings_.queues[0])) continue;
      auto one = RunNatively(share_, workloads_[workload],
                             std::chrono::milliseconds(settings_.milliseconds));
      if (!one.ok()) return one.status();
      FindRow(workload, 0, 0).contenders.back().series.push_back(*one);
    }
    return absl::OkStatus();
  }

  absl::Status MeasureMemory() {
    if (settings_.memory_inodes == 0) return absl::OkStatus();
    for (const Daemon& daemon : settings_.daemons) {
      auto session = Session::Start(SessionOptions(settings_, daemon, {}, share_, 1));
      if (!session.ok()) return session.status();
      if (auto status = LookUpMany(**session, settings_.memory_inodes); !status.ok()) return status;
      report_.memory.push_back({daemon.name, settings_.memory_inodes, (*session)->MemoryBytes()});
      if (auto status = (*session)->Stop(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const Settings& settings_;
  const vmm::TempDirectory scratch_;
  const std::string share_;
  std::vector<Workload> workloads_;
  Report report_;
};

// NAME=COMMAND
Daemon ParseDaemon(const std::string& text) {
  const size_t equals = text.find('=');
  Daemon daemon;
  daemon.name = text.substr(0, equals);
  std::istringstream words(equals == std::string::npos ? text : text.substr(equals + 1));
  daemon.command = {std::istream_iterator<std::string>(words),
                    std::istream_iterator<std::string>()};
  return daemon;
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  using postern::bench::Settings;
  Settings settings;
  std::vector<std::string> daemons;
  CLI::App app("Measures vhost-user-fs daemons: medians over alternating rounds");
  app.add_option("daemon", daemons,
                 "NAME=COMMAND, one argument each; socket and directory are added. The ratios are "
                 "the first one's")
      ->required();
  app.add_option("--baseline", settings.baselines, "Names of daemons: the better one is 1.0");
  app.add_option("--workloads", settings.filter, "Those whose names match this expression");
  app.add_option("--depth", settings.depths, "Operations in flight on each queue")
      ->capture_default_str();
  app.add_option("--queues", settings.queues, "Request queues, a front-end thread each")
      ->capture_default_str();
  app.add_option("--known-inodes", settings.known_inodes,
                 "Have the daemon know so many inodes before it is measured")
      ->capture_default_str();
  app.add_option("--memory", settings.memory_inodes,
                 "Measure memory, too, with so many known inodes")
      ->capture_default_str();
  app.add_flag("!--no-native", settings.native, "Without the plain system calls");
  app.add_option("--directory", settings.directory, "Where to put the shared directory")
      ->capture_default_str();
  app.add_option("--json", settings.json, "A file for all results");
  app.add_option("--rounds", settings.rounds, "Rounds")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--milliseconds", settings.milliseconds, "Time for each measurement")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--daemon-cpu", settings.daemon_cpu, "CPU of the daemon; -1: any")
      ->capture_default_str();
  app.add_option("--front-end-cpu", settings.front_end_cpu, "CPU of the front end; -1: any")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  for (const std::string& daemon : daemons) {
    settings.daemons.push_back(postern::bench::ParseDaemon(daemon));
  }
  auto report = postern::bench::Benchmark(settings).Run();
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  postern::bench::PrintTable(*report);
  if (!settings.json.empty() && !postern::bench::WriteJson(*report, settings.json)) {
    std::fprintf(stderr, "can't write %s\n", settings.json.c_str());
    return 1;
  }
  return 0;
}
