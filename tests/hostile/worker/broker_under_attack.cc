#include "tests/hostile/worker/broker_under_attack.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <variant>

#include "sandbox/child.h"
#include "sandbox/launch_plan.h"
#include "sandbox/limits.h"
#include "sandbox/options.h"
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
  std::vector<Channel> ours;
  std::vector<UniqueFd> theirs;
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < plan.broker.channels(); ++i) {
    auto pair = Channel::CreatePair();
    if (!pair.ok()) return ErrnoStatus("channels", pair.errno_value());
    theirs.push_back(pair->first.TakeSocket());
    descriptors.push_back(theirs.back().get());
    ours.push_back(std::move(pair->second));
    const timeval patience{kPatience.count(), 0};
    setsockopt(ours.back().fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
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
                                     std::vector<Channel> channels)
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

int BrokerUnderAttack::SendRaw(std::span<const std::byte> bytes, std::span<const int> descriptors,
                               size_t channel) {
  // Safe because sendmsg(2) only reads through iov_base.
  iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(descriptors.size_bytes()));
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t sent = sendmsg(channels_[channel].fd(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? errno : 0;
}

int BrokerUnderAttack::SendRaw(const std::string& bytes, std::span<const int> descriptors,
                               size_t channel) {
  return SendRaw(std::as_bytes(std::span(bytes)), descriptors, channel);
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
