#include "worker/fuse_session.h"

namespace postern {
namespace {

constexpr uint64_t kAlwaysWanted = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
                                   FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_DIO |
                                   FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_SUBMOUNTS |
                                   FUSE_INIT_EXT | kFuseCreateSuppGroup | kFuseAllowIdmap;

// The most background requests that the guest may have under way, and where it calls itself
// congested: three quarters.
constexpr uint16_t kMaxBackground = UINT16_MAX;
constexpr uint16_t kCongestionThreshold = kMaxBackground / 4 * 3;

constexpr uint16_t kMaxPages = kMaxTransferBytes / 4096;

// virtiofsd's "forever".
constexpr uint64_t kLongTimeoutSeconds = 86400;

}  // namespace

CachePolicy MakeCachePolicy(config::CacheMode mode) {
  constexpr uint32_t kKeepDirectory = FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE;
  switch (mode) {
    case config::CACHE_MODE_NEVER:
      return {.timeout_seconds = 0,
              .open_flags = FOPEN_DIRECT_IO,
              .open_directory_flags = 0,
              .readdirplus = false};
    case config::CACHE_MODE_METADATA:
      return {.timeout_seconds = kLongTimeoutSeconds,
              .open_flags = FOPEN_DIRECT_IO,
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

ErrnoOr<FuseNegotiation> NegotiateFuse(const fuse_init_in& init, const CachePolicy& cache) {
  if (init.major < FUSE_KERNEL_VERSION) return Errno(EPROTO);
  if (init.major == FUSE_KERNEL_VERSION && init.minor < kOldestFuseMinor) return Errno(EPROTO);
  FuseNegotiation result;
  result.reply.major = FUSE_KERNEL_VERSION;
  result.reply.minor = FUSE_KERNEL_MINOR_VERSION;
  if (init.major > FUSE_KERNEL_VERSION) return result;

  uint64_t offered = init.flags;
  // flags2 is garbage unless the guest says that it is there.
  if (offered & FUSE_INIT_EXT) offered |= uint64_t{init.flags2} << 32;
  uint64_t wanted = kAlwaysWanted;
  if (cache.readdirplus) wanted |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
  result.flags = offered & wanted;

  result.reply.max_readahead = init.max_readahead;
  result.reply.flags = static_cast<uint32_t>(result.flags);
  result.reply.flags2 = static_cast<uint32_t>(result.flags >> 32);
  result.reply.max_background = kMaxBackground;
  result.reply.congestion_threshold = kCongestionThreshold;
  result.reply.max_write = kMaxTransferBytes;
  result.reply.time_gran = 1;  // Nanoseconds.
  result.reply.max_pages = kMaxPages;
  return result;
}

}  // namespace postern
