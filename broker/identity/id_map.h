// Between the guest's users and groups and the host's.
#ifndef POSTERN_BROKER_IDENTITY_ID_MAP_H_
#define POSTERN_BROKER_IDENTITY_ID_MAP_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "common/errno_or.h"
#include "common/ids.h"
#include "proto/config.pb.h"

namespace postern {

// What FUSE sends where there is no id (idmapped mounts of the guest). For chown(2) and
// setresuid(2) the same number means "leave as it is".
inline constexpr uint32_t kNoId = 0xffffffff;

// The rules of one direction. What no rule names stays as it is.
class IdRules {
 public:
  IdRules() = default;  // The identity.

  // InvalidArgument unless the rules are in order, don't overlap and stay within 32 bits.
  static absl::StatusOr<IdRules> Make(
      const google::protobuf::RepeatedPtrField<config::IdRule>& rules);

  // EIO for an id that a rule forbids.
  ErrnoOr<uint32_t> Map(uint32_t id) const {
    if (ranges_.empty()) return id;
    return MapByRules(id);
  }
  bool forbids() const;

 private:
  struct Range {
    uint32_t first;
    uint32_t last;
    uint32_t target;
    config::IdRule::Kind kind;
  };

  ErrnoOr<uint32_t> MapByRules(uint32_t id) const;

  std::vector<Range> ranges_;  // In order of `first`.
};

// The only place where a guest's id becomes a host's or the other way round. Immutable.
class IdMap {
 public:
  IdMap() = default;  // The identity.

  // InvalidArgument as above, or if a rule forbids an id of the host's: an attribute can't be left
  // out.
  static absl::StatusOr<IdMap> Make(const config::IdTranslation& uids,
                                    const config::IdTranslation& gids);

  // EIO for an id that is forbidden. EINVAL for kNoId, and for what would become that: the object
  // would be the broker's.
  ErrnoOr<HostUid> ToHost(GuestUid uid) const { return MapTo<HostUid>(uids_to_host_, uid.value()); }
  ErrnoOr<HostGid> ToHost(GuestGid gid) const { return MapTo<HostGid>(gids_to_host_, gid.value()); }
  GuestUid ToGuest(HostUid uid) const { return GuestUid(*uids_to_guest_.Map(uid.value())); }
  GuestGid ToGuest(HostGid gid) const { return GuestGid(*gids_to_guest_.Map(gid.value())); }

 private:
  template <typename Host>
  static ErrnoOr<Host> MapTo(const IdRules& rules, uint32_t id) {
    if (id == kNoId) return Errno(EINVAL);
    POSTERN_ASSIGN_OR_RETURN(const uint32_t mapped, rules.Map(id));
    if (mapped == kNoId) return Errno(EINVAL);
    return Host(mapped);
  }

  IdRules uids_to_host_;
  IdRules gids_to_host_;
  IdRules uids_to_guest_;
  IdRules gids_to_guest_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_IDENTITY_ID_MAP_H_
