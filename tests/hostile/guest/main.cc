// postern-hostile-guest: runs the attacks against any virtio-fs daemon and prints how it came out
// of each.
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <map>
#include <sstream>

#include "tests/hostile/guest/attack_runner.h"

namespace postern::hostile {
namespace {

struct Settings {
  std::string daemon;
  std::string directory = "/tmp";
  std::string filter = "*";
  unsigned patience_ms = 5000;
  bool list = false;
  bool verbose = false;
};

int Run(const Settings& settings) {
  RunOptions options;
  std::istringstream words(settings.daemon);
  options.command = {std::istream_iterator<std::string>(words), {}};
  options.directory = settings.directory;
  options.patience = std::chrono::milliseconds(settings.patience_ms);
  std::map<std::string, int> counts;
  int not_survived = 0;
  for (const Attack* attack : AllAttacks()) {
    const std::string name = std::string(attack->family) + "/" + std::string(attack->name);
    if (fnmatch(settings.filter.c_str(), name.c_str(), 0) != 0) continue;
    if (settings.list) {
      std::printf("%s\n", name.c_str());
      continue;
    }
    const auto begin = std::chrono::steady_clock::now();
    const Judgement judgement = RunAttack(*attack, options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    const std::string outcome(Name(judgement.outcome));
    const bool survived = judgement.Survived(*attack);
    ++counts[outcome];
    if (!survived) ++not_survived;
    std::printf("%-50s %s%s%s%s\n", name.c_str(), outcome.c_str(), survived ? "" : " (!)",
                judgement.detail.empty() ? "" : ": ", judgement.detail.c_str());
    if (settings.verbose) std::printf("%.2f s\n%s\n", took.count(), judgement.log.c_str());
    std::fflush(stdout);
  }
  for (const auto& [outcome, count] : counts) std::printf("%4d %s\n", count, outcome.c_str());
  if (!settings.list) std::printf("%4d not as postern should\n", not_survived);
  return not_survived == 0 ? 0 : 1;
}

}  // namespace
}  // namespace postern::hostile

int main(int argc, char** argv) {
  CLI::App app(
      "Attacks a virtio-fs daemon as a hostile guest would, and prints what became of it.");
  postern::hostile::Settings settings;
  auto* list = app.add_flag("--list", settings.list, "print the names of all attacks");
  app.add_option("--daemon", settings.daemon,
                 "command line of the daemon, without socket and directory")
      ->excludes(list);
  app.add_option("--directory", settings.directory, "where to make the shared directory");
  app.add_option("--filter", settings.filter, "only attacks whose names match this pattern");
  app.add_option("--patience", settings.patience_ms,
                 "milliseconds after which what doesn't answer is called hung");
  app.add_flag("-v,--verbose", settings.verbose, "print the daemon's log of each");
  CLI11_PARSE(app, argc, argv);
  if (settings.daemon.empty() && !settings.list) {
    std::fprintf(stderr, "--daemon or --list is needed; --help says more\n");
    return 2;
  }
  return postern::hostile::Run(settings);
}
