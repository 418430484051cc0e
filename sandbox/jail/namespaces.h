// Namespaces and user-namespace id maps, from outside: what the launcher gives a child before it
// runs.
#ifndef POSTERN_SANDBOX_JAIL_NAMESPACES_H_
#define POSTERN_SANDBOX_JAIL_NAMESPACES_H_

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "common/errno_or.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace postern {

// The namespaces of a jailed process: mount, pid, network, IPC, UTS, and user if asked for.
uint64_t JailNamespaces(bool user_namespace);

// fork(2) with clone(2)'s `flags`, which must not contain CLONE_VM. 0 in the child, as after fork
// in a process with one thread. `pidfd`, if not null, gets a descriptor of the child (Linux 5.2).
ErrnoOr<pid_t> Fork(uint64_t flags, UniqueFd* pidfd);

// Whether `id` exists in the user namespace with the map `map` (the text of /proc/self/uid_map or
// gid_map).
bool IsMapped(std::string_view map, uint32_t id);

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_NAMESPACES_H_
