// How postern-broker and postern-worker begin: the launcher's other end of the control channel.
#ifndef POSTERN_SANDBOX_JAIL_CHILD_H_
#define POSTERN_SANDBOX_JAIL_CHILD_H_

#include <span>
#include <vector>

#include "common/rpc/channel.h"
#include "common/rpc/rpc_channel.h"
#include "common/status.h"
#include "proto/config.pb.h"

namespace postern {

// The descriptor of the control channel in a started child. All others but 0, 1 and 2 are closed.
inline constexpr int kControlDescriptor = 3;

struct BrokerStart {
  config::BrokerConfig config;
  Channel control;
  std::vector<RpcChannel> channels;  // config.channels() of them; hiprio first.
};

struct WorkerStart {
  config::WorkerConfig config;
  Channel control;
  std::vector<RpcChannel> channels;
};

// Receive the configuration and its descriptors, and set up logging by it (by themselves before);
// `program` must outlive the process. An error if the process wasn't started by posternd, or
// posternd has gone.
absl::StatusOr<BrokerStart> ReceiveBrokerStart(const char* program);
absl::StatusOr<WorkerStart> ReceiveWorkerStart(const char* program);

// The launcher's side: sends the configuration with the descriptors. What doesn't fit into one
// message follows in further ones, which repeat the configuration.
absl::Status SendStart(Channel& control, const google::protobuf::MessageLite& config,
                       std::span<const int> descriptors);

// Tells the launcher. An error means that it has gone: exit.
absl::Status ReportState(Channel& control, config::ChildStatus::State state);

}  // namespace postern

#endif  // POSTERN_SANDBOX_JAIL_CHILD_H_
