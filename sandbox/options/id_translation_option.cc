#include "sandbox/options/id_translation_option.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <vector>

#include "sandbox/options/parse_number.h"

namespace postern {
namespace {

using config::IdRule;

struct TypeName {
  std::string_view name;
  bool to_host;
  bool to_guest;
  IdRule::Kind kind;
};
constexpr TypeName kTypes[] = {
    {"guest", true, false, IdRule::KIND_SHIFT},
    {"host", false, true, IdRule::KIND_SHIFT},
    {"squash-guest", true, false, IdRule::KIND_SQUASH},
    {"squash-host", false, true, IdRule::KIND_SQUASH},
    {"forbid-guest", true, false, IdRule::KIND_FORBID},
    {"map", true, true, IdRule::KIND_SHIFT},
};

// Means "no id" to the kernel: as a target it would turn a change of owner into none.
constexpr uint32_t kNoId = std::numeric_limits<uint32_t>::max();

bool IsSeparator(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return absl::ascii_isascii(byte) && !absl::ascii_isalnum(byte) && c != '-' && c != '_';
}

absl::StatusOr<std::vector<uint32_t>> ParseNumbers(std::string_view text, char separator) {
  std::vector<uint32_t> numbers;
  for (;;) {
    const std::string_view field = text.substr(0, text.find(separator));
    const std::optional<uint32_t> number = ParseNumber<uint32_t>(field);
    if (!number) return ErrorStatus("'" + std::string(field) + "' is no number of an id");
    numbers.push_back(*number);
    if (field.size() == text.size()) return numbers;
    text.remove_prefix(field.size() + 1);
  }
}

bool Leaves(uint32_t first, uint32_t count) { return count > kNoId - first; }

// One direction of `rule`.
struct Part {
  const IdTranslationRule* rule;
  uint32_t source;
  uint32_t target;
};

bool IsBefore(const Part& a, const Part& b) { return a.source < b.source; }

absl::Status Fill(std::vector<Part> parts,
                  google::protobuf::RepeatedPtrField<IdRule>& destination) {
  std::ranges::sort(parts, IsBefore);
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    if (i > 0 && part.source - parts[i - 1].source < parts[i - 1].rule->count) {
      return ErrorStatus("'" + part.rule->text + "' overlaps '" + parts[i - 1].rule->text + "'");
    }
    IdRule& rule = *destination.Add();
    rule.set_kind(part.rule->kind);
    rule.set_first(part.source);
    rule.set_count(part.rule->count);
    if (part.rule->kind != IdRule::KIND_FORBID) rule.set_target(part.target);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<IdTranslationRule> ParseIdTranslationRule(std::string_view text) {
  const auto* const separator = std::ranges::find_if(text, IsSeparator);
  const auto name_size = static_cast<size_t>(separator - text.begin());
  const std::string name = absl::AsciiStrToLower(absl::string_view(text.data(), name_size));
  const auto* const type =
      std::ranges::find(kTypes, std::string_view(name), [](const TypeName& t) { return t.name; });
  if (type == std::end(kTypes)) {
    return ErrorStatus("'" + name +
                       "' is not one of guest, host, squash-guest, squash-host, forbid-guest, map");
  }
  const size_t expected = type->kind == IdRule::KIND_FORBID ? 2 : 3;
  const absl::Status wrong_count =
      ErrorStatus("'" + name + "' takes " + std::to_string(expected) + " numbers");
  if (name_size == text.size()) return wrong_count;
  POSTERN_TRY_ASSIGN(const std::vector<uint32_t> numbers,
                     ParseNumbers(text.substr(name_size + 1), *separator));
  if (numbers.size() != expected) return wrong_count;
  IdTranslationRule rule;
  rule.to_host = type->to_host;
  rule.to_guest = type->to_guest;
  rule.kind = type->kind;
  rule.source = numbers.front();
  rule.target = expected == 3 ? numbers[1] : 0;
  rule.count = numbers.back();
  rule.text = text;
  return rule;
}

absl::StatusOr<config::IdTranslation> CombineIdTranslation(
    std::span<const IdTranslationRule> rules) {
  std::vector<Part> to_host;
  std::vector<Part> to_guest;
  for (const IdTranslationRule& rule : rules) {
    const bool beyond = Leaves(rule.source, rule.count) ||
                        (rule.kind == IdRule::KIND_SHIFT && Leaves(rule.target, rule.count)) ||
                        (rule.kind == IdRule::KIND_SQUASH && rule.target == kNoId);
    if (beyond) return ErrorStatus("'" + rule.text + "' goes beyond the last id");
    if (rule.count == 0) continue;
    if (rule.to_host) to_host.push_back({&rule, rule.source, rule.target});
    if (rule.to_guest && rule.to_host) {
      to_guest.push_back({&rule, rule.target, rule.source});
    } else if (rule.to_guest) {
      to_guest.push_back({&rule, rule.source, rule.target});
    }
  }
  config::IdTranslation translation;
  POSTERN_TRY(Fill(std::move(to_host), *translation.mutable_to_host()));
  POSTERN_TRY(Fill(std::move(to_guest), *translation.mutable_to_guest()));
  return translation;
}

}  // namespace postern
