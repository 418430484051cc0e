// What the command line says about how the guest is served.
#ifndef POSTERN_WORKER_FUSE_FUSE_OPTIONS_H_
#define POSTERN_WORKER_FUSE_FUSE_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "proto/config.pb.h"

namespace postern {

// How long the guest may cache, and what it is told at open: virtiofsd's --cache.
struct CachePolicy {
  uint64_t timeout_seconds = 1;       // Of entries and attributes.
  uint32_t open_flags = 0;            // FOPEN_*, for files.
  uint32_t open_directory_flags = 0;  // FOPEN_*, for directories.
  bool readdirplus = true;
};

// For an unspecified mode as for CACHE_MODE_AUTO.
CachePolicy MakeCachePolicy(config::CacheMode mode);

// The same for all sessions of a device. Named as virtiofsd's options.
struct FuseOptions {
  CachePolicy cache;
  bool xattr = false;  // Extended attributes are served at all.
  bool posix_acl = false;
  bool security_label = false;
  // A guest that doesn't know the one above mounts without it.
  bool posix_acl_auto = false;
  bool security_label_auto = false;
  bool readonly = false;
  bool writeback = false;
  bool allow_mmap = false;
  bool killpriv_v2 = false;
  bool announce_submounts = true;
  // So many file operations may wait for a disk, and as many for a server, at a time.
  size_t io_waiting = 0;
  // How long a queue's thread looks for work before it sleeps, at the most.
  std::chrono::microseconds poll_budget{0};
  // How long a ring that is to stop waits for what doesn't move data in the guest's memory.
  std::chrono::milliseconds stop_patience{5000};
};

FuseOptions MakeFuseOptions(const config::WorkerConfig& config);

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_OPTIONS_H_
