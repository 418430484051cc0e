// Stands in for postern-worker: goes into its jail as that does, has the broker open two files, and
// then, once a front end has connected, makes the attempt that the tag names.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/logging.h"
#include "proto/rpc.pb.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/jail.h"
#include "tests/hostile/worker_jail/attempts.h"

namespace postern {
namespace {

constexpr int kAnswerMilliseconds = 1000;
constexpr int kFloodLines = 100'000;
// As a worker with few queues has it.
constexpr uint64_t kMemoryLimit = 1 << 30;

// One request, one answer.
ErrnoOr<rpc::Reply> Ask(RpcChannel& broker, rpc::Request request, UniqueFd* file = nullptr) {
  rpc::RequestBatch batch;
  request.set_id(1);
  *batch.add_requests() = std::move(request);
  const std::string bytes = batch.SerializeAsString();
  POSTERN_RETURN_IF_ERROR(broker.Send(std::as_bytes(std::span(bytes))));
  ErrnoOr<ReceivedMessage> received = Errno(EAGAIN);
  while ((received = broker.Receive(1)).errno_value() == EAGAIN) {
    pollfd doorbell{broker.doorbell().fd(), POLLIN, 0};
    if (broker.PrepareToSleep()) poll(&doorbell, 1, kAnswerMilliseconds);
    broker.Awake();
    (void)broker.doorbell().Drain();
  }
  if (!received.ok()) return received.error();
  rpc::ReplyBatch replies;
  if (!replies.ParseFromArray(received->bytes.data(), static_cast<int>(received->bytes.size())) ||
      replies.replies_size() != 1) {
    return Errno(EBADMSG);
  }
  std::vector<UniqueFd> files = std::move(received->descriptors);
  if (replies.replies(0).error() != 0) return Errno(static_cast<int>(replies.replies(0).error()));
  if (file != nullptr && !files.empty()) *file = std::move(files.front());
  return replies.replies(0);
}

ErrnoOr<UniqueFd> OpenShared(RpcChannel& broker, const std::string& name, uint32_t flags) {
  rpc::Request lookup;
  lookup.mutable_lookup()->set_parent(1);
  lookup.mutable_lookup()->set_name(name);
  POSTERN_ASSIGN_OR_RETURN(const rpc::Reply found, Ask(broker, lookup));
  rpc::Request open;
  open.mutable_open()->set_node_id(found.entry().node_id());
  open.mutable_open()->set_flags(flags);
  UniqueFd file;
  POSTERN_RETURN_IF_ERROR(Ask(broker, open, &file));
  if (!file) return Errno(EBADMSG);
  return file;
}

// To the launcher, who takes fixed small messages only.
void SpeakNonsense(Channel& control, const std::string& what, int descriptor) {
  if (what == "garbage-to-the-launcher") {
    const std::string garbage(1000, '\xff');
    (void)control.Send(std::as_bytes(std::span(garbage)));
  } else if (what == "descriptors-to-the-launcher") {
    config::ChildStatus status;
    status.set_state(config::ChildStatus::STATE_FRONT_END_GONE);
    const int descriptors[] = {descriptor, descriptor};
    (void)control.SendMessage(status, descriptors);
  } else if (what == "much-to-the-launcher") {
    const std::string much(kMaxMessageBytes, '\x08');
    (void)control.Send(std::as_bytes(std::span(much)));
  } else if (what == "ready-again-to-the-launcher") {
    (void)ReportState(control, config::ChildStatus::STATE_READY);
  }
  // It hangs up.
  (void)control.Receive(0);
}

// More than the launcher lets through, in a name that isn't its own.
void FloodTheLog() {
  const std::string line = "<6>\x1b[2Jposternd[1] share: forged " + std::string(500, 'x') + "\n";
  for (int i = 0; i < kFloodLines; ++i) {
    while (write(STDERR_FILENO, line.data(), line.size()) < 0) {
      pollfd log{STDERR_FILENO, POLLOUT, 0};
      poll(&log, 1, -1);
    }
  }
}

int Run() {
  absl::StatusOr<WorkerStart> start = ReceiveWorkerStart("taken-over-worker");
  if (!start.ok()) return 1;
  absl::Status jailed = EnterWorkerJail(start->config);
  if (jailed.ok()) jailed = SealWorker(start->config, kMemoryLimit);
  if (!jailed.ok()) {
    LOG(ERROR) << Text(jailed);
    return 1;
  }
  if (!ReportState(start->control, config::ChildStatus::STATE_READY).ok()) return 1;
  config::ServeRequest request;
  const auto connection = start->control.ReceiveMessage(request, 1);
  if (!connection.ok()) return 0;

  RpcChannel& broker = start->channels.back();
  rpc::Request initialize;
  initialize.mutable_initialize();
  if (!Ask(broker, initialize).ok()) return 1;
  const ErrnoOr<UniqueFd> reading = OpenShared(broker, "file", O_RDONLY);
  const ErrnoOr<UniqueFd> writing = OpenShared(broker, "writable", O_RDWR);
  if (!reading.ok() || !writing.ok()) return 1;
  const std::string& name = start->config.tag();
  if (name == "flood-the-log") {
    FloodTheLog();
    return 1;
  }
  const Attempt* attempt = FindAttempt(name);
  if (attempt == nullptr) {
    SpeakNonsense(start->control, name, reading->get());
    return 1;
  }
  LOG(INFO) << "trying " << name;
  errno = 0;
  if (attempt->run({reading->get(), writing->get(), start->control.fd()}) < 0) {
    LOG(INFO) << "refused: " << Errno::Last().Message();
  } else {
    LOG(ERROR) << "worked";
  }
  return ReportState(start->control, config::ChildStatus::STATE_FRONT_END_GONE).ok() ? 0 : 1;
}

}  // namespace
}  // namespace postern

int main() { return postern::Run(); }
