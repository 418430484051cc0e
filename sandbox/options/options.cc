#include "sandbox/options/options.h"

#include <functional>
#include <set>

#include "common/build_info.h"
#include "common/status.h"
#include "sandbox/options/command_line.h"
#include "sandbox/options/compat_options.h"
#include "sandbox/options/option_table.h"

namespace postern {
namespace {

struct Conflict {
  const char* option;
  const char* other;
};
constexpr Conflict kConflicts[] = {
    {"--fd", "--socket-path"},
    {"--fd", "--socket"},
    {"--socket-group", "--fd"},
    {"--socket-group", kPrintCapabilities},
};

// Of the vhost-user back end schema of QEMU (docs/interop/vhost-user.json).
constexpr char kCapabilities[] =
    "{\n"
    "  \"type\": \"fs\",\n"
    "  \"features\": [\n"
    "    \"posix-acl-negotiation-mode\",\n"
    "    \"security-label-negotiation-mode\",\n"
    "    \"separate-options\"\n"
    "  ]\n"
    "}\n";

EarlyExit UsageError(const std::string& message) {
  return {2, "error: " + message + "\n\n" + kUsage + "\nFor more information, try '--help'.\n"};
}

using Given = std::set<std::string, std::less<>>;

// "virtiofsd 1.14.0" is what callers compare with.
std::string VersionText(std::string_view called) {
  std::string own = "posternd ";
  own.append(kVersion);
  if (called.substr(called.rfind('/') + 1) != "virtiofsd") return own.append("\n");
  std::string text = "virtiofsd ";
  return text.append(kVirtiofsdVersion).append(" (").append(own).append(")\n");
}

std::optional<EarlyExit> SetAll(const std::vector<std::string>& arguments, std::string_view called,
                                Options& options, Given& given) {
  CommandLine line(arguments, OptionTable());
  for (;;) {
    const auto next = line.Next();
    if (!next.ok()) return UsageError(Text(next.status()));
    if (!next->has_value()) return std::nullopt;
    const OptionOccurrence& option = **next;
    const std::string name = option.row->LongName();
    if (name == kHelp) return EarlyExit{0, HelpText(/*full=*/option.name == kHelp)};
    if (name == kVersionOption) return EarlyExit{0, VersionText(called)};
    const absl::Status set = option.row->set(option.value, options);
    if (!set.ok()) {
      return UsageError("invalid value '" + std::string(option.value) + "' for '" + name +
                        "': " + Text(set));
    }
    given.insert(name);
  }
}

std::optional<EarlyExit> CheckTogether(const Given& given) {
  for (const Conflict& conflict : kConflicts) {
    if (given.contains(conflict.option) && given.contains(conflict.other)) {
      return UsageError(std::string(conflict.option) + " can't be used with " + conflict.other);
    }
  }
  if (given.contains(kPrintCapabilities)) return std::nullopt;
  if (!given.contains("--shared-dir") && !given.contains("-o")) {
    return UsageError("--shared-dir is required");
  }
  if (!given.contains("--socket-path") && !given.contains("--socket") && !given.contains("--fd")) {
    return UsageError("one of --socket-path and --fd is required");
  }
  return std::nullopt;
}

// They win over all other options, wherever they stand.
std::optional<EarlyExit> ApplyCompat(Options& options) {
  for (const std::string& list : std::vector<std::string>(options.compat_options)) {
    const absl::Status status = ApplyCompatOptions(list, options);
    if (!status.ok()) return UsageError(Text(status));
  }
  if (options.posix_acl && !(options.translate_uid.empty() && options.translate_gid.empty())) {
    return UsageError(
        "--posix-acl (-o posix_acl) can't be used with " +
        std::string(options.translate_uid.empty() ? "--translate-gid" : "--translate-uid"));
  }
  return std::nullopt;
}

}  // namespace

std::variant<Options, EarlyExit> ParseOptions(const std::vector<std::string>& arguments,
                                              std::string_view called) {
  if (arguments.empty()) return EarlyExit{2, HelpText(/*full=*/false)};
  Options options;
  Given given;
  if (auto exit = SetAll(arguments, called, options, given)) return *exit;
  if (auto exit = CheckTogether(given)) return *exit;
  if (auto exit = ApplyCompat(options)) return *exit;
  if (given.contains(kPrintCapabilities)) return EarlyExit{0, kCapabilities};
  return options;
}

}  // namespace postern
