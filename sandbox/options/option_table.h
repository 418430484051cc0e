// Every option, as a row.
#ifndef POSTERN_SANDBOX_OPTIONS_OPTION_TABLE_H_
#define POSTERN_SANDBOX_OPTIONS_OPTION_TABLE_H_

#include <span>
#include <string>
#include <string_view>

#include "common/status.h"
#include "sandbox/options/options.h"

namespace postern {

// Sets one option from its value (of a flag: anything), or says what is wrong with the value.
// Called for each occurrence, in the order of the command line.
using OptionSetter = absl::Status (*)(std::string_view value, Options& options);

struct OptionRow {
  const char* name;     // "--tag", "-o"; with two names "-V,--version".
  const char* value;    // What to call the value in the help; null: a flag.
  const char* summary;  // One line.
  const char* details;  // More lines for --help; null: none.
  OptionSetter set;
  bool needs_equals = false;         // The value stands after an equals sign only.
  const char* if_missing = nullptr;  // The value may be left out, and is this one then.

  // The long name if there is one: "--version", "-o".
  std::string LongName() const;
};

inline constexpr char kPrintCapabilities[] = "--print-capabilities";
inline constexpr char kHelp[] = "--help";
inline constexpr char kVersionOption[] = "--version";

std::span<const OptionRow> OptionTable();

// What -h (`full` false) or --help prints.
std::string HelpText(bool full);

inline constexpr char kUsage[] =
    "Usage: posternd --shared-dir PATH (--socket-path PATH | --fd FD) [OPTION]...\n";

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_OPTION_TABLE_H_
