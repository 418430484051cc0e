// The id maps of a new user namespace, written from outside.
#ifndef POSTERN_SANDBOX_JAIL_ID_MAPS_H_
#define POSTERN_SANDBOX_JAIL_ID_MAPS_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "common/status.h"

namespace postern {

// [outside, outside + count) is [inside, inside + count) in a user namespace.
struct IdMapRange {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t count = 0;
};

struct IdMaps {
  std::vector<IdMapRange> uids;
  std::vector<IdMapRange> gids;
};

// Whether `id` exists inside.
bool IsMappedInside(std::span<const IdMapRange> map, uint32_t id);
// Whether `id` of outside has an id inside.
bool IsMappedOutside(std::span<const IdMapRange> map, uint32_t id);

// Whether the kernel lets anybody with the id `own` write this map: one line for that id alone.
bool AnybodyMayWrite(std::span<const IdMapRange> map, uint32_t own);

// Gives `pid`'s user namespace its maps. What anybody may write is written, and a group map then
// forbids setgroups(2) inside; other maps are left to newuidmap(1) and newgidmap(1), found in PATH,
// which know the caller's subordinate ids. Preconditions: neither map is empty; `pid` was forked
// into a new user namespace by the caller, and hasn't done anything yet.
absl::Status WriteIdMaps(pid_t pid, const IdMaps& maps);

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_ID_MAPS_H_
