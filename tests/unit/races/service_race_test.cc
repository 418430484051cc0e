// The broker's service when its threads are held up at the wrong moment, or are too few.
#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/service/service.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

constexpr std::chrono::seconds kNever{20};  // Nothing takes so long.

std::set<pid_t> OwnThreads() {
  std::set<pid_t> threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    threads.insert(std::stoi(entry.path().filename()));
  }
  return threads;
}

class ServiceRaceTest : public testing::Test {
 protected:
  static constexpr size_t kChannels = 2;

  void Start(size_t threads, std::chrono::microseconds poll_budget) {
    filesystem_.emplace(OpenPathTo(share_.Path()), ProcFd(OpenPathTo("/proc/self/fd")),
                        *ProcessCredentials::Capture(), /*descriptor_limit=*/1000);
    std::vector<RpcChannel> channels;
    for (size_t i = 0; i < kChannels; ++i) {
      auto pair = *RpcChannel::CreatePair();
      worker_.push_back(*RpcChannel::Open(std::move(pair.first), RpcChannel::End::kWorker));
      channels.push_back(*RpcChannel::Open(std::move(pair.second), RpcChannel::End::kBroker));
    }
    const std::set<pid_t> before = OwnThreads();
    BrokerServiceOptions options;
    options.threads = threads;
    options.poll_budget = poll_budget;
    options.on_failure = [this] { ++failures_; };
    service_.emplace(*filesystem_, std::move(channels), std::move(options));
    ASSERT_TRUE(service_->Start().ok());
    for (const pid_t thread : OwnThreads()) {
      if (!before.contains(thread)) threads_.push_back(thread);
    }
    service_->Serve();
    rpc::Request initialize;
    initialize.mutable_initialize();
    Send(0, initialize);
    ASSERT_TRUE(AwaitAnswer(0));
  }
  void TearDown() override {
    service_.reset();
    EXPECT_EQ(failures_, 0);
  }

  void Send(size_t channel, rpc::Request request = requests::GetAttributes(requests::kRootNode)) {
    request.set_id(++last_id_);
    rpc::RequestBatch batch;
    *batch.add_requests() = std::move(request);
    const std::string bytes = batch.SerializeAsString();
    ASSERT_TRUE(worker_[channel].Send(std::as_bytes(std::span(bytes))).ok());
  }
  // Whether an answer is there; it must be the one to the channel's last request.
  bool HasAnswer(size_t channel) {
    const auto received = worker_[channel].Receive(0);
    if (received.errno_value() == EAGAIN) return false;
    rpc::ReplyBatch replies;
    EXPECT_TRUE(received.ok());
    EXPECT_TRUE(received.ok() && replies.ParseFromArray(received->bytes.data(),
                                                        static_cast<int>(received->bytes.size())));
    EXPECT_EQ(replies.replies_size(), 1);
    if (replies.replies_size() == 1) last_answer_ = replies.replies(0).id();
    return true;
  }
  bool AwaitAnswer(size_t channel) {
    const auto start = std::chrono::steady_clock::now();
    while (failures_ == 0 && !HasAnswer(channel)) {
      if (std::chrono::steady_clock::now() - start > kNever) return false;
      std::this_thread::yield();
    }
    return failures_ == 0;
  }

  SharedDirectory share_;
  std::optional<Filesystem> filesystem_;
  std::vector<RpcChannel> worker_;
  std::vector<pid_t> threads_;  // The service's.
  std::atomic<int> failures_ = 0;
  uint64_t last_id_ = 0;
  uint64_t last_answer_ = 0;
  std::optional<BrokerService> service_;
};

TEST_F(ServiceRaceTest, ChannelIsServedThoughTheOnlyThreadIsBusyWithAnother) {
  ASSERT_NO_FATAL_FAILURE(Start(/*threads=*/1, std::chrono::microseconds(50)));
  Send(0);
  ASSERT_TRUE(AwaitAnswer(0));
  Send(1);
  for (int messages = 0; !HasAnswer(1); ++messages) {
    ASSERT_LT(messages, 100);
    Send(0);
    ASSERT_TRUE(AwaitAnswer(0));
  }
}

// Longer than a thread may be at a message before its channel is given to others.
void HoldUp(int) {
  const timespec time{.tv_sec = 0, .tv_nsec = 20'000'000};
  nanosleep(&time, nullptr);
}

TEST_F(ServiceRaceTest, ThreadThatIsHeldUpBeforeItReceivesTakesNothingFromTheNextOwner) {
  struct sigaction action {};
  action.sa_handler = HoldUp;
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  // A thread that has served a message looks for the next one nearly all the time.
  ASSERT_NO_FATAL_FAILURE(Start(kChannels, std::chrono::milliseconds(10)));
  for (size_t round = 0; round < 100; ++round) {
    ASSERT_EQ(tgkill(getpid(), threads_[round % threads_.size()], SIGUSR1), 0);
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(25)) {
      Send(0);
      ASSERT_TRUE(AwaitAnswer(0));
      ASSERT_EQ(last_answer_, last_id_) << "in round " << round;
    }
  }
  EXPECT_FALSE(HasAnswer(0));
}

}  // namespace
}  // namespace postern
