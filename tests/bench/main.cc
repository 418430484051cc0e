// postern-bench: the same requests to several daemons in turn, and to the kernel without any.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iterator>
#include <sstream>

#include "tests/bench/benchmark.h"
#include "tests/bench/report.h"
#include "tests/bench/settings.h"
#include "tests/bench/targets.h"
#include "tests/bench/workload.h"

namespace postern::bench {
namespace {

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

void AddOptions(CLI::App& app, Settings& settings, std::vector<std::string>& daemons) {
  app.add_option("daemon", daemons,
                 "NAME=COMMAND, one argument each. {socket} and {share} in it stand for the socket "
                 "and the directory; without either, --socket-path and --shared-dir are added. The "
                 "ratios are the first one's");
  app.add_option("--baseline", settings.baselines, "Names of daemons: the better one is 1.0");
  app.add_flag("--targets", settings.targets,
               "Say what the first one should reach there, and where it misses that");
  app.add_flag("--list", settings.list, "Print the names of the workloads, and nothing else");
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
  app.add_option("--idle", settings.idle_seconds,
                 "Measure the CPU time of a connected daemon without requests, for so many seconds")
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
  app.add_option("--together", settings.together,
                 "So many daemons of a kind at a time, each with a front end at work: their sum")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--neighbours", settings.neighbours,
                 "Busy processes beside them, on the daemon's CPU")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--front-end-polls", settings.front_end_polls,
               "The front end looks at its rings all the time, instead of sleeping until it is "
               "notified as a guest does");
}

int Main(int argc, char** argv) {
  Settings settings;
  std::vector<std::string> daemons;
  CLI::App app("Measures vhost-user-fs daemons: medians over alternating rounds");
  AddOptions(app, settings, daemons);
  CLI11_PARSE(app, argc, argv);
  if (settings.list) {
    for (const Workload& workload : AllWorkloads()) std::printf("%s\n", workload.name.c_str());
    return 0;
  }
  if (daemons.empty()) {
    std::fprintf(stderr, "no daemon to measure\n");
    return 2;
  }
  for (const std::string& daemon : daemons) settings.daemons.push_back(ParseDaemon(daemon));
  auto report = Benchmark(settings).Run();
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  PrintTable(*report);
  if (settings.targets) PrintTargets(*report);
  if (!settings.json.empty() && !WriteJson(*report, settings.json)) {
    std::fprintf(stderr, "can't write %s\n", settings.json.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) { return postern::bench::Main(argc, argv); }
