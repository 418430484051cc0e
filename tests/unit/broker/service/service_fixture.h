// A running service, and the test in the place of its worker.
#ifndef POSTERN_TESTS_UNIT_BROKER_SERVICE_SERVICE_FIXTURE_H_
#define POSTERN_TESTS_UNIT_BROKER_SERVICE_SERVICE_FIXTURE_H_

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker/service/service.h"
#include "common/rpc/channel.h"
#include "proto/rpc.pb.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/common/rpc/rpc_peer.h"

namespace postern {

// Every test ends with the descriptors that it began with.
class ServiceFixture : public testing::Test {
 protected:
  static constexpr size_t kChannels = 2;
  static constexpr uint64_t kRoot = 1;
  // However busy this machine is nothing is taken for stuck, and what is answered goes together.
  static constexpr std::chrono::hours kNever{1};

  void SetUp() override {
    before_ = OpenDescriptors();
    filesystem_.emplace(OpenPathTo(share_.Path()), ProcFd(OpenPathTo("/proc/self/fd")),
                        *ProcessCredentials::Capture(), /*descriptor_limit=*/1000);
    StartService({.stuck_time = kNever});
  }
  void TearDown() override {
    service_.reset();
    worker_.clear();
    filesystem_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  struct Setup {
    size_t channels = kChannels;
    size_t threads = 3;
    size_t waiting = 0;
    absl::Duration send_timeout = absl::Seconds(10);
    std::chrono::microseconds poll_budget{0};
    std::chrono::microseconds reply_delay = kNever;  // A message takes all it can.
    std::chrono::milliseconds stuck_time{5};
  };
  void StartService() { StartService(Setup()); }
  void StartService(const Setup& setup) {
    service_.reset();
    worker_.clear();
    std::vector<RpcChannel> ends;
    for (size_t i = 0; i < setup.channels; ++i) ends.push_back(AddChannel());
    BrokerServiceOptions options;
    options.threads = setup.threads;
    options.waiting = setup.waiting;
    options.send_timeout = setup.send_timeout;
    options.poll_budget = setup.poll_budget;
    options.reply_delay = setup.reply_delay;
    options.stuck_time = setup.stuck_time;
    options.on_failure = [this] {
      ++failures_;
      failed_.Notify();
    };
    service_.emplace(*filesystem_, std::move(ends), std::move(options));
    ASSERT_TRUE(service_->Start().ok());
    service_->Serve();
  }

  // The worker's end goes into worker_.
  RpcChannel AddChannel() {
    auto pair = RpcPeer::CreatePair(RpcChannel::End::kWorker);
    worker_.push_back(std::move(pair.first));
    return std::move(pair.second);
  }

  struct Answer {
    rpc::Reply reply;
    UniqueFd fd;  // What the reply brought, if anything.
  };

  // Sends a batch, and receives messages until each request that wants a reply has one. Requests
  // get ids 1 and up. Descriptors are given to the replies that name them, in order.
  std::vector<Answer> Ask(const std::vector<rpc::Request>& requests, size_t channel = 0) {
    rpc::RequestBatch batch;
    size_t expected = 0;
    for (const rpc::Request& request : requests) {
      *batch.add_requests() = request;
      batch.mutable_requests()->rbegin()->set_id(static_cast<uint64_t>(batch.requests_size()));
      expected += request.has_forget() ? 0 : 1;
    }
    EXPECT_TRUE(worker_[channel].SendMessage(batch).ok());
    std::map<uint64_t, Answer> answers;
    messages_ = 0;
    while (answers.size() < expected) {
      rpc::ReplyBatch replies;
      auto descriptors = worker_[channel].ReceiveMessage(replies, kMaxMessageDescriptors);
      if (!descriptors.ok()) {
        ADD_FAILURE() << "no reply: " << descriptors.error().Message();
        break;
      }
      ++messages_;
      EXPECT_GE(replies.replies_size(), 1);
      EXPECT_LE(replies.replies_size(), 64);
      size_t next = 0;
      for (const rpc::Reply& reply : replies.replies()) {
        Answer& answer = answers[reply.id()];
        answer.reply = reply;
        const bool brings =
            reply.has_created() || (reply.has_opened() && !IsDirectory(reply.id(), requests));
        if (!brings) continue;
        if (next == descriptors->size()) {
          ADD_FAILURE() << "a descriptor is missing";
          continue;
        }
        answer.fd = std::move((*descriptors)[next++]);
      }
      EXPECT_EQ(next, descriptors->size()) << "descriptors that no reply named";
    }
    std::vector<Answer> in_order;
    for (auto& [id, answer] : answers) in_order.push_back(std::move(answer));
    return in_order;
  }
  Answer Ask(const rpc::Request& request, size_t channel = 0) {
    auto answers = Ask(std::vector<rpc::Request>{request}, channel);
    return answers.empty() ? Answer() : std::move(answers.front());
  }

  // Whether that many descriptors are used within a while: a thread that has just answered an OPEN
  // keeps the file for a moment more.
  bool BudgetBecomes(size_t used) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (filesystem_->budget().used() != used && absl::Now() < end) std::this_thread::yield();
    return filesystem_->budget().used() == used;
  }

  static rpc::Request Initialize() {
    rpc::Request request;
    request.mutable_initialize();
    return request;
  }
  static rpc::Request Reset() {
    rpc::Request request;
    request.mutable_reset();
    return request;
  }
  static rpc::Request LookupOf(const std::string& name, uint64_t parent = kRoot) {
    rpc::Request request;
    request.mutable_lookup()->set_parent(parent);
    request.mutable_lookup()->set_name(name);
    return request;
  }
  static rpc::Request OpenOf(uint64_t node) {
    rpc::Request request;
    request.mutable_open()->set_node_id(node);
    return request;
  }
  static rpc::Request GetAttributesOf(uint64_t node) {
    rpc::Request request;
    request.mutable_get_attributes()->set_node_id(node);
    return request;
  }
  uint64_t Lookup(const std::string& name) { return Ask(LookupOf(name)).reply.entry().node_id(); }

  SharedDirectory share_;
  std::set<std::string> before_;
  std::optional<Filesystem> filesystem_;
  std::vector<RpcPeer> worker_;
  std::atomic<int> failures_{0};
  absl::Notification failed_;
  std::atomic<size_t> messages_{0};  // Of the last Ask().
  std::optional<BrokerService> service_;

 private:
  static bool IsDirectory(uint64_t id, const std::vector<rpc::Request>& requests) {
    return requests[id - 1].has_open_directory();
  }
};

using ServiceTest = ServiceFixture;

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_SERVICE_SERVICE_FIXTURE_H_
