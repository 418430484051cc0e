#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "common/logging.h"
#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/hardening.h"
#include "sandbox/jail/jail.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/jail/mounts.h"
#include "sandbox/policies/seccomp_policies.h"

namespace postern {
namespace {

absl::StatusOr<UniqueFd> OpenPath(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC | flags));
  if (!fd) return ErrnoStatus("opening '" + path + "'");
  return fd;
}

absl::StatusOr<bool> IsDirectory(int fd) {
  struct stat attributes;
  if (fstat(fd, &attributes) < 0) return ErrnoStatus("looking at the shared directory");
  return S_ISDIR(attributes.st_mode);
}

// Own mount and pid namespaces: the share becomes the root. A fresh /proc shows this process only;
// of it the descriptor directory is taken along as a mount of its own, so that it is a world
// without parents.
absl::StatusOr<BrokerJail> EnterNamespace(const config::BrokerConfig& config) {
  POSTERN_TRY(SetPropagation(Propagation::kFromHost));
  BrokerJail jail;
  POSTERN_TRY_ASSIGN(UniqueFd share, CloneMounts(config.shared_dir()));
  POSTERN_TRY(DisarmMounts(share.get()));
  if (config.readonly()) POSTERN_TRY(ForbidWrites(share.get()));
  POSTERN_TRY(MountProc());
  POSTERN_TRY_ASSIGN(jail.proc_self_fd, CloneMounts("/proc/self/fd"));
  POSTERN_TRY_ASSIGN(const bool directory, IsDirectory(share.get()));
  if (directory) {
    POSTERN_TRY(PivotRootInto(share.get()));
    POSTERN_TRY_ASSIGN(jail.root, OpenPath("/", O_DIRECTORY));
  } else {
    POSTERN_TRY_ASSIGN(const UniqueFd nothing, CreateEmptyFilesystem());
    POSTERN_TRY(PivotRootInto(nothing.get()));
    jail.root = std::move(share);
  }
  return jail;
}

// The caller's namespaces: the host's /proc stays reachable through ".." of the descriptor
// directory, unless it can be taken as a mount of its own, which needs CAP_SYS_ADMIN.
absl::StatusOr<BrokerJail> EnterRoot(const std::string& shared_dir, bool change_root) {
  BrokerJail jail;
  absl::StatusOr<UniqueFd> detached = CloneMounts("/proc/self/fd");
  if (detached.ok()) {
    jail.proc_self_fd = std::move(*detached);
  } else {
    POSTERN_TRY_ASSIGN(jail.proc_self_fd, OpenPath("/proc/self/fd", O_DIRECTORY));
  }
  if (change_root && chroot(shared_dir.c_str()) < 0) {
    return ErrnoStatus("chroot to '" + shared_dir + "'");
  }
  POSTERN_TRY_ASSIGN(jail.root, OpenPath(change_root ? "/" : shared_dir, 0));
  if (chdir("/") < 0) return ErrnoStatus("entering the root");
  return jail;
}

absl::StatusOr<BrokerJail> EnterSandbox(const config::BrokerConfig& config) {
  switch (config.common().sandbox()) {
    case config::SANDBOX_MODE_NAMESPACE:
      return EnterNamespace(config);
    case config::SANDBOX_MODE_CHROOT:
      return EnterRoot(config.shared_dir(), /*change_root=*/true);
    case config::SANDBOX_MODE_NONE:
      return EnterRoot(config.shared_dir(), /*change_root=*/false);
    default:
      return ErrorStatus("the configuration names no sandbox");
  }
}

// What the options in force need.
CapabilitySet BrokerCapabilities(const config::BrokerConfig& config) {
  CapabilitySet wanted = kReadingCapabilities;
  if (config.preserve_noatime()) wanted.Add(CAP_FOWNER);  // O_NOATIME on others' files.
  if (!config.readonly()) {
    wanted = wanted | kWritingCapabilities;
    if (config.xattr()) wanted.Add(CAP_SETFCAP);  // security.capability
  }
  // open_by_handle_at(2).
  if (config.inode_file_handles() == config::INODE_FILE_HANDLES_PREFER ||
      config.inode_file_handles() == config::INODE_FILE_HANDLES_MANDATORY) {
    wanted.Add(CAP_DAC_READ_SEARCH);
  }
  // --modcaps.
  return (wanted | CapabilitySet::FromBits(config.added_capabilities())) -
         CapabilitySet::FromBits(config.removed_capabilities());
}

// What Landlock keeps from the broker, besides what it keeps from all. As a rule not its files: a
// rule for the root would say what the root says already, and it would have to hold for files that
// are known by handle, whose place in the tree not every kernel finds then. But where the root is
// the host's, and no file is known by handle, only what lies in the share may be opened, made,
// moved and removed. A kernel before Linux 5.19 can't have names moved between directories then.
absl::StatusOr<LandlockDomain> BrokerDomain(const config::BrokerConfig& config, int root) {
  LandlockDomain domain{.files = false};
  if (config.common().sandbox() != config::SANDBOX_MODE_NONE || LandlockAbi() < 2) return domain;
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  const bool never = config.inode_file_handles() == config::INODE_FILE_HANDLES_NEVER;
  if (!never && state.permitted.Contains(CAP_DAC_READ_SEARCH)) return domain;
  POSTERN_TRY_ASSIGN(const bool directory, IsDirectory(root));
  domain.files = true;
  domain.rules.push_back({root, directory ? landlock::kFilesAbi5 : landlock::kOneFile});
  return domain;
}

absl::Status LimitCapabilities(const config::BrokerConfig& config) {
  POSTERN_TRY_ASSIGN(const CapabilityState state, CurrentCapabilities());
  const CapabilitySet wanted = BrokerCapabilities(config);
  const CapabilitySet missing = wanted - state.permitted;
  // What was asked for in so many words is there, or the start fails.
  const CapabilitySet refused =
      CapabilitySet::FromBits(config.added_capabilities()) - state.permitted;
  if (!refused.empty()) {
    return ErrorStatus("--modcaps: posternd itself hasn't got " + refused.ToString());
  }
  if (geteuid() == 0 && !missing.empty()) {
    LOG(WARNING) << "Operations of the guest may fail for want of capabilities: "
                 << missing.ToString();
  }
  POSTERN_TRY(LockSecurebits());
  return KeepOnlyCapabilities(wanted & state.permitted);
}

}  // namespace

absl::StatusOr<BrokerJail> EnterBrokerJail(const config::BrokerConfig& config) {
  POSTERN_TRY(DropSupplementaryGroups());
  POSTERN_TRY_ASSIGN(BrokerJail jail, EnterSandbox(config));
  umask(0);  // Modes come from the guest, which has applied its own.
  POSTERN_TRY(LimitCapabilities(config));
  POSTERN_TRY(ForbidNewPrivileges());
  POSTERN_TRY(ForbidInspection());
  POSTERN_TRY_ASSIGN(const LandlockDomain domain, BrokerDomain(config, jail.root.get()));
  POSTERN_TRY(RestrictByLandlock(domain));
  POSTERN_TRY(DieWithPeer(kControlDescriptor));
  return jail;
}

absl::Status SealBroker(const config::BrokerConfig& config) {
  POSTERN_TRY(ForbidProcesses());
  return LoadSeccompPolicy(BrokerPolicy(), config.common().seccomp());
}

}  // namespace postern
