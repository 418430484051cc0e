#include "sandbox/options.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <string_view>

#include "common/build_info.h"
#include "sandbox/status.h"

namespace postern {
namespace {

// Each sets one option from its value, or says what is wrong with the value.
using Setter = absl::Status (*)(const std::string& value, Options& options);

absl::Status NoEffectHere(const std::string&, Options&) { return absl::OkStatus(); }

absl::Status SetSharedDir(const std::string& value, Options& options) {
  if (value.empty()) return ErrorStatus("a path can't be empty");
  options.shared_dir = value;
  return absl::OkStatus();
}

absl::Status SetSocketPath(const std::string& value, Options& options) {
  if (value.empty()) return ErrorStatus("a path can't be empty");
  options.socket_path = value;
  return absl::OkStatus();
}

absl::Status SetSocketGroup(const std::string& value, Options& options) {
  if (value.empty()) return ErrorStatus("a group name can't be empty");
  options.socket_group = value;
  return absl::OkStatus();
}

absl::Status SetFd(const std::string& value, Options& options) {
  int fd = -1;
  if (!absl::SimpleAtoi(value, &fd) || fd < 0) return ErrorStatus("not a descriptor's number");
  options.fd = fd;
  return absl::OkStatus();
}

absl::Status SetTag(const std::string& value, Options& options) {
  if (value.empty() || value.size() > kMaxTagBytes) {
    return ErrorStatus("a tag has 1 to 36 bytes");
  }
  options.tag = value;
  return absl::OkStatus();
}

absl::Status SetLogLevel(const std::string& value, Options& options) {
  const std::optional<LogLevel> level = ParseLogLevel(value);
  if (!level) return ErrorStatus("not one of error, warn, info, debug, trace, off");
  options.log_level = *level;
  return absl::OkStatus();
}

absl::Status SetThreadPoolSize(const std::string& value, Options& options) {
  if (!absl::SimpleAtoi(value, &options.thread_pool_size)) return ErrorStatus("not a number");
  return absl::OkStatus();
}

absl::Status SetRequestQueues(const std::string& value, Options& options) {
  uint32_t queues = 0;
  if (!absl::SimpleAtoi(value, &queues) || queues < 1 || queues > kMaxRequestQueues) {
    return ErrorStatus("not a number from 1 to 64");
  }
  options.request_queues = queues;
  return absl::OkStatus();
}

absl::Status SetSandbox(const std::string& value, Options& options) {
  const std::string mode = absl::AsciiStrToLower(value);
  if (mode == "namespace") {
    options.sandbox = config::SANDBOX_MODE_NAMESPACE;
  } else if (mode == "chroot") {
    options.sandbox = config::SANDBOX_MODE_CHROOT;
  } else if (mode == "none") {
    options.sandbox = config::SANDBOX_MODE_NONE;
  } else {
    return ErrorStatus("not one of namespace, chroot, none");
  }
  return absl::OkStatus();
}

absl::Status SetSeccomp(const std::string& value, Options& options) {
  if (value == "kill") {
    options.seccomp = config::SECCOMP_ACTION_KILL;
  } else if (value == "log") {
    options.seccomp = config::SECCOMP_ACTION_LOG;
  } else if (value == "trap") {
    options.seccomp = config::SECCOMP_ACTION_TRAP;
  } else if (value == "none") {
    options.seccomp = config::SECCOMP_ACTION_NONE;
  } else {
    return ErrorStatus("not one of kill, log, trap, none");
  }
  return absl::OkStatus();
}

absl::Status SetCache(const std::string& value, Options& options) {
  const std::string mode = absl::AsciiStrToLower(value);
  if (mode == "auto") {
    options.cache = config::CACHE_MODE_AUTO;
  } else if (mode == "always") {
    options.cache = config::CACHE_MODE_ALWAYS;
  } else if (mode == "never") {
    options.cache = config::CACHE_MODE_NEVER;
  } else if (mode == "metadata") {
    options.cache = config::CACHE_MODE_METADATA;
  } else {
    return ErrorStatus("not one of auto, always, never, metadata");
  }
  return absl::OkStatus();
}

absl::Status SetXattr(const std::string&, Options& options) {
  options.xattr = true;
  return absl::OkStatus();
}

struct OptionRow {
  const char* names;
  const char* value;  // What to call the value in the help; null: a flag.
  const char* help;
  Setter set;
};

constexpr char kPrintCapabilities[] = "--print-capabilities";
constexpr char kVersionOption[] = "--version";

constexpr OptionRow kOptions[] = {
    {"--shared-dir", "PATH", "Directory (or regular file) to share", &SetSharedDir},
    {"--socket-path", "PATH", "Listening vhost-user socket to create", &SetSocketPath},
    {"--fd", "FD", "Inherited listening vhost-user socket", &SetFd},
    {"--socket-group", "GROUP", "Group that may connect to the socket", &SetSocketGroup},
    {"--tag", "TAG", "Tag by which the guest mounts, where the device carries it (1-36 bytes)",
     &SetTag},
    {"--log-level", "LEVEL", "error, warn, info, debug, trace or off [info]", &SetLogLevel},
    {"--thread-pool-size", "N", "Threads that do file operations; 0: one per queue [0]",
     &SetThreadPoolSize},
    {"--request-queues", "N", "Request queues offered (1-64) [one per processor, at most 8]",
     &SetRequestQueues},
    {"--sandbox", "MODE", "namespace, chroot or none [namespace]", &SetSandbox},
    {"--seccomp", "ACTION", "On a forbidden system call: kill, log, trap; none: no filter [kill]",
     &SetSeccomp},
    {"--cache", "MODE", "What the guest may cache: auto, always, never or metadata [auto]",
     &SetCache},
    {"--xattr", nullptr, "Extended attributes: accepted, without effect so far", &SetXattr},
    {kPrintCapabilities, nullptr, "Print what this program can do, as JSON, and exit",
     &NoEffectHere},
    {"-V,--version", nullptr, "Print the version and exit", &NoEffectHere},
};

struct Conflict {
  const char* option;
  const char* other;
};
constexpr Conflict kConflicts[] = {
    {"--fd", "--socket-path"},
    {"--socket-group", "--fd"},
    {"--socket-group", kPrintCapabilities},
};

constexpr char kUsage[] =
    "Usage: posternd --shared-dir PATH (--socket-path PATH | --fd FD) [OPTION]...\n";
constexpr char kDescription[] =
    "\nShares a directory with a virtual machine (vhost-user back end for virtio-fs).\n";

// Of the vhost-user back end schema of QEMU (docs/interop/vhost-user.json).
constexpr char kCapabilities[] =
    "{\n"
    "  \"type\": \"fs\",\n"
    "  \"features\": [\n"
    "    \"separate-options\"\n"
    "  ]\n"
    "}\n";

EarlyExit UsageError(const std::string& message) {
  return {2, "error: " + message + "\n\n" + kUsage + "For more information, try '--help'.\n"};
}

// CLI11 would say "Usage: [OPTIONS]".
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(32); }
  std::string make_usage(const CLI::App*, std::string) const override {
    return std::string(kUsage) + kDescription;
  }
};

