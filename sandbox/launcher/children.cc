#include "sandbox/launcher/children.h"

#include <chrono>
#include <utility>
#include <vector>

#include "common/rpc/rpc_channel.h"
#include "sandbox/jail/child.h"

namespace postern {
namespace {

// A child that has closed its control channel is about to end.
constexpr std::chrono::seconds kDeathAfterHangUp{2};

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

}  // namespace

absl::StatusOr<Children> StartChildren(const ChildrenPlan& plan, ChildProcess::Parent parent) {
  // Gone when this returns: kept open here, an end would hide from each child that the other has
  // gone.
  POSTERN_TRY_ASSIGN(const ChannelEnds channels, MakeChannels(plan.launch.broker.channels()));
  const auto start = [&](const char* name, const std::string& executable,
                         const std::optional<std::string>& context) {
    return StartChild({.name = name,
                       .executable = executable,
                       .own_namespaces = plan.namespaces,
                       .user_namespace = plan.launch.user_namespace,
                       .context = context,
                       .parent = parent});
  };
  POSTERN_TRY_ASSIGN(WatchedChild broker,
                     start("postern-broker", plan.executables.broker, plan.broker_context));
  POSTERN_TRY_ASSIGN(WatchedChild worker,
                     start("postern-worker", plan.executables.worker, plan.worker_context));
  POSTERN_TRY(Configure(broker.process, plan.launch.broker, channels.broker));
  POSTERN_TRY(Configure(worker.process, plan.launch.worker, channels.worker));
  return Children{std::move(broker), std::move(worker)};
}

}  // namespace postern
