#include "sandbox/launcher/worker_user.h"

#include <pwd.h>

#include <fstream>
#include <iterator>

#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/namespaces.h"

namespace postern {
namespace {

constexpr uint32_t kOverflowId = 65534;

bool IsMappedHere(const char* map, uint32_t id) {
  std::ifstream file(map);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return IsMapped(text, id);
}

absl::StatusOr<WorkerUser> Find(const std::string& name) {
  errno = 0;
  const passwd* user = getpwnam(name.c_str());
  if (user == nullptr && errno != 0 && errno != ENOENT) {
    return ErrnoStatus("--worker-user: looking up '" + name + "'");
  }
  if (user == nullptr) return ErrorStatus("--worker-user: there is no user '" + name + "'");
  if (user->pw_uid == 0) {
    return ErrorStatus("--worker-user: '" + name + "' is root, and the worker must not be");
  }
  return WorkerUser{user->pw_uid, user->pw_gid};
}

WorkerUser DefaultUser() {
  const passwd* user = getpwnam("postern");
  if (user == nullptr) user = getpwnam("nobody");
  if (user == nullptr || user->pw_uid == 0) return {kOverflowId, kOverflowId};
  return {user->pw_uid, user->pw_gid};
}

}  // namespace

absl::StatusOr<std::optional<WorkerUser>> ChooseWorkerUser(const std::optional<std::string>& name,
                                                           bool is_root, const IdMaps& maps) {
  if (name && !is_root) return ErrorStatus("--worker-user can only be used by root");
  WorkerUser user = DefaultUser();
  if (name) {
    POSTERN_TRY_ASSIGN(user, Find(*name));
  }
  if (!is_root) {
    const bool mapped = IsMappedInside(maps.uids, user.uid) && IsMappedInside(maps.gids, user.gid);
    return mapped ? std::optional(user) : std::nullopt;
  }
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  const CapabilitySet missing = CapabilitySet{CAP_SETUID, CAP_SETGID} - state.permitted;
  if (!missing.empty()) {
    if (name) return ErrorStatus("--worker-user: posternd hasn't got " + missing.ToString());
    return std::optional<WorkerUser>();
  }
  if (IsMappedHere("/proc/self/uid_map", user.uid) &&
      IsMappedHere("/proc/self/gid_map", user.gid)) {
    return std::optional(user);
  }
  if (name) return ErrorStatus("--worker-user: this user namespace has no user '" + *name + "'");
  return std::optional<WorkerUser>();
}

}  // namespace postern
