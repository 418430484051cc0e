#include "worker/fuse/fuse_options.h"

#include "worker/fuse/fuse_abi.h"

namespace postern {
namespace {

// virtiofsd's "forever".
constexpr uint64_t kLongTimeoutSeconds = 86400;

// Without the second flag the guest lets only one direct write at a time into a file.
constexpr uint32_t kDirectIo = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
constexpr uint32_t kKeepDirectory = FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE;

}  // namespace

CachePolicy MakeCachePolicy(config::CacheMode mode) {
  switch (mode) {
    case config::CACHE_MODE_NEVER:
      return {.timeout_seconds = 0,
              .open_flags = kDirectIo,
              .open_directory_flags = 0,
              .readdirplus = false};
    case config::CACHE_MODE_METADATA:
      return {.timeout_seconds = kLongTimeoutSeconds,
              .open_flags = kDirectIo,
              .open_directory_flags = kKeepDirectory,
              .readdirplus = true};
    case config::CACHE_MODE_ALWAYS:
      return {.timeout_seconds = kLongTimeoutSeconds,
              .open_flags = FOPEN_KEEP_CACHE,
              .open_directory_flags = kKeepDirectory,
              .readdirplus = true};
    default:
      return {};
  }
}

FuseOptions MakeFuseOptions(const config::WorkerConfig& config) {
  FuseOptions options;
  options.cache = MakeCachePolicy(config.cache());
  if (config.no_readdirplus()) options.cache.readdirplus = false;
  // ACLs and labels are extended attributes.
  options.xattr = config.xattr() || config.posix_acl() || config.security_label();
  options.posix_acl = config.posix_acl();
  options.security_label = config.security_label();
  options.posix_acl_auto = config.posix_acl_auto();
  options.security_label_auto = config.security_label_auto();
  options.readonly = config.readonly();
  options.writeback = config.writeback();
  options.allow_mmap = config.allow_mmap();
  options.killpriv_v2 = config.killpriv_v2();
  options.announce_submounts = !config.no_announce_submounts();
  options.io_waiting = config.io_waiting();
  options.poll_budget = std::chrono::microseconds(config.common().poll_us());
  return options;
}

}  // namespace postern
