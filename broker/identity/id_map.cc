#include "broker/identity/id_map.h"

#include <absl/strings/str_cat.h>

#include <algorithm>

namespace postern {
namespace {

absl::Status Wrong(const config::IdRule& rule, const char* what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the id rule for ", rule.count(), " ids from ", rule.first(), " ", what));
}

// The last id of `count` from `first`; count is at least 1.
constexpr uint64_t LastOf(uint32_t first, uint32_t count) { return uint64_t{first} + count - 1; }

}  // namespace

absl::StatusOr<IdRules> IdRules::Make(
    const google::protobuf::RepeatedPtrField<config::IdRule>& rules) {
  IdRules made;
  for (const config::IdRule& rule : rules) {
    if (rule.count() == 0) return Wrong(rule, "is empty");
    const bool shifts = rule.kind() == config::IdRule::KIND_SHIFT;
    if (!shifts && rule.kind() != config::IdRule::KIND_SQUASH &&
        rule.kind() != config::IdRule::KIND_FORBID) {
      return Wrong(rule, "is of no kind");
    }
    const uint64_t last = LastOf(rule.first(), rule.count());
    if (last > UINT32_MAX || (shifts && LastOf(rule.target(), rule.count()) > UINT32_MAX)) {
      return Wrong(rule, "leaves the range of ids");
    }
    if (!made.ranges_.empty() && made.ranges_.back().last >= rule.first()) {
      return Wrong(rule, "overlaps another one, or is out of order");
    }
    made.ranges_.push_back({rule.first(), static_cast<uint32_t>(last), rule.target(), rule.kind()});
  }
  return made;
}

bool IdRules::forbids() const {
  return std::ranges::any_of(
      ranges_, [](const Range& range) { return range.kind == config::IdRule::KIND_FORBID; });
}

ErrnoOr<uint32_t> IdRules::MapByRules(uint32_t id) const {
  const auto found = std::ranges::lower_bound(ranges_, id, {}, &Range::last);
  if (found == ranges_.end() || id < found->first) return id;
  switch (found->kind) {
    case config::IdRule::KIND_SHIFT:
      return found->target + (id - found->first);
    case config::IdRule::KIND_SQUASH:
      return found->target;
    default:
      return Errno(EIO);
  }
}

absl::StatusOr<IdMap> IdMap::Make(const config::IdTranslation& uids,
                                  const config::IdTranslation& gids) {
  IdMap map;
  absl::Status status;
  const auto read = [&status](const auto& rules, IdRules& to) {
    absl::StatusOr<IdRules> made = IdRules::Make(rules);
    if (made.ok()) {
      to = *std::move(made);
    } else {
      status.Update(made.status());
    }
  };
  read(uids.to_host(), map.uids_to_host_);
  read(gids.to_host(), map.gids_to_host_);
  read(uids.to_guest(), map.uids_to_guest_);
  read(gids.to_guest(), map.gids_to_guest_);
  if (!status.ok()) return status;
  if (map.uids_to_guest_.forbids() || map.gids_to_guest_.forbids()) {
    return absl::InvalidArgumentError("an id of the host's can't be forbidden");
  }
  return map;
}

}  // namespace postern
