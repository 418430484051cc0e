#include "sandbox/options/option_values.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <optional>
#include <string>

#include "sandbox/options/id_map_option.h"
#include "sandbox/options/parse_number.h"
#include "sandbox/options/xattr_map_option.h"

namespace postern {
namespace {

template <typename T>
struct Word {
  std::string_view word;
  T value;
};

constexpr Word<config::SandboxMode> kSandboxModes[] = {
    {"namespace", config::SANDBOX_MODE_NAMESPACE},
    {"chroot", config::SANDBOX_MODE_CHROOT},
    {"none", config::SANDBOX_MODE_NONE}};
constexpr Word<config::SeccompAction> kSeccompActions[] = {{"none", config::SECCOMP_ACTION_NONE},
                                                           {"kill", config::SECCOMP_ACTION_KILL},
                                                           {"log", config::SECCOMP_ACTION_LOG},
                                                           {"trap", config::SECCOMP_ACTION_TRAP}};
constexpr Word<config::CacheMode> kCacheModes[] = {{"auto", config::CACHE_MODE_AUTO},
                                                   {"always", config::CACHE_MODE_ALWAYS},
                                                   {"never", config::CACHE_MODE_NEVER},
                                                   {"metadata", config::CACHE_MODE_METADATA}};
constexpr Word<config::InodeFileHandles> kInodeFileHandleModes[] = {
    {"never", config::INODE_FILE_HANDLES_NEVER},
    {"prefer", config::INODE_FILE_HANDLES_PREFER},
    {"mandatory", config::INODE_FILE_HANDLES_MANDATORY}};
constexpr Word<Options::MigrationMode> kMigrationModes[] = {
    {"find-paths", Options::MigrationMode::kFindPaths},
    {"file-handles", Options::MigrationMode::kFileHandles}};
// What is offered to the guest at INIT, and whether it mounts without.
struct Offer {
  bool offered;
  bool may_lack;
};
constexpr Word<Offer> kOffers[] = {
    {"never", {false, false}}, {"auto", {true, true}}, {"always", {true, false}}};
constexpr Word<bool> kMigrationOnError[] = {{"abort", false}, {"guest-error", true}};

// Sets `result` to the value of `word`, or lists the words.
template <typename T, size_t N>
absl::Status Choose(const Word<T> (&words)[N], std::string_view word, T& result) {
  std::string list;
  for (const Word<T>& row : words) {
    if (row.word == word) {
      result = row.value;
      return absl::OkStatus();
    }
    if (!list.empty()) list += ", ";
    list += row.word;
  }
  return ErrorStatus("not one of " + list);
}

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

absl::Status SetText(std::string_view value, const char* if_empty,
                     std::optional<std::string>& result) {
  if (value.empty()) return ErrorStatus(if_empty);
  result = value;
  return absl::OkStatus();
}

constexpr char kEmptyPath[] = "a path can't be empty";

absl::Status AddIdMap(std::string_view value, std::vector<IdMapRange>& map) {
  POSTERN_TRY_ASSIGN(const IdMapRange range, ParseIdMapRange(value));
  map.push_back(range);
  return absl::OkStatus();
}

absl::Status AddTranslation(std::string_view value, std::vector<IdTranslationRule>& rules) {
  POSTERN_TRY_ASSIGN(IdTranslationRule rule, ParseIdTranslationRule(value));
  rules.push_back(std::move(rule));
  return absl::OkStatus();
}

absl::Status SetOffer(std::string_view value, bool& offered, bool& may_lack) {
  Offer offer{};
  POSTERN_TRY(Choose(kOffers, value, offer));
  offered = offer.offered;
  may_lack = offer.may_lack;
  return absl::OkStatus();
}

}  // namespace

absl::Status SetSharedDir(std::string_view value, Options& options) {
  if (value.empty()) return ErrorStatus(kEmptyPath);
  options.shared_dir = value;
  return absl::OkStatus();
}

absl::Status SetSocketPath(std::string_view value, Options& options) {
  return SetText(value, kEmptyPath, options.socket_path);
}

absl::Status SetSocket(std::string_view value, Options& options) {
  return SetText(value, kEmptyPath, options.socket);
}

absl::Status SetSocketGroup(std::string_view value, Options& options) {
  return SetText(value, "a group name can't be empty", options.socket_group);
}

absl::Status SetFd(std::string_view value, Options& options) {
  const std::optional<int> fd = ParseNumber<int>(value);
  if (!fd) return ErrorStatus("not a descriptor's number");
  options.fd = fd;
  return absl::OkStatus();
}

absl::Status SetTag(std::string_view value, Options& options) {
  if (value.empty() || value.size() > kMaxTagBytes) {
    return ErrorStatus("a tag has 1 to 36 bytes");
  }
  options.tag = value;
  return absl::OkStatus();
}

absl::Status SetLogLevel(std::string_view value, Options& options) {
  const std::optional<LogLevel> level = ParseLogLevel(value);
  if (!level) return ErrorStatus("not one of error, warn, info, debug, trace, off");
  options.log_level = *level;
  return absl::OkStatus();
}

absl::Status SetThreadPoolSize(std::string_view value, Options& options) {
  const std::optional<uint32_t> size = ParseNumber<uint32_t>(value);
  if (!size) return ErrorStatus("not a number of threads");
  options.thread_pool_size = *size;
  return absl::OkStatus();
}

absl::Status SetRequestQueues(std::string_view value, Options& options) {
  const std::optional<uint32_t> queues = ParseNumber<uint32_t>(value);
  if (!queues || *queues < 1 || *queues > kMaxRequestQueues) {
    return ErrorStatus("not a number from 1 to 64");
  }
  options.request_queues = queues;
  return absl::OkStatus();
}

absl::Status SetPollMicroseconds(std::string_view value, Options& options) {
  const std::optional<uint32_t> poll = ParseNumber<uint32_t>(value);
  if (!poll || *poll > kMaxPollMicroseconds) return ErrorStatus("not a number from 0 to 10000");
  options.poll_us = *poll;
  return absl::OkStatus();
}

absl::Status SetRlimitNofile(std::string_view value, Options& options) {
  const std::optional<uint64_t> limit = ParseNumber<uint64_t>(value);
  if (!limit) return ErrorStatus("not a number of files");
  options.rlimit_nofile = limit;
  return absl::OkStatus();
}

absl::Status SetMaxInodes(std::string_view value, Options& options) {
  const std::optional<uint64_t> limit = ParseNumber<uint64_t>(value);
  if (!limit) return ErrorStatus("not a number of files");
  options.max_inodes = *limit;
  return absl::OkStatus();
}

absl::Status SetSandbox(std::string_view value, Options& options) {
  return Choose(kSandboxModes, Lower(value), options.sandbox);
}

absl::Status SetSeccomp(std::string_view value, Options& options) {
  return Choose(kSeccompActions, value, options.seccomp);
}

absl::Status SetModcaps(std::string_view value, Options& options) {
  options.modcaps = value;
  return absl::OkStatus();
}

absl::Status SetWorkerUser(std::string_view value, Options& options) {
  return SetText(value, "a user name can't be empty", options.worker_user);
}

absl::Status SetSelinuxLevel(std::string_view value, Options& options) {
  constexpr std::string_view kAllowed = ":.,-_";
  const bool plain = std::all_of(value.begin(), value.end(), [kAllowed](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kAllowed.find(c) != std::string_view::npos;
  });
  if (!plain) return ErrorStatus("not a level such as s0:c1,c2");
  return SetText(value, "a level can't be empty", options.selinux_level);
}

absl::Status AddUidMap(std::string_view value, Options& options) {
  return AddIdMap(value, options.uid_map);
}

absl::Status AddGidMap(std::string_view value, Options& options) {
  return AddIdMap(value, options.gid_map);
}

absl::Status SetCache(std::string_view value, Options& options) {
  return Choose(kCacheModes, Lower(value), options.cache);
}

absl::Status SetInodeFileHandles(std::string_view value, Options& options) {
  options.inode_file_handles_fallback = value == "fallback";
  return Choose(kInodeFileHandleModes, options.inode_file_handles_fallback ? "prefer" : value,
                options.inode_file_handles);
}

absl::Status SetPosixAcl(std::string_view value, Options& options) {
  return SetOffer(value, options.posix_acl, options.posix_acl_auto);
}

absl::Status SetSecurityLabel(std::string_view value, Options& options) {
  return SetOffer(value, options.security_label, options.security_label_auto);
}

absl::Status SetXattrMap(std::string_view value, Options& options) {
  POSTERN_TRY_ASSIGN(options.xattr_map, ParseXattrMap(value));
  return absl::OkStatus();
}

absl::Status AddUidTranslation(std::string_view value, Options& options) {
  return AddTranslation(value, options.translate_uid);
}

absl::Status AddGidTranslation(std::string_view value, Options& options) {
  return AddTranslation(value, options.translate_gid);
}

absl::Status SetMigrationMode(std::string_view value, Options& options) {
  return Choose(kMigrationModes, value, options.migration_mode);
}

absl::Status SetMigrationOnError(std::string_view value, Options& options) {
  return Choose(kMigrationOnError, value, options.migration_guest_error);
}

absl::Status AddCompatOptions(std::string_view value, Options& options) {
  options.compat_options.emplace_back(value);
  return absl::OkStatus();
}

}  // namespace postern
