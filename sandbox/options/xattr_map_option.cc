#include "sandbox/options/xattr_map_option.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>

namespace postern {
namespace {

using config::XattrRule;
using Rules = std::vector<XattrRule>;

constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";

struct TypeName {
  std::string_view name;
  XattrRule::Type type;
};
constexpr TypeName kTypes[] = {{"prefix", XattrRule::TYPE_PREFIX},
                               {"ok", XattrRule::TYPE_OK},
                               {"bad", XattrRule::TYPE_BAD},
                               {"unsupported", XattrRule::TYPE_UNSUPPORTED}};

enum class Scope { kClient, kServer, kAll };

void Append(Rules& rules, XattrRule::Type type, Scope scope, std::string_view key,
            std::string_view prepend) {
  XattrRule& rule = rules.emplace_back();
  rule.set_type(type);
  rule.set_for_client(scope != Scope::kServer);
  rule.set_for_server(scope != Scope::kClient);
  rule.set_key(key.data(), key.size());
  rule.set_prepend(prepend.data(), prepend.size());
}

// The rest of the text, cut off from the front.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) { SkipWhiteSpace(); }

  bool AtEnd() const { return rest_.empty(); }
  void SkipWhiteSpace() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kWhiteSpace), rest_.size()));
  }
  // One character of UTF-8. Precondition: not AtEnd().
  void ReadSeparator() {
    size_t size = 1;
    while (size < rest_.size() && (static_cast<unsigned char>(rest_[size]) & 0xc0) == 0x80) ++size;
    separator_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }
  // What stands before the next separator, which is taken, too.
  std::optional<std::string_view> ReadField() {
    const size_t size = rest_.find(separator_);
    if (size == std::string_view::npos) return std::nullopt;
    const std::string_view field = rest_.substr(0, size);
    rest_.remove_prefix(size + separator_.size());
    return field;
  }

 private:
  std::string_view rest_;
  std::string_view separator_;
};

absl::Status Incomplete() {
  return ErrorStatus("incomplete: each field ends with the separator, the last one, too");
}

absl::Status ReadMap(Reader& reader, Rules& rules) {
  const auto key = reader.ReadField();
  const auto prepend = reader.ReadField();
  if (!key || !prepend) return Incomplete();
  Append(rules, XattrRule::TYPE_PREFIX, Scope::kAll, *key, *prepend);
  if (key->empty()) {
    Append(rules, XattrRule::TYPE_BAD, Scope::kAll, "", "");
  } else {
    // What the mapped names become can't be named by the guest itself, and names that the host has
    // in their place aren't shown.
    Append(rules, XattrRule::TYPE_BAD, Scope::kAll, *prepend, *key);
    Append(rules, XattrRule::TYPE_OK, Scope::kAll, "", "");
  }
  reader.SkipWhiteSpace();
  if (!reader.AtEnd()) return ErrorStatus("'map' must be the last rule, and the only one");
  return absl::OkStatus();
}

absl::StatusOr<Scope> ParseScope(std::string_view name) {
  if (name == "client") return Scope::kClient;
  if (name == "server") return Scope::kServer;
  if (name == "all") return Scope::kAll;
  return ErrorStatus("invalid scope '" + std::string(name) + "': not one of client, server, all");
}

absl::Status ReadRule(Reader& reader, Rules& rules) {
  reader.ReadSeparator();
  const auto name = reader.ReadField();
  if (!name) return Incomplete();
  if (*name == "map") return ReadMap(reader, rules);
  const auto* const type =
      std::ranges::find(kTypes, *name, [](const TypeName& row) { return row.name; });
  if (type == std::end(kTypes)) {
    return ErrorStatus("invalid type '" + std::string(*name) +
                       "': not one of prefix, ok, bad, unsupported, map");
  }
  const auto scope_name = reader.ReadField();
  if (!scope_name) return Incomplete();
  POSTERN_TRY_ASSIGN(const Scope scope, ParseScope(*scope_name));
  const auto key = reader.ReadField();
  const auto prepend = reader.ReadField();
  if (!key || !prepend) return Incomplete();
  Append(rules, type->type, scope, *key, *prepend);
  reader.SkipWhiteSpace();
  return absl::OkStatus();
}

absl::Status CheckComplete(const Rules& rules) {
  const auto client = [](const XattrRule& rule) { return rule.for_client() && rule.key().empty(); };
  const auto server = [](const XattrRule& rule) {
    return rule.for_server() && rule.prepend().empty();
  };
  if (!std::ranges::any_of(rules, client)) {
    return ErrorStatus(
        "some names that a guest may use match no rule: end with one like ':bad:all:::'");
  }
  if (!std::ranges::any_of(rules, server)) {
    return ErrorStatus(
        "some names that the host may list match no rule: end with one like ':bad:all:::'");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Rules> ParseXattrMap(std::string_view text) {
  Rules rules;
  Reader reader(text);
  if (reader.AtEnd()) return ErrorStatus("there is no rule");
  for (int number = 1; !reader.AtEnd(); ++number) {
    const absl::Status status = ReadRule(reader, rules);
    if (!status.ok()) return ErrorStatus("rule " + std::to_string(number) + ": " + Text(status));
  }
  POSTERN_TRY(CheckComplete(rules));
  return rules;
}

}  // namespace postern
