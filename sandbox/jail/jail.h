// The two jails. Each process builds its own, in two steps: Enter…() while it has one thread, and
// Seal…() when all of its threads exist. Every step fails closed: after an error the process must
// exit.
#ifndef POSTERN_SANDBOX_JAIL_JAIL_H_
#define POSTERN_SANDBOX_JAIL_JAIL_H_

#include <cstdint>

#include "common/status.h"
#include "common/unique_fd.h"
#include "proto/config.pb.h"

namespace postern {

// What the broker takes into its jail. The shared directory is its root, and there is no /proc.
struct BrokerJail {
  // O_PATH: what is shared, a directory or one regular file.
  UniqueFd root;
  // O_PATH, the directory /proc/self/fd: openat(proc_self_fd, "N", flags) reopens descriptor N of
  // this process. In the namespace sandbox ".." doesn't lead out of it.
  UniqueFd proc_self_fd;
};

// Preconditions: started by posternd (kControlDescriptor is open), one thread.
// Postcondition: capabilities, limits and root are final, umask is 0. The calling thread is the one
// whose parent-death signal is set, and a change of credentials clears it: that thread must outlive
// the service and never change its ids.
absl::StatusOr<BrokerJail> EnterBrokerJail(const config::BrokerConfig& config);
// Loads the broker's seccomp filter into all threads. None can be created afterwards.
absl::Status SealBroker(const config::BrokerConfig& config);

// Preconditions as above. Postcondition: own user where the launcher may choose one, no capability
// in any set, nothing to see from the root (except with SANDBOX_MODE_NONE).
absl::Status EnterWorkerJail(const config::WorkerConfig& config);
// Loads the worker's seccomp filter into all threads. Neither threads nor processes can be created
// afterwards, and the process's own memory can't grow beyond `memory_limit` bytes, of which the
// stacks of its threads are a part.
absl::Status SealWorker(const config::WorkerConfig& config, uint64_t memory_limit);

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_JAIL_H_
