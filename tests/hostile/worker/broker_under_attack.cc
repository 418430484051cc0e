#include "tests/hostile/worker/broker_under_attack.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>
#include <variant>

#include "sandbox/jail/child.h"
#include "sandbox/launcher/launch_plan.h"
#include "sandbox/launcher/limits.h"
#include "sandbox/options/options.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

constexpr std::chrono::seconds kPatience{20};

// Sends standard error elsewhere while it lives: a started child keeps that.
class RedirectedStderr {
 public:
  explicit RedirectedStderr(const std::string& path) : saved_(fcntl(2, F_DUPFD_CLOEXEC, 3)) {
    const UniqueFd file(
        open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    dup2(file.get(), 2);
  }
  ~RedirectedStderr() { dup2(saved_.get(), 2); }

 private:
  const UniqueFd saved_;
};

absl::StatusOr<LaunchPlan> PlanFrom(const BrokerUnderAttack::Options& options) {
  std::vector<std::string> words = {"--shared-dir", options.shared_dir, "--socket-path", "unused"};
  words.insert(words.end(), options.daemon_options.begin(), options.daemon_options.end());
  const auto parsed = ParseOptions(words);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) return ErrorStatus(exit->text);
  const auto& wanted = std::get<postern::Options>(parsed);
  POSTERN_TRY_ASSIGN(LaunchPlan plan, MakeLaunchPlan(wanted, {geteuid(), getegid()}));
  plan.broker.set_shared_dir(options.shared_dir);
  // As posternd. That it can't go as high as posternd wants is known by the second test.
  const RedirectedStderr silenced("/dev/null");
  POSTERN_TRY(SetDescriptorLimit(wanted.rlimit_nofile));
  return plan;
}

absl::Status AwaitReady(ChildProcess& process) {
  config::ChildStatus status;
  if (!process.control().ReceiveMessage(status, 0).ok() ||
      status.state() != config::ChildStatus::STATE_READY) {
    return ErrorStatus("the broker isn't ready");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<BrokerUnderAttack>> BrokerUnderAttack::Start(
    const Options& options) {
  POSTERN_TRY_ASSIGN(const LaunchPlan plan, PlanFrom(options));
  std::vector<RingWorker> ours;
  std::vector<RpcChannel::Parts> theirs;
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < plan.broker.channels(); ++i) {
    auto pair = RpcChannel::CreatePair();
    if (!pair.ok()) return ErrnoStatus("channels", pair.errno_value());
    auto worker = RingWorker::Open(std::move(pair->first), kPatience);
    if (!worker.ok()) return ErrnoStatus("channels", worker.errno_value());
    ours.push_back(*std::move(worker));
    const RpcChannel::Parts& end = theirs.emplace_back(std::move(pair->second));
    for (const UniqueFd* fd : {&end.socket, &end.memory, &end.doorbell, &end.peer_doorbell}) {
      descriptors.push_back(fd->get());
    }
  }
  const RedirectedStderr redirected(options.log_path);
  const bool namespaces = plan.broker.common().sandbox() == config::SANDBOX_MODE_NAMESPACE;
  POSTERN_TRY_ASSIGN(ChildProcess process,
                     ChildProcess::Start(
                         {"postern-broker", POSTERN_BROKER_PATH, namespaces, plan.user_namespace}));
  POSTERN_TRY(SendStart(process.control(), plan.broker, descriptors));
  POSTERN_TRY(AwaitReady(process));
  return std::unique_ptr<BrokerUnderAttack>(
      new BrokerUnderAttack(options, std::move(process), std::move(ours)));
}

BrokerUnderAttack::BrokerUnderAttack(Options options, ChildProcess process,
                                     std::vector<RingWorker> channels)
    : options_(std::move(options)), process_(std::move(process)), channels_(std::move(channels)) {}

std::vector<BrokerUnderAttack::Answer> BrokerUnderAttack::Ask(
    const std::vector<rpc::Request>& requests, size_t channel) {
  std::vector<Answer> answers(requests.size());
  rpc::RequestBatch batch;
  size_t expected = 0;
  for (const rpc::Request& request : requests) {
    rpc::Request& added = *batch.add_requests();
    added = request;
    added.set_id(static_cast<uint64_t>(batch.requests_size()));
    expected += request.has_forget() ? 0 : 1;
  }
  if (!channels_[channel].SendMessage(batch).ok()) return answers;
  while (expected > 0) {
    rpc::ReplyBatch replies;
    auto descriptors = channels_[channel].ReceiveMessage(replies, kMaxMessageDescriptors);
    if (!descriptors.ok()) return answers;
    size_t next = 0;
    for (const rpc::Reply& reply : replies.replies()) {
      if (reply.id() < 1 || reply.id() > answers.size()) return answers;
      Answer& answer = answers[reply.id() - 1];
      if (answer.answered) return answers;
      answer.reply = reply;
      answer.answered = true;
      --expected;
      const bool brings = reply.has_created() ||
                          (reply.has_opened() && !requests[reply.id() - 1].has_open_directory());
      if (brings && next < descriptors->size()) answer.fd = std::move((*descriptors)[next++]);
    }
  }
  return answers;
}

BrokerUnderAttack::Answer BrokerUnderAttack::Ask(const rpc::Request& request, size_t channel) {
  return std::move(Ask(std::vector<rpc::Request>{request}, channel).front());
}

int BrokerUnderAttack::SendRaw(const std::string& bytes, std::span<const int> descriptors,
                               size_t channel) {
  const auto raw = std::as_bytes(std::span(bytes));
  if (options_.over == Over::kRing && descriptors.empty() && !raw.empty() &&
      channels_[channel].Write(raw)) {
    return 0;
  }
  return channels_[channel].SendOverSocket(raw, descriptors);
}

std::optional<ProcessEnd> BrokerUnderAttack::WaitForEnd() {
  if (!process_->WaitFor(kPatience)) return std::nullopt;
  return process_->Reap();
}

bool BrokerUnderAttack::IsAlive() const {
  return process_->pidfd() >= 0 && !process_->WaitFor(std::chrono::milliseconds(0));
}

std::string BrokerUnderAttack::Log() const {
  std::ifstream file(options_.log_path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

size_t BrokerUnderAttack::Descriptors() const {
  const auto open = vmm::ListDescriptors(pid());
  return open.ok() ? open->size() : 0;
}

size_t BrokerUnderAttack::ResidentKib() const {
  return static_cast<size_t>(std::strtoull(vmm::StatusField(pid(), "VmRSS").c_str(), nullptr, 10));
}

}  // namespace postern
