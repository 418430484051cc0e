#include "sandbox/launcher.h"

#include <pwd.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "common/channel.h"
#include "sandbox/child.h"
#include "sandbox/child_process.h"
#include "sandbox/endpoint.h"
#include "sandbox/executables.h"
#include "sandbox/limits.h"
#include "sandbox/namespaces.h"

namespace postern {
namespace {

constexpr uint32_t kMaxDefaultQueues = 8;
// More threads than this wait for each other, not for storage.
constexpr uint32_t kMaxBrokerThreads = 256;
// A child that has closed its control channel is about to end.
constexpr std::chrono::seconds kDeathAfterHangUp{2};

absl::StatusOr<std::string> CheckSharedDir(const std::string& path) {
  struct stat attributes;
  if (stat(path.c_str(), &attributes) < 0) {
    if (errno == ENOENT) return ErrorStatus("'" + path + "' does not exist");
    return ErrnoStatus("'" + path + "'");
  }
  if (!S_ISDIR(attributes.st_mode) && !S_ISREG(attributes.st_mode)) {
    return ErrorStatus("'" + path + "' is neither a directory nor a regular file");
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return ErrorStatus("'" + path + "': " + error.message());
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

uint32_t RequestQueues(const Options& options) {
  if (options.request_queues) return *options.request_queues;
  cpu_set_t processors;
  // EINVAL: more processors than the set can hold.
  if (sched_getaffinity(0, sizeof(processors), &processors) < 0) return kMaxDefaultQueues;
  return std::clamp(static_cast<uint32_t>(CPU_COUNT(&processors)), 1U, kMaxDefaultQueues);
}

bool IsMappedHere(const char* map, uint32_t id) {
  std::ifstream file(map);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return IsMapped(text, id);
}

// Root's worker gets a user of its own, or one that owns nothing.
void ChooseWorkerUser(config::WorkerConfig& config) {
  if (geteuid() != 0) return;
  constexpr uint32_t kOverflowId = 65534;
  uint32_t uid = kOverflowId;
  uint32_t gid = kOverflowId;
  const passwd* user = getpwnam("postern");
  if (user == nullptr) user = getpwnam("nobody");
  if (user != nullptr && user->pw_uid != 0) {
    uid = user->pw_uid;
    gid = user->pw_gid;
  }
  if (!IsMappedHere("/proc/self/uid_map", uid) || !IsMappedHere("/proc/self/gid_map", gid)) {
    LOG(WARNING) << "This user namespace has no user for the worker: it keeps root's id, without "
                    "any right";
    return;
  }
  config.set_uid(uid);
  config.set_gid(gid);
}

config::CommonConfig MakeCommonConfig(const Options& options) {
  config::CommonConfig common;
  common.set_sandbox(options.sandbox);
  common.set_seccomp(options.seccomp);
  common.set_log_level(static_cast<uint32_t>(options.log_level));
  common.set_in_user_namespace(options.sandbox == config::SANDBOX_MODE_NAMESPACE && geteuid() != 0);
  return common;
}

struct ChannelEnds {
  std::vector<UniqueFd> broker;
  std::vector<UniqueFd> worker;
};

absl::StatusOr<ChannelEnds> MakeChannels(uint32_t count) {
  ChannelEnds ends;
  for (uint32_t i = 0; i < count; ++i) {
    auto pair = Channel::CreatePair();
    if (!pair.ok()) return ErrnoStatus("making the channels", pair.errno_value());
    ends.broker.push_back(pair->first.TakeSocket());
    ends.worker.push_back(pair->second.TakeSocket());
  }
  return ends;
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

absl::StatusOr<Endpoint> OpenEndpoint(const Options& options) {
  if (options.fd) return Endpoint::Adopt(*options.fd);
  return Endpoint::Create(*options.socket_path, options.socket_group);
}

}  // namespace

absl::StatusOr<Outcome> Launch(const Options& options) {
  POSTERN_TRY_ASSIGN(const std::string shared_dir, CheckSharedDir(options.shared_dir));
  const bool is_root = geteuid() == 0;
  if (options.sandbox == config::SANDBOX_MODE_CHROOT && !is_root) {
    return ErrorStatus("sandbox mode 'chroot' can only be used by root");
  }
  POSTERN_TRY_ASSIGN(const Executables executables, FindExecutables());
  POSTERN_TRY_ASSIGN(UniqueFd signals, OpenSignals());
  POSTERN_TRY_ASSIGN(Endpoint endpoint, OpenEndpoint(options));
  RaiseDescriptorLimit();

  const uint32_t channel_count = RequestQueues(options) + 1;
  config::BrokerConfig broker_config;
  *broker_config.mutable_common() = MakeCommonConfig(options);
  broker_config.set_shared_dir(shared_dir);
  broker_config.set_threads(options.thread_pool_size == 0
                                ? channel_count
                                : std::min(options.thread_pool_size, kMaxBrokerThreads));
  broker_config.set_channels(channel_count);
  config::WorkerConfig worker_config;
  *worker_config.mutable_common() = broker_config.common();
  worker_config.set_channels(channel_count);
  worker_config.set_tag(options.tag);
  worker_config.set_cache(options.cache);
  ChooseWorkerUser(worker_config);

  const bool namespaces = options.sandbox == config::SANDBOX_MODE_NAMESPACE;
  POSTERN_TRY_ASSIGN(ChannelEnds channels, MakeChannels(channel_count));
  POSTERN_TRY_ASSIGN(ChildProcess broker,
                     ChildProcess::Start({"postern-broker", executables.broker, namespaces,
                                          namespaces && !is_root}));
  POSTERN_TRY_ASSIGN(ChildProcess worker,
                     ChildProcess::Start({"postern-worker", executables.worker, namespaces,
                                          namespaces && !is_root}));
  POSTERN_TRY(Configure(broker, broker_config, channels.broker));
  POSTERN_TRY(Configure(worker, worker_config, channels.worker));
  // Kept open here, an end would hide from each child that the other has gone.
  channels = ChannelEnds();

  Supervisor supervisor(std::move(broker), std::move(worker), endpoint, std::move(signals));
  return supervisor.Run();
}

}  // namespace postern
