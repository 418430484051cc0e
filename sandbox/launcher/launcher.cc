#include "sandbox/launcher/launcher.h"

#include <absl/strings/str_join.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/rpc/rpc_channel.h"
#include "sandbox/jail/child.h"
#include "sandbox/launcher/child_process.h"
#include "sandbox/launcher/endpoint.h"
#include "sandbox/launcher/executables.h"
#include "sandbox/launcher/launch_plan.h"
#include "sandbox/launcher/launcher_jail.h"
#include "sandbox/launcher/limits.h"
#include "sandbox/launcher/log_relay.h"
#include "sandbox/launcher/missing_parts.h"
#include "sandbox/options/log_options.h"

namespace postern {
namespace {

// A child that has closed its control channel is about to end.
constexpr std::chrono::seconds kDeathAfterHangUp{2};

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

// Descriptors, as a start message has them.
struct ChannelEnds {
  std::vector<UniqueFd> broker;
  std::vector<UniqueFd> worker;
};

absl::StatusOr<ChannelEnds> MakeChannels(uint32_t count) {
  ChannelEnds ends;
  for (uint32_t i = 0; i < count; ++i) {
    auto pair = RpcChannel::CreatePair();
    if (!pair.ok()) return ErrnoStatus("making the channels", pair.errno_value());
    RpcChannel::Append(std::move(pair->first), ends.worker);
    RpcChannel::Append(std::move(pair->second), ends.broker);
  }
  return ends;
}

absl::StatusOr<WatchedChild> StartChild(ChildProcess::Settings settings) {
  POSTERN_TRY_ASSIGN(LogRelay log, LogRelay::Create(settings.name));
  settings.log = log.writer();
  POSTERN_TRY_ASSIGN(ChildProcess process, ChildProcess::Start(settings));
  log.Started(process.pid());
  return WatchedChild{std::move(log), std::move(process)};
}

absl::Status Configure(ChildProcess& child, const google::protobuf::MessageLite& config,
                       const std::vector<UniqueFd>& channels) {
  std::vector<int> descriptors;
  for (const UniqueFd& channel : channels) descriptors.push_back(channel.get());
  const absl::Status sent = SendStart(child.control(), config, descriptors);
  // It has failed already and said why: the supervisor finds out how it ended.
  if (!sent.ok() && child.WaitFor(kDeathAfterHangUp)) return absl::OkStatus();
  return sent;
}

// Once for all processes.
absl::Status WarnOfWeakJail(const LaunchPlan& plan) {
  POSTERN_TRY_ASSIGN(const Surroundings here, LookAtSurroundings());
  const std::vector<std::string> missing = MissingJailParts(plan, here);
  if (!missing.empty()) LOG(WARNING) << "The jail lacks " << absl::StrJoin(missing, "; ");
  return absl::OkStatus();
}

absl::StatusOr<Endpoint> OpenEndpoint(const Options& options) {
  if (options.fd) return Endpoint::Adopt(*options.fd);
  return Endpoint::Create(options.socket_path ? *options.socket_path : *options.socket,
                          options.socket_group, options.seccomp);
}

}  // namespace

absl::StatusOr<Outcome> Launch(const Options& options) {
  POSTERN_TRY_ASSIGN(const std::string shared_dir, CheckSharedDir(options.shared_dir));
  for (const std::string& line : DeprecationWarnings(options)) LOG(WARNING) << line;
  POSTERN_TRY_ASSIGN(LaunchPlan plan, MakeLaunchPlan(options, {geteuid(), getegid()}));
  POSTERN_TRY(WarnOfWeakJail(plan));
  plan.broker.set_shared_dir(shared_dir);
  POSTERN_TRY_ASSIGN(const Executables executables, FindExecutables());
  POSTERN_TRY_ASSIGN(UniqueFd signals, OpenSignals());
  POSTERN_TRY_ASSIGN(Endpoint endpoint, OpenEndpoint(options));
  POSTERN_TRY(SetDescriptorLimit(options.rlimit_nofile));

  const bool namespaces = options.sandbox == config::SANDBOX_MODE_NAMESPACE;
  POSTERN_TRY_ASSIGN(ChannelEnds channels, MakeChannels(plan.broker.channels()));
  POSTERN_TRY_ASSIGN(WatchedChild broker, StartChild({"postern-broker", executables.broker,
                                                      namespaces, plan.user_namespace}));
  POSTERN_TRY_ASSIGN(WatchedChild worker, StartChild({"postern-worker", executables.worker,
                                                      namespaces, plan.user_namespace}));
  POSTERN_TRY(Configure(broker.process, plan.broker, channels.broker));
  POSTERN_TRY(Configure(worker.process, plan.worker, channels.worker));
  // Kept open here, an end would hide from each child that the other has gone.
  channels = ChannelEnds();

  POSTERN_TRY(SealLauncher(options.seccomp, endpoint.directory()));
  Supervisor supervisor(std::move(broker), std::move(worker), endpoint, std::move(signals));
  return supervisor.Run();
}

}  // namespace postern
