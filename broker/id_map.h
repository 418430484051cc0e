// Between the guest's users and groups and the host's.
#ifndef POSTERN_BROKER_ID_MAP_H_
#define POSTERN_BROKER_ID_MAP_H_

#include <cstdint>

#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// The identity. The only place where a guest's id becomes a host's or the other way round.
class IdMap {
 public:
  // EINVAL for an id that may not be used. That holds for 0xffffffff ("none" in FUSE with idmapped
  // mounts): chown(2) and setresuid(2) take it for "leave as it is", and the object would be the
  // broker's.
  ErrnoOr<HostUid> ToHost(GuestUid uid) const {
    if (uid.value() == kNone) return Errno(EINVAL);
    return HostUid(uid.value());
  }
  ErrnoOr<HostGid> ToHost(GuestGid gid) const {
    if (gid.value() == kNone) return Errno(EINVAL);
    return HostGid(gid.value());
  }
  GuestUid ToGuest(HostUid uid) const { return GuestUid(uid.value()); }
  GuestGid ToGuest(HostGid gid) const { return GuestGid(gid.value()); }

 private:
  static constexpr uint32_t kNone = 0xffffffff;
};

}  // namespace postern

#endif  // POSTERN_BROKER_ID_MAP_H_