// CLI11 splits the command line; the rows above decide what the values mean.
class CommandLine {
 public:
  CommandLine() {
    app_.set_help_flag("-h,--help", "Print this help and exit");
    app_.formatter(std::make_shared<HelpFormatter>());
    for (size_t i = 0; i < std::size(kOptions); ++i) {
      const OptionRow& row = kOptions[i];
      CLI::Option* option = row.value != nullptr ? app_.add_option(row.names, values_[i], row.help)
                                                 : app_.add_flag(row.names, row.help);
      option->take_last();
      if (row.value != nullptr) {
        option->type_name(row.value);
      } else {
        option->disable_flag_override();  // "--xattr=off" would be taken for "on".
      }
    }
  }

  // Empty if the command line could be split.
  std::optional<EarlyExit> Split(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      return EarlyExit{0, Help()};
    } catch (const CLI::ParseError& error) {
      return UsageError(error.what());
    }
    return std::nullopt;
  }

  bool Given(const char* option) const { return app_.count(option) > 0; }
  const std::string& value(size_t row) const { return values_[row]; }
  bool given(size_t row) const { return app_.get_option(LongName(row))->count() > 0; }
  std::string Help() const { return app_.help(); }

  static std::string LongName(size_t row) {
    const std::string_view names = kOptions[row].names;
    return std::string(names.substr(names.find("--")));
  }

 private:
  CLI::App app_;
  std::array<std::string, std::size(kOptions)> values_;
};

}  // namespace

std::variant<Options, EarlyExit> ParseOptions(const std::vector<std::string>& arguments) {
  CommandLine line;
  if (arguments.empty()) return EarlyExit{2, line.Help()};
  if (auto exit = line.Split(arguments)) return *exit;
  if (line.Given(kVersionOption)) return EarlyExit{0, "posternd " + std::string(kVersion) + "\n"};

  Options options;
  for (size_t i = 0; i < std::size(kOptions); ++i) {
    if (!line.given(i)) continue;
    if (const absl::Status status = kOptions[i].set(line.value(i), options); !status.ok()) {
      return UsageError("invalid value '" + line.value(i) + "' for '" + CommandLine::LongName(i) +
                        "': " + Text(status));
    }
  }
  for (const Conflict& conflict : kConflicts) {
    if (line.Given(conflict.option) && line.Given(conflict.other)) {
      return UsageError(std::string(conflict.option) + " can't be used with " + conflict.other);
    }
  }
  if (line.Given(kPrintCapabilities)) return EarlyExit{0, kCapabilities};
  if (options.shared_dir.empty()) return UsageError("--shared-dir is required");
  if (!options.socket_path && !options.fd) {
    return UsageError("one of --socket-path and --fd is required");
  }
  return options;
}

}  // namespace postern
