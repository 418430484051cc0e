#include "broker/identity/xattr_map.h"

#include <absl/strings/str_cat.h>
#include <linux/xattr.h>

#include <algorithm>

namespace postern {

using config::XattrRule;

absl::StatusOr<XattrMap> XattrMap::Make(
    const google::protobuf::RepeatedPtrField<XattrRule>& rules) {
  XattrMap map;
  for (const XattrRule& rule : rules) {
    if (rule.type() == XattrRule::TYPE_UNSPECIFIED || !XattrRule::Type_IsValid(rule.type())) {
      return absl::InvalidArgumentError("a rule for extended attributes has no type");
    }
    map.rules_.push_back(
        {rule.type(), rule.for_client(), rule.for_server(), rule.key(), rule.prepend()});
  }
  if (map.rules_.empty()) return map;
  const auto catches_client = [](const Rule& rule) { return rule.for_client && rule.key.empty(); };
  const auto catches_server = [](const Rule& rule) {
    return rule.for_server && rule.prepend.empty();
  };
  if (!std::ranges::any_of(map.rules_, catches_client) ||
      !std::ranges::any_of(map.rules_, catches_server)) {
    return absl::InvalidArgumentError("some extended attribute would match no rule");
  }
  const ErrnoOr<std::string> capability = map.ToHost(XATTR_NAME_CAPS);
  if (capability.ok() && *capability != XATTR_NAME_CAPS) map.remapped_capability_ = *capability;
  return map;
}

ErrnoOr<std::string> XattrMap::ToHost(std::string_view name) const {
  for (const Rule& rule : rules_) {
    if (!rule.for_client || !name.starts_with(rule.key)) continue;
    switch (rule.type) {
      case XattrRule::TYPE_PREFIX:
        return absl::StrCat(rule.prepend, absl::string_view(name.data(), name.size()));
      case XattrRule::TYPE_BAD:
        return Errno(EPERM);
      case XattrRule::TYPE_UNSUPPORTED:
        return Errno(ENOTSUP);
      default:
        return std::string(name);
    }
  }
  return std::string(name);  // No rules at all.
}

std::optional<std::string_view> XattrMap::ToGuest(std::string_view name) const {
  for (const Rule& rule : rules_) {
    if (!rule.for_server || !name.starts_with(rule.prepend)) continue;
    switch (rule.type) {
      case XattrRule::TYPE_PREFIX:
        name.remove_prefix(rule.prepend.size());
        // No attribute is without a name.
        return name.empty() ? std::nullopt : std::optional(name);
      case XattrRule::TYPE_BAD:
      case XattrRule::TYPE_UNSUPPORTED:
        return std::nullopt;
      default:
        return name;
    }
  }
  return name;
}

}  // namespace postern
