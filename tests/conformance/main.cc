// postern-conformance: the same operations on a shared directory and on a local one.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "tests/conformance/daemon_run.h"
#include "tests/conformance/local_tree.h"
#include "tests/conformance/runner.h"

namespace postern::conformance {
namespace {

const std::map<std::string, uint32_t> kFeatures = {{"kernel", kKernel},
                                                   {"xattr", kXattr},
                                                   {"acl", kAcl},
                                                   {"tmpfile", kTmpfile},
                                                   {"trusted-xattr", kTrustedXattr},
                                                   {"set-id-on-open", kSetIdOnOpen}};

constexpr int kSkipped = 77;  // What ctest takes for a skip.

struct Settings {
  std::string local;
  std::string against;
  std::string daemon;
  std::string directory = "/tmp";
  std::vector<std::string> without;
  bool list = false;
  RunOptions run;
};

// A new directory below `parent`, so that what lies there already is left alone; empty if it can't
// be made.
std::string NewDirectory(const std::string& parent) {
  std::string path = parent + "/conformance-XXXXXX";
  if (mkdtemp(path.data()) == nullptr || chmod(path.c_str(), 0755) != 0) {
    std::perror(parent.c_str());
    return "";
  }
  return path;
}

std::unique_ptr<LocalTree> NewTree(const std::string& parent) {
  const std::string directory = NewDirectory(parent);
  if (directory.empty()) return nullptr;
  auto tree = LocalTree::Open(directory);
  if (tree.ok()) return std::move(*tree);
  std::fprintf(stderr, "%s: %s\n", directory.c_str(), tree.error().Message().c_str());
  return nullptr;
}

int Run(const Settings& settings) {
  if (settings.list) {
    for (const Check& check : AllChecks()) std::printf("%s\n", check.name.c_str());
    return 0;
  }
  if (geteuid() != 0) {
    std::fprintf(stderr, "only root can become the users that checks need\n");
    return std::getenv("CI") != nullptr ? 2 : kSkipped;
  }
  if (!settings.daemon.empty()) {
    std::istringstream words(settings.daemon);
    const std::vector<std::string> command{std::istream_iterator<std::string>(words), {}};
    return RunAgainstDaemon(command, settings.directory, settings.run) ? 0 : 1;
  }
  const std::unique_ptr<LocalTree> local = NewTree(settings.local);
  if (local == nullptr) return 2;
  if (settings.against.empty()) {
    PrintSummary(PrintTranscript(*local, settings.run));
    return 0;
  }
  const std::unique_ptr<LocalTree> shared = NewTree(settings.against);
  if (shared == nullptr) return 2;
  const Summary summary = Compare(*local, *shared, settings.run);
  PrintSummary(summary);
  return summary.passed() ? 0 : 1;
}

}  // namespace
}  // namespace postern::conformance

int main(int argc, char** argv) {
  using postern::conformance::kFeatures;
  CLI::App app("Does the same on a shared directory and on a local one, and prints what differs.");
  postern::conformance::Settings settings;
  auto* local =
      app.add_option("--local", settings.local, "print what the checks give in this directory");
  app.add_option("--against", settings.against,
                 "compare with this directory, which a kernel serves: in a guest, the mount")
      ->needs(local);
  auto* daemon = app.add_option("--daemon", settings.daemon,
                                "command line of a daemon to compare with, without socket and "
                                "directory")
                     ->excludes(local);
  app.add_option("--directory", settings.directory,
                 "with --daemon: where to make the two directories")
      ->needs(daemon);
  app.add_option("--without", settings.without, "leave out what needs this of the shared directory")
      ->delimiter(',')
      ->check(CLI::IsMember(kFeatures));
  app.add_option("--knowing", settings.run.knowing,
                 "let the known differences of this way to run the daemon count")
      ->delimiter(',');
  app.add_option("--filter", settings.run.filter, "only checks whose names match this pattern");
  app.add_flag("--list", settings.list, "print the names of all checks");
  app.add_flag("-v,--verbose", settings.run.verbose, "print explained differences, too");
  CLI11_PARSE(app, argc, argv);
  if (!settings.list && settings.local.empty() && settings.daemon.empty()) {
    std::fprintf(stderr, "--local, --daemon or --list is needed; --help says more\n");
    return 2;
  }
  for (const std::string& feature : settings.without) {
    settings.run.has &= ~kFeatures.at(feature);
  }
  return postern::conformance::Run(settings);
}
