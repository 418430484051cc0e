// posternd's command line: virtiofsd's options and ours, checked.
#ifndef POSTERN_SANDBOX_OPTIONS_OPTIONS_H_
#define POSTERN_SANDBOX_OPTIONS_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/logging.h"
#include "proto/config.pb.h"
#include "sandbox/jail/id_maps.h"
#include "sandbox/options/id_translation_option.h"

namespace postern {

inline constexpr uint32_t kMaxRequestQueues = 64;
// Beyond, polling costs more than it can save.
inline constexpr uint32_t kMaxPollMicroseconds = 10'000;
// virtio_fs_config.tag (VIRTIO 1.2, 5.11.4).
inline constexpr size_t kMaxTagBytes = 36;

// What the options say, each value checked for itself and against the others. What depends on the
// caller and the host (files, groups, rights) is checked at the start.
struct Options {
  std::string shared_dir;  // Empty only if some -o was given: an error at the start.
  // At least one of these three; no `fd` with one of the others. `socket_path` wins over `socket`.
  std::optional<std::string> socket_path;
  std::optional<std::string> socket;
  std::optional<int> fd;
  std::optional<std::string> socket_group;  // Not with `fd`.
  std::string tag;                          // At most kMaxTagBytes.

  LogLevel log_level = LogLevel::kInfo;
  bool debug = false;  // Wins over log_level.
  bool syslog = false;
  // When the front end disconnects, wait for the next one instead of ending.
  bool keep_listening = false;

  uint32_t thread_pool_size = 0;  // 0: one per channel.
  // 1 to kMaxRequestQueues; unset: one per processor.
  std::optional<uint32_t> request_queues;
  // 0: sleep at once. At most kMaxPollMicroseconds.
  uint32_t poll_us = 50;
  // 0: as it is; unset: as high as it goes, to a million.
  std::optional<uint64_t> rlimit_nofile;
  // 0: no limit. Some 165 bytes each: 2.6 GiB by default, which only a guest with that many files
  // in its own cache gets to (Linux needs a kilobyte for each).
  uint64_t max_inodes = uint64_t{1} << 24;

  config::SandboxMode sandbox = config::SANDBOX_MODE_NAMESPACE;
  config::SeccompAction seccomp = config::SECCOMP_ACTION_KILL;
  std::optional<std::string> modcaps;  // Looked at only where capabilities are dropped.
  std::optional<std::string> worker_user;
  std::optional<std::string> selinux_level;
  std::vector<IdMapRange> uid_map;
  std::vector<IdMapRange> gid_map;

  config::CacheMode cache = config::CACHE_MODE_AUTO;
  config::InodeFileHandles inode_file_handles = config::INODE_FILE_HANDLES_PREFER;
  bool xattr = false;
  bool posix_acl = false;
  bool security_label = false;
  // With the one above: a guest that doesn't know it mounts without.
  bool posix_acl_auto = false;
  bool security_label_auto = false;
  std::vector<config::XattrRule> xattr_map;
  std::vector<IdTranslationRule> translate_uid;
  std::vector<IdTranslationRule> translate_gid;
  bool readonly = false;
  bool writeback = false;
  bool no_readdirplus = false;
  bool allow_mmap = false;
  bool allow_direct_io = false;
  bool killpriv_v2 = false;
  bool no_announce_submounts = false;
  bool preserve_noatime = false;

  enum class MigrationMode { kFindPaths, kFileHandles };
  MigrationMode migration_mode = MigrationMode::kFindPaths;
  bool migration_guest_error = false;  // --migration-on-error=guest-error
  bool migration_verify_handles = false;
  bool migration_confirm_paths = false;

  // Deprecated things that were used.
  bool compat_foreground = false;            // -f
  std::vector<std::string> compat_options;   // -o, applied already.
  bool inode_file_handles_fallback = false;  // --inode-file-handles=fallback

  // Extended attributes are wanted, in so many words or by an option that is about them.
  bool WantsXattr() const { return xattr || posix_acl || security_label || !xattr_map.empty(); }
};

// The command line asks for no service: print `text` (to stdout with status 0, else to stderr) and
// exit.
struct EarlyExit {
  int status;
  std::string text;
};

// Those who start virtiofsd look for a version of virtiofsd's, and for the features that came with
// it. This is the one whose options ours are.
inline constexpr char kVirtiofsdVersion[] = "1.14.0";

// Status 0 for --help, --version and --print-capabilities, 2 for a wrong command line. `arguments`
// has no program name; `called` is that name as it was given, with or without a path. Under the
// name virtiofsd, --version tells kVirtiofsdVersion first.
std::variant<Options, EarlyExit> ParseOptions(const std::vector<std::string>& arguments,
                                              std::string_view called = "posternd");

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_OPTIONS_H_
