#include "worker/fuse/fuse_session.h"

#include <unistd.h>

#include "common/logging.h"

namespace postern {
namespace {

constexpr uint64_t kAlwaysWanted = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
                                   FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_DIO |
                                   FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_SUBMOUNTS |
                                   FUSE_INIT_EXT | kFuseCreateSuppGroup | kFuseAllowIdmap;

// The guest enforces ACLs only with the first two, and tells us when set-group-ID goes with a
// change of an ACL only with the third.
constexpr uint64_t kPosixAcl = FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT;

// The most background requests that the guest may have under way, and where it calls itself
// congested: three quarters.
constexpr uint16_t kMaxBackground = UINT16_MAX;
constexpr uint16_t kCongestionThreshold = kMaxBackground / 4 * 3;

// In pages of the guest, which are as large as the host's in all but odd machines.
uint16_t MaxPages() {
  return static_cast<uint16_t>(kMaxTransferBytes / static_cast<uint32_t>(sysconf(_SC_PAGESIZE)));
}

bool KnowsPosixAcl(uint64_t offered) { return (offered & kPosixAcl) == kPosixAcl; }
bool KnowsSecurityContexts(uint64_t offered) { return (offered & FUSE_SECURITY_CTX) != 0; }

uint64_t WantedFlags(uint64_t offered, const FuseOptions& options) {
  uint64_t wanted = kAlwaysWanted;
  if (options.cache.readdirplus) wanted |= FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
  // A client that can't choose by itself knows no other way to list (EDK II's firmware), or has
  // attributes from nowhere else (Windows). The option is about what Linux does by itself.
  if ((offered & FUSE_READDIRPLUS_AUTO) == 0) wanted |= FUSE_DO_READDIRPLUS;
  if (options.posix_acl && KnowsPosixAcl(offered)) wanted |= kPosixAcl;
  if (options.security_label) wanted |= FUSE_SECURITY_CTX;
  if (options.writeback) wanted |= FUSE_WRITEBACK_CACHE;
  if (options.killpriv_v2) wanted |= FUSE_HANDLE_KILLPRIV_V2;
  if (options.allow_mmap) wanted |= kFuseDirectIoAllowMmap;
  return wanted;
}

// What the administrator asked for and this guest can't do. Said once, because a guest may send
// INIT as often as it likes.
ErrnoOrVoid CheckOffer(uint64_t offered, const FuseOptions& options) {
  if (options.posix_acl_auto && !KnowsPosixAcl(offered)) {
    POSTERN_LOG_ONCE(WARNING)
        << "the guest's FUSE client doesn't know POSIX ACLs: it mounts without "
           "(--posix-acl=auto; said once)";
  } else if (options.posix_acl && !KnowsPosixAcl(offered)) {
    POSTERN_LOG_ONCE(ERROR) << "the guest's FUSE client doesn't know POSIX ACLs: it can't mount "
                               "with --posix-acl (said once)";
    return Errno(EPROTO);
  }
  if (options.security_label_auto && !KnowsSecurityContexts(offered)) {
    POSTERN_LOG_ONCE(WARNING)
        << "the guest's FUSE client doesn't know security contexts: it mounts "
           "without (--security-label=auto; said once)";
  } else if (options.security_label && !KnowsSecurityContexts(offered)) {
    POSTERN_LOG_ONCE(ERROR) << "the guest's FUSE client doesn't know security contexts: it can't "
                               "mount with --security-label (said once)";
    return Errno(EPROTO);
  }
  if (options.killpriv_v2 && (offered & FUSE_HANDLE_KILLPRIV_V2) == 0) {
    POSTERN_LOG_ONCE(WARNING) << "the guest's FUSE client doesn't know killpriv v2: --killpriv-v2 "
                                 "has no effect (said once)";
  }
  if (options.announce_submounts && (offered & FUSE_SUBMOUNTS) == 0) {
    POSTERN_LOG_ONCE(WARNING) << "the guest's FUSE client doesn't know submounts: they aren't "
                                 "announced (said once)";
  }
  return {};
}

}  // namespace

ErrnoOr<FuseNegotiation> NegotiateFuse(const fuse_init_in& init, const FuseOptions& options) {
  if (init.major < kFuseMajor) return Errno(EPROTO);
  if (init.major == kFuseMajor && init.minor < kOldestFuseMinor) return Errno(EPROTO);
  FuseNegotiation result;
  result.reply.major = kFuseMajor;
  result.reply.minor = kFuseMinor;
  if (init.major > kFuseMajor) return result;

  uint64_t offered = init.flags;
  // flags2 is garbage unless the guest says that it is there.
  if (offered & FUSE_INIT_EXT) offered |= uint64_t{init.flags2} << 32;
  POSTERN_RETURN_IF_ERROR(CheckOffer(offered, options));
  result.flags = offered & WantedFlags(offered, options);

  result.reply.max_readahead = init.max_readahead;
  result.reply.flags = static_cast<uint32_t>(result.flags);
  result.reply.flags2 = static_cast<uint32_t>(result.flags >> 32);
  result.reply.max_background = kMaxBackground;
  result.reply.congestion_threshold = kCongestionThreshold;
  result.reply.max_write = kMaxTransferBytes;
  result.reply.time_gran = 1;  // Nanoseconds.
  result.reply.max_pages = MaxPages();
  return result;
}

}  // namespace postern
