// Decimal numbers as virtiofsd takes them.
#ifndef POSTERN_SANDBOX_OPTIONS_PARSE_NUMBER_H_
#define POSTERN_SANDBOX_OPTIONS_PARSE_NUMBER_H_

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace postern {

// The whole of `text` as a number from 0 to the largest `Integer`: digits, after one "+" at most.
// No white space, no other base.
template <typename Integer>
std::optional<Integer> ParseNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('-')) return std::nullopt;
  Integer value{};
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || last != end) return std::nullopt;
  return value;
}

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_PARSE_NUMBER_H_
