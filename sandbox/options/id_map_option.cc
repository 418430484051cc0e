#include "sandbox/options/id_map_option.h"

#include <absl/strings/ascii.h>

#include <array>
#include <optional>
#include <string>

#include "sandbox/options/parse_number.h"

namespace postern {

absl::StatusOr<IdMapRange> ParseIdMapRange(std::string_view text) {
  const absl::Status malformed = ErrorStatus("not of the form ':INSIDE:OUTSIDE:COUNT:'");
  if (text.empty()) return malformed;
  const char separator = text.front();
  if (absl::ascii_isalnum(static_cast<unsigned char>(separator)) ||
      !absl::ascii_isascii(static_cast<unsigned char>(separator))) {
    return malformed;
  }
  text.remove_prefix(1);
  std::array<uint32_t, 3> numbers{};
  for (uint32_t& number : numbers) {
    const size_t size = text.find(separator);
    if (size == std::string_view::npos) return malformed;
    const std::string_view field = text.substr(0, size);
    const std::optional<uint32_t> value = ParseNumber<uint32_t>(field);
    if (!value) return ErrorStatus("'" + std::string(field) + "' is no number of an id");
    number = *value;
    text.remove_prefix(size + 1);
  }
  if (!text.empty()) return malformed;
  return IdMapRange{numbers[0], numbers[1], numbers[2]};
}

}  // namespace postern
