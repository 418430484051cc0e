// The command line as a sequence of options with values, by the rules of virtiofsd's parser.
#ifndef POSTERN_SANDBOX_OPTIONS_COMMAND_LINE_H_
#define POSTERN_SANDBOX_OPTIONS_COMMAND_LINE_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/status.h"
#include "sandbox/options/option_table.h"

namespace postern {

struct OptionOccurrence {
  const OptionRow* row;
  std::string_view name;   // As given, of the two that a row may have: "-h".
  std::string_view value;  // Empty for a flag. Borrowed from the arguments, like `name`.
};

// "--name value", "--name=value", "-o value", "-ovalue", "-o=value"; flags of one letter may be
// joined ("-df"). A value that begins with "-" needs the equals sign. Names aren't abbreviated.
// What is no option is an error.
class CommandLine {
 public:
  // `arguments`, without the program's name, and `table` must outlive this.
  CommandLine(std::span<const std::string> arguments, std::span<const OptionRow> table)
      : rest_(arguments), table_(table) {}

  // The next one; nothing at the end.
  absl::StatusOr<std::optional<OptionOccurrence>> Next();

 private:
  absl::StatusOr<OptionOccurrence> TakeLong(std::string_view argument);
  absl::StatusOr<OptionOccurrence> TakeShort();
  // The value in the following argument.
  absl::StatusOr<std::string_view> TakeValue(const OptionRow& row);
  const OptionRow* Find(std::string_view name) const;

  std::span<const std::string> rest_;
  const std::span<const OptionRow> table_;
  // What is left of an argument like "-df".
  std::string_view letters_;
  std::string letter_name_;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_COMMAND_LINE_H_
