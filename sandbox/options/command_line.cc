#include "sandbox/options/command_line.h"

#include <utility>

namespace postern {
namespace {

absl::Status Unexpected(std::string_view argument) {
  return ErrorStatus("unexpected argument '" + std::string(argument) + "' found");
}

absl::Status NoValue(const OptionRow& row) {
  return ErrorStatus("a value is required for '" + row.LongName() + "' but none was supplied");
}

bool Has(const OptionRow& row, std::string_view name) {
  const std::string_view names = row.name;
  const size_t comma = names.find(',');
  if (comma == std::string_view::npos) return names == name;
  return names.substr(0, comma) == name || names.substr(comma + 1) == name;
}

}  // namespace

absl::StatusOr<std::optional<OptionOccurrence>> CommandLine::Next() {
  if (letters_.empty()) {
    if (rest_.empty()) return std::optional<OptionOccurrence>();
    const std::string_view argument = rest_.front();
    rest_ = rest_.subspan(1);
    if (argument.starts_with("--")) {
      POSTERN_TRY_ASSIGN(const OptionOccurrence found, TakeLong(argument));
      return std::optional(found);
    }
    if (!argument.starts_with('-') || argument.size() == 1) return Unexpected(argument);
    letters_ = argument.substr(1);
  }
  POSTERN_TRY_ASSIGN(const OptionOccurrence found, TakeShort());
  return std::optional(found);
}

absl::StatusOr<OptionOccurrence> CommandLine::TakeLong(std::string_view argument) {
  const size_t equals = argument.find('=');
  const std::string_view name = argument.substr(0, equals);
  const OptionRow* const row = Find(name);
  if (row == nullptr) return Unexpected(name);
  const bool has_value = equals != std::string_view::npos;
  OptionOccurrence found{row, name, has_value ? argument.substr(equals + 1) : std::string_view()};
  if (row->value == nullptr && has_value) {
    return ErrorStatus("unexpected value '" + std::string(found.value) + "' for '" +
                       row->LongName() + "' found");
  }
  if (row->value == nullptr || has_value) return found;
  if (row->if_missing != nullptr) {
    found.value = row->if_missing;
    return found;
  }
  if (row->needs_equals) {
    return ErrorStatus("equal sign is needed when assigning values to '" + row->LongName() + "'");
  }
  POSTERN_TRY_ASSIGN(found.value, TakeValue(*row));
  return found;
}

absl::StatusOr<OptionOccurrence> CommandLine::TakeShort() {
  letter_name_ = {'-', letters_.front()};
  letters_.remove_prefix(1);
  const OptionRow* const row = Find(letter_name_);
  if (row == nullptr) return Unexpected(letter_name_);
  OptionOccurrence found{row, letter_name_, {}};
  if (row->value == nullptr) return found;
  if (letters_.empty()) {
    POSTERN_TRY_ASSIGN(found.value, TakeValue(*row));
    return found;
  }
  found.value = std::exchange(letters_, {});
  if (found.value.starts_with('=')) found.value.remove_prefix(1);
  return found;
}

absl::StatusOr<std::string_view> CommandLine::TakeValue(const OptionRow& row) {
  if (rest_.empty()) return NoValue(row);
  const std::string_view value = rest_.front();
  if (value.starts_with('-') && value.size() > 1) return NoValue(row);
  rest_ = rest_.subspan(1);
  return value;
}

const OptionRow* CommandLine::Find(std::string_view name) const {
  for (const OptionRow& row : table_) {
    if (Has(row, name)) return &row;
  }
  return nullptr;
}

}  // namespace postern
