// The real postern-broker in its jail, with the caller in the place of its launcher and its worker.
#ifndef POSTERN_TESTS_HOSTILE_WORKER_BROKER_UNDER_ATTACK_H_
#define POSTERN_TESTS_HOSTILE_WORKER_BROKER_UNDER_ATTACK_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/channel.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "proto/rpc.pb.h"
#include "sandbox/launcher/child_process.h"
#include "tests/hostile/worker/ring_worker.h"

namespace postern {

struct BrokerUnderAttackOptions {
  std::string shared_dir;
  std::string log_path;                     // Gets its stderr.
  std::vector<std::string> daemon_options;  // posternd's.
  // Which way SendRaw() takes. Through the ring: as far as there is room in it.
  enum class Over { kRing, kSocket } over = Over::kRing;
};

// Started from posternd's own command line by posternd's own code: plan, descriptor limit,
// namespaces, control channel. Nothing of the broker's jail is made up here. Belongs to one thread.
class BrokerUnderAttack {
 public:
  using Options = BrokerUnderAttackOptions;
  using Over = Options::Over;
  // Returns when the broker serves. Precondition: one thread.
  static absl::StatusOr<std::unique_ptr<BrokerUnderAttack>> Start(const Options& options);

  struct Answer {
    rpc::Reply reply;
    UniqueFd fd;  // What the reply brought, if anything.
    bool answered = false;
    int error() const { return answered ? static_cast<int>(reply.error()) : -1; }
  };
  // Sends a batch with ids 1 and up, and receives until each request that wants a reply has one;
  // gives up after 20 seconds or when the broker has gone. In the requests' order; FORGET's answer
  // stays empty.
  std::vector<Answer> Ask(const std::vector<rpc::Request>& requests, size_t channel = 1);
  Answer Ask(const rpc::Request& request, size_t channel = 1);

  // The worker's end. Receiving gives up with EAGAIN after 20 seconds.
  RingWorker& channel(size_t index) { return channels_[index]; }
  size_t channels() const { return channels_.size(); }
  Channel& control() { return process_->control(); }
  pid_t pid() const { return process_->pid(); }

  // Bytes as they are, empty ones included, with descriptors, past all checks of the channel's. The
  // errno, or 0.
  int SendRaw(const std::string& bytes, std::span<const int> descriptors = {}, size_t channel = 1);

  // Hangs up like a launcher that ends.
  void CloseControl() { process_->control().TakeSocket().Reset(); }
  // How it has ended; nothing if it hasn't within 20 seconds.
  std::optional<ProcessEnd> WaitForEnd();
  bool IsAlive() const;
  std::string Log() const;
  // How many descriptors it has open.
  size_t Descriptors() const;
  // Its VmRSS, in KiB.
  size_t ResidentKib() const;

 private:
  BrokerUnderAttack(Options options, ChildProcess process, std::vector<RingWorker> channels);

  const Options options_;
  std::optional<ChildProcess> process_;
  std::vector<RingWorker> channels_;
};

// Looks every two milliseconds whether the condition holds, for up to 20 seconds.
template <typename Condition>
bool Eventually(Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace postern

#endif  // POSTERN_TESTS_HOSTILE_WORKER_BROKER_UNDER_ATTACK_H_
