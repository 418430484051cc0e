// What INIT settled between the guest and us, seen by all queues.
#ifndef POSTERN_WORKER_FUSE_FUSE_SESSION_H_
#define POSTERN_WORKER_FUSE_FUSE_SESSION_H_

#include <atomic>
#include <cstdint>

#include "common/errno_or.h"
#include "worker/fuse/fuse_abi.h"
#include "worker/fuse/fuse_options.h"

namespace postern {

// The outcome of one INIT. Constant once made.
struct FuseNegotiation {
  uint64_t flags = 0;  // Enabled: offered by the guest and wanted by us.
  fuse_init_out reply = {};

  bool enabled(uint64_t flag) const { return (flags & flag) != 0; }
};

// The largest READ or WRITE, in bytes; 256 pages of 4 KiB.
inline constexpr uint32_t kMaxTransferBytes = 1024 * 1024;
// The oldest minor version of FUSE 7 that is served, as virtiofsd has it (Linux 4.20 has 7.28, the
// first with virtio-fs 7.31).
inline constexpr uint32_t kOldestFuseMinor = 27;

// Computes the answer to `init`. For a major version above 7 it names ours and the guest has to ask
// again (enabled flags 0). EPROTO for versions too old, and if the guest lacks what an option can't
// do without: POSIX ACLs (three flags together) or security contexts, unless that option is "auto".
// What it can do without is warned of, once in the process's life.
ErrnoOr<FuseNegotiation> NegotiateFuse(const fuse_init_in& init, const FuseOptions& options);

// The state that the queues share. Thread-safe: a value set before the INIT reply is published is
// seen by the requests that the guest sends after it.
class FuseSession {
 public:
  void Begin(uint64_t flags) {
    flags_.store(flags, std::memory_order_relaxed);
    active_.store(true, std::memory_order_release);
  }
  void End() { active_.store(false, std::memory_order_release); }

  // Before INIT only INIT is legal.
  bool active() const { return active_.load(std::memory_order_acquire); }
  bool enabled(uint64_t flag) const { return (flags_.load(std::memory_order_relaxed) & flag) != 0; }

 private:
  std::atomic<bool> active_ = false;
  std::atomic<uint64_t> flags_ = 0;
};

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_SESSION_H_
