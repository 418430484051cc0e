#include "sandbox/launcher/launcher.h"

#include <absl/strings/str_join.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <utility>

#include "sandbox/launcher/children.h"
#include "sandbox/launcher/endpoint.h"
#include "sandbox/launcher/executables.h"
#include "sandbox/launcher/launch_plan.h"
#include "sandbox/launcher/launcher_jail.h"
#include "sandbox/launcher/limits.h"
#include "sandbox/launcher/missing_parts.h"
#include "sandbox/launcher/security_level.h"
#include "sandbox/launcher/service_manager.h"
#include "sandbox/launcher/spawner.h"
#include "sandbox/launcher/supervisor.h"
#include "sandbox/options/log_options.h"

namespace postern {
namespace {

absl::StatusOr<std::string> CheckSharedDir(const std::string& path) {
  if (path.empty()) return ErrorStatus("missing '--shared-dir' or '-o source' option");
  struct stat attributes;
  if (stat(path.c_str(), &attributes) < 0) {
    const int error = errno;
    if (error == ENOENT) {
      return ErrorStatus("--shared-dir: '" + path + "' does not exist: create it first");
    }
    return ErrnoStatus("--shared-dir: '" + path + "'", error);
  }
  if (!S_ISDIR(attributes.st_mode) && !S_ISREG(attributes.st_mode)) {
    return ErrorStatus("--shared-dir: '" + path + "' is neither a directory nor a regular file");
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return ErrorStatus("--shared-dir: '" + path + "': " + error.message());
  return absolute.string();
}

// The signals that end the service arrive as messages from here on.
absl::StatusOr<UniqueFd> OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGHUP, SIGINT}) sigaddset(&signals, signal);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) < 0) return ErrnoStatus("blocking signals");
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return ErrnoStatus("signalfd");
  return fd;
}

// Once for all processes.
absl::Status WarnOfWeakJail(const LaunchPlan& plan) {
  POSTERN_TRY_ASSIGN(const Surroundings here, LookAtSurroundings());
  const std::vector<std::string> missing = MissingJailParts(plan, here);
  if (!missing.empty()) LOG(WARNING) << "The jail lacks " << absl::StrJoin(missing, "; ");
  return absl::OkStatus();
}

absl::StatusOr<Endpoint> OpenEndpoint(const Options& options, const SecurityLevel& level) {
  if (options.fd) return Endpoint::Adopt(*options.fd);
  return Endpoint::Create(options.socket_path ? *options.socket_path : *options.socket,
                          options.socket_group, level, options.seccomp);
}

}  // namespace

absl::StatusOr<Outcome> Launch(const Options& options) {
  ServiceManager manager = ServiceManager::FromEnvironment();
  POSTERN_TRY_ASSIGN(const std::string shared_dir, CheckSharedDir(options.shared_dir));
  for (const std::string& line : DeprecationWarnings(options)) LOG(WARNING) << line;
  ChildrenPlan plan;
  POSTERN_TRY_ASSIGN(plan.launch, MakeLaunchPlan(options, {geteuid(), getegid()}));
  POSTERN_TRY(WarnOfWeakJail(plan.launch));
  plan.launch.broker.set_shared_dir(shared_dir);
  POSTERN_TRY_ASSIGN(plan.executables, FindExecutables());
  POSTERN_TRY_ASSIGN(UniqueFd signals, OpenSignals());
  POSTERN_TRY_ASSIGN(const SecurityLevel level,
                     SecurityLevel::Choose(options.selinux_level, options.fd.value_or(-1)));
  POSTERN_TRY_ASSIGN(Endpoint endpoint, OpenEndpoint(options, level));
  POSTERN_TRY(SetDescriptorLimit(options.rlimit_nofile));

  plan.namespaces = options.sandbox == config::SANDBOX_MODE_NAMESPACE;
  POSTERN_TRY_ASSIGN(plan.broker_context, level.ContextFor(plan.executables.broker));
  POSTERN_TRY_ASSIGN(plan.worker_context, level.ContextFor(plan.executables.worker));
  std::optional<Spawner> spawner;
  if (options.keep_listening) {
    POSTERN_TRY_ASSIGN(Spawner started, Spawner::Start(plan));
    spawner.emplace(std::move(started));
  }
  POSTERN_TRY_ASSIGN(Children children, spawner
                                            ? spawner->StartChildren()
                                            : StartChildren(plan, ChildProcess::Parent::kCaller));

  POSTERN_TRY(SealLauncher(options.seccomp, endpoint.directory()));
  Supervisor supervisor(std::move(children), endpoint, std::move(signals),
                        spawner ? &*spawner : nullptr, std::move(manager));
  return supervisor.Run();
}

}  // namespace postern
