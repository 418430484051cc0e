#include "sandbox/launcher/launch_plan.h"

#include <absl/strings/str_cat.h>
#include <sched.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "sandbox/options/capability_option.h"

namespace postern {
namespace {

constexpr uint32_t kMaxDefaultQueues = 8;
// More threads than this wait for each other, not for storage.
constexpr uint32_t kMaxWaitingThreads = 256;
constexpr uint32_t kDefaultWaitingThreads = 20;
// Of the broker's, beside one for each channel: for what turns out to be stuck.
constexpr uint32_t kSpareThreads = 2;

// How many operations may wait for a disk or a server at a time.
uint32_t WaitingThreads(const Options& options) {
  if (options.thread_pool_size == 0) return kDefaultWaitingThreads;
  return std::min(options.thread_pool_size, kMaxWaitingThreads);
}

absl::Status CheckMigration(const Options& options) {
  if (options.migration_mode != Options::MigrationMode::kFileHandles) return absl::OkStatus();
  constexpr char kUnnecessary[] =
      " can't be used with --migration-mode=file-handles (because it is unnecessary)";
  if (options.migration_verify_handles) {
    return ErrorStatus(std::string("--migration-verify-handles") + kUnnecessary);
  }
  if (options.migration_confirm_paths) {
    return ErrorStatus(std::string("--migration-confirm-paths") + kUnnecessary);
  }
  return absl::OkStatus();
}

// Inside, the children are root if there is one, else the caller. Where there is neither, a child
// has no id at all: it could become a guest's user, but not itself again.
absl::Status CheckChildrenHaveAnId(const char* option, std::span<const IdMapRange> map,
                                   uint32_t caller) {
  if (IsMappedInside(map, 0) || IsMappedOutside(map, caller)) return absl::OkStatus();
  return ErrorStatus(absl::StrCat(option, " maps neither to 0 nor the caller's own id, ", caller,
                                  ": posternd's processes would have no id inside (add ", option,
                                  "=:0:", caller, ":1:)"));
}

// virtiofsd's --sandbox=namespace: root's children stay in root's user namespace.
absl::StatusOr<std::optional<IdMaps>> PlanUserNamespace(const Options& options,
                                                        const Caller& caller) {
  const bool is_root = caller.uid == 0;
  if (options.sandbox == config::SANDBOX_MODE_CHROOT && !is_root) {
    return ErrorStatus(
        "sandbox mode 'chroot' can only be used by root: use --sandbox=namespace or none");
  }
  if (options.sandbox == config::SANDBOX_MODE_CHROOT) {
    POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
    if (!state.permitted.Contains(CAP_SYS_CHROOT)) {
      return WithAdvice(ErrnoStatus("can't change the root (--sandbox=chroot)", EPERM),
                        "it needs CAP_SYS_CHROOT: give it to the container, or use "
                        "--sandbox=none");
    }
  }
  const bool own = options.sandbox == config::SANDBOX_MODE_NAMESPACE && !is_root;
  if (!own) {
    if (!options.uid_map.empty() || !options.gid_map.empty()) {
      return ErrorStatus(
          "--uid-map and --gid-map can only be used by a plain user with --sandbox=namespace");
    }
    return std::optional<IdMaps>();
  }
  IdMaps maps{options.uid_map, options.gid_map};
  if (maps.uids.empty()) maps.uids.push_back({caller.uid, caller.uid, 1});
  if (maps.gids.empty()) maps.gids.push_back({caller.gid, caller.gid, 1});
  POSTERN_TRY(CheckChildrenHaveAnId("--uid-map", maps.uids, caller.uid));
  POSTERN_TRY(CheckChildrenHaveAnId("--gid-map", maps.gids, caller.gid));
  return std::optional(std::move(maps));
}

// --modcaps counts only for a broker that is root in its user namespace.
absl::Status PlanCapabilities(const Options& options, bool is_root, config::BrokerConfig& broker) {
  if (!is_root || !options.modcaps) return absl::OkStatus();
  POSTERN_TRY_ASSIGN(const CapabilityChanges changes, ParseCapabilityChanges(*options.modcaps));
  if (changes.removed.Contains(CAP_DAC_READ_SEARCH) &&
      options.inode_file_handles != config::INODE_FILE_HANDLES_NEVER) {
    return ErrorStatus(
        "--modcaps: file handles need dac_read_search (or use --inode-file-handles=never)");
  }
  broker.set_added_capabilities(changes.added.bits());
  broker.set_removed_capabilities(changes.removed.bits());
  return absl::OkStatus();
}

absl::Status PlanIdTranslation(const Options& options, config::BrokerConfig& broker) {
  auto uids = CombineIdTranslation(options.translate_uid);
  if (!uids.ok()) return ErrorStatus("--translate-uid: " + Text(uids.status()));
  auto gids = CombineIdTranslation(options.translate_gid);
  if (!gids.ok()) return ErrorStatus("--translate-gid: " + Text(gids.status()));
  *broker.mutable_uid_translation() = *std::move(uids);
  *broker.mutable_gid_translation() = *std::move(gids);
  return absl::OkStatus();
}

uint32_t RequestQueues(const Options& options) {
  if (options.request_queues) return *options.request_queues;
  cpu_set_t processors;
  // EINVAL: more processors than the set can hold.
  if (sched_getaffinity(0, sizeof(processors), &processors) < 0) return kMaxDefaultQueues;
  return std::clamp(static_cast<uint32_t>(CPU_COUNT(&processors)), 1U, kMaxDefaultQueues);
}

void FillCommon(const Options& options, config::CommonConfig& common) {
  common.set_sandbox(options.sandbox);
  common.set_seccomp(options.seccomp);
  common.set_log_level(static_cast<uint32_t>(options.log_level));
  common.set_poll_us(options.poll_us);
}

void FillBroker(const Options& options, uint32_t channels, config::BrokerConfig& broker) {
  broker.set_threads(channels + kSpareThreads);
  broker.set_waiting(WaitingThreads(options));
  broker.set_channels(channels);
  broker.set_inode_file_handles(options.inode_file_handles);
  broker.set_xattr(options.WantsXattr());
  broker.set_posix_acl(options.posix_acl);
  broker.set_security_label(options.security_label);
  broker.mutable_xattr_map()->Assign(options.xattr_map.begin(), options.xattr_map.end());
  broker.set_max_inodes(options.max_inodes);
  broker.set_readonly(options.readonly);
  broker.set_preserve_noatime(options.preserve_noatime);
  broker.set_allow_direct_io(options.allow_direct_io);
}

void FillWorker(const Options& options, uint32_t channels, const std::optional<WorkerUser>& user,
                config::WorkerConfig& worker) {
  worker.set_channels(channels);
  worker.set_io_waiting(WaitingThreads(options));
  worker.set_tag(options.tag);
  if (user) {
    worker.set_uid(user->uid);
    worker.set_gid(user->gid);
  }
  worker.set_cache(options.cache);
  worker.set_xattr(options.WantsXattr());
  worker.set_posix_acl(options.posix_acl);
  worker.set_security_label(options.security_label);
  worker.set_posix_acl_auto(options.posix_acl_auto);
  worker.set_security_label_auto(options.security_label_auto);
  worker.set_readonly(options.readonly);
  worker.set_writeback(options.writeback);
  // Attributes that the guest may not keep are not worth sending.
  worker.set_no_readdirplus(options.no_readdirplus || options.cache == config::CACHE_MODE_NEVER);
  worker.set_allow_mmap(options.allow_mmap);
  worker.set_killpriv_v2(options.killpriv_v2);
  worker.set_no_announce_submounts(options.no_announce_submounts);
}

}  // namespace

absl::StatusOr<LaunchPlan> MakeLaunchPlan(const Options& options, const Caller& caller) {
  POSTERN_TRY(CheckMigration(options));
  LaunchPlan plan;
  POSTERN_TRY_ASSIGN(plan.user_namespace, PlanUserNamespace(options, caller));
  const bool is_root = caller.uid == 0;
  const IdMaps maps = plan.user_namespace.value_or(IdMaps());
  POSTERN_TRY_ASSIGN(const std::optional<WorkerUser> user,
                     ChooseWorkerUser(options.worker_user, is_root, maps));
  POSTERN_TRY(PlanCapabilities(options, is_root || IsMappedInside(maps.uids, 0), plan.broker));
  POSTERN_TRY(PlanIdTranslation(options, plan.broker));

  const uint32_t channels = RequestQueues(options) + 1;
  FillCommon(options, *plan.broker.mutable_common());
  *plan.worker.mutable_common() = plan.broker.common();
  FillBroker(options, channels, plan.broker);
  FillWorker(options, channels, user, plan.worker);
  return plan;
}

}  // namespace postern
