// postern-conformance: the same operations on a shared directory and on a local one.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
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

// A tree in a new directory below a given one, so that what lies there already is left alone.
// Removed at the end with all that is in it.
class ScratchTree {
 public:
  explicit ScratchTree(const std::string& parent) : path_(parent + "/conformance-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) {
      std::perror(parent.c_str());
      path_.clear();
      return;
    }
    auto tree = LocalTree::Open(path_);
    if (chmod(path_.c_str(), 0755) == 0 && tree.ok()) tree_ = std::move(*tree);
  }
  ~ScratchTree() {
    tree_.reset();
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
    if (error) std::fprintf(stderr, "%s: %s\n", path_.c_str(), error.message().c_str());
  }
  ScratchTree(const ScratchTree&) = delete;
  ScratchTree& operator=(const ScratchTree&) = delete;

  LocalTree* get() const { return tree_.get(); }  // Null if it couldn't be made.

 private:
  std::string path_;
  std::unique_ptr<LocalTree> tree_;
};

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
  const ScratchTree local(settings.local);
  if (local.get() == nullptr) return 2;
  if (settings.against.empty()) {
    PrintSummary(PrintTranscript(*local.get(), settings.run));
    return 0;
  }
  const ScratchTree shared(settings.against);
  if (shared.get() == nullptr) return 2;
  const Summary summary = Compare(*local.get(), *shared.get(), settings.run);
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
