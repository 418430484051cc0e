// How the service's threads share its channels out among themselves.
#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "tests/unit/broker/service/service_fixture.h"

namespace postern {
namespace {

#ifdef __SANITIZE_THREAD__
constexpr int kRounds = 60;
#else
constexpr int kRounds = 300;
#endif

class ServiceSharingTest : public ServiceTest {
 protected:
  // A batch of `count` GETATTRs with ids from `first` on.
  static rpc::RequestBatch Batch(uint64_t first, int count = 1) {
    rpc::RequestBatch batch;
    for (int i = 0; i < count; ++i) {
      *batch.add_requests() = GetAttributesOf(kRoot);
      batch.mutable_requests()->rbegin()->set_id(first + static_cast<uint64_t>(i));
    }
    return batch;
  }
  // Takes the ids that one message answers out of `asked`: each was asked for, once.
  void ReceiveOne(size_t channel, std::set<uint64_t>& asked) {
    rpc::ReplyBatch replies;
    ASSERT_TRUE(worker_[channel].ReceiveMessage(replies, 1).ok());
    for (const rpc::Reply& reply : replies.replies()) {
      EXPECT_EQ(reply.error(), 0u);
      ASSERT_EQ(asked.erase(reply.id()), 1u) << "answered twice, or never asked";
    }
  }
  void ReceiveAll(size_t channel, std::set<uint64_t>& asked) {
    while (!asked.empty()) ASSERT_NO_FATAL_FAILURE(ReceiveOne(channel, asked));
  }
  void ExpectNothingMore(size_t channel) {
    rpc::ReplyBatch replies;
    EXPECT_EQ(worker_[channel].ReceiveMessage(replies, 1, Channel::Wait::kBlock, 50).errno_value(),
              EAGAIN);
  }

  // A lease makes open(2) of "file" for writing wait for its holder.
  void SetUpSlowRequest() {
    share_.Write("file");
    Ask(Initialize());
    slow_ = OpenOf(Lookup("file"));
    slow_.mutable_open()->set_flags(O_WRONLY);
    std::signal(SIGIO, SIG_IGN);  // Tells the holder that somebody waits.
    leased_.Reset(open(share_.Path("file").c_str(), O_RDONLY | O_CLOEXEC));
    if (fcntl(leased_.get(), F_SETLEASE, F_RDLCK) < 0) GTEST_SKIP() << "no leases here";
  }
  void TearDown() override {
    leased_.Reset();
    ServiceTest::TearDown();
  }
  void SendSlow(size_t channel, uint64_t id) {
    rpc::RequestBatch batch;
    *batch.add_requests() = slow_;
    batch.mutable_requests(0)->set_id(id);
    ASSERT_TRUE(worker_[channel].SendMessage(batch).ok());
  }

  rpc::Request slow_;
  UniqueFd leased_;
};
// With as many threads as channels a thread keeps its channel, until a message takes long.
TEST_F(ServiceSharingTest, StuckRequestIsOvertakenByTheNextMessageOfItsChannel) {
  StartService({.channels = 2, .threads = 2});
  ASSERT_NO_FATAL_FAILURE(SetUpSlowRequest());
  if (IsSkipped()) return;
  SendSlow(0, 1000);
  std::set<uint64_t> asked;
  for (uint64_t id = 1; id <= 200; ++id) {
    ASSERT_TRUE(worker_[0].SendMessage(Batch(id)).ok());
    asked.insert(id);
  }
  ASSERT_NO_FATAL_FAILURE(ReceiveAll(0, asked));
  // The thread that has taken it over serves the other channel as well.
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Ask(GetAttributesOf(kRoot), 1).reply.error(), 0u);
    EXPECT_EQ(Ask(GetAttributesOf(kRoot), 0).reply.error(), 0u);
  }
  leased_.Reset();
  asked = {1000};
  ASSERT_NO_FATAL_FAILURE(ReceiveAll(0, asked));
  for (size_t channel = 0; channel < 2; ++channel) {
    ExpectNothingMore(channel);
    EXPECT_EQ(Ask(GetAttributesOf(kRoot), channel).reply.error(), 0u);
  }
}

TEST_F(ServiceSharingTest, AsManyStuckRequestsAsThreadsAreAllAnsweredInTheEnd) {
  StartService({.channels = 2, .threads = 2});
  ASSERT_NO_FATAL_FAILURE(SetUpSlowRequest());
  if (IsSkipped()) return;
  std::set<uint64_t> asked;
  for (uint64_t id = 1; id <= 5; ++id) {
    SendSlow(0, id);
    asked.insert(id);
  }
  ASSERT_TRUE(worker_[1].SendMessage(Batch(9)).ok());
  absl::SleepFor(absl::Milliseconds(50));
  leased_.Reset();
  ASSERT_NO_FATAL_FAILURE(ReceiveAll(0, asked));
  asked = {9};
  ASSERT_NO_FATAL_FAILURE(ReceiveAll(1, asked));
  ExpectNothingMore(0);
}

TEST_F(ServiceSharingTest, StuckRequestWhoseThreadIsTheOnlyOneHoldsUpButLosesNothing) {
  StartService({.channels = 2, .threads = 1});
  ASSERT_NO_FATAL_FAILURE(SetUpSlowRequest());
  if (IsSkipped()) return;
  SendSlow(0, 1000);
  std::set<uint64_t> asked{1000};
  for (uint64_t id = 1; id <= 20; ++id) {
    ASSERT_TRUE(worker_[0].SendMessage(Batch(id)).ok());
    asked.insert(id);
  }
  ExpectNothingMore(0);
  leased_.Reset();
  ASSERT_NO_FATAL_FAILURE(ReceiveAll(0, asked));
  ExpectNothingMore(0);
}

// With fewer threads than channels.
TEST_F(ServiceSharingTest, ChannelThatIsAlwaysBusyDoesntStarveTheOthers) {
  StartService({.channels = 3, .threads = 1});
  Ask(Initialize());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> served{0};
  std::thread busy([&] {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    std::set<uint64_t> asked;
    uint64_t id = 0;
    while (!done && absl::Now() < end) {
      while (asked.size() < 40) {
        asked.insert(++id);
        ASSERT_TRUE(worker_[0].SendMessage(Batch(id)).ok());
      }
      ASSERT_NO_FATAL_FAILURE(ReceiveOne(0, asked));
      ++served;
    }
    done = true;
    ReceiveAll(0, asked);
  });
  while (served < 200) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Ask(GetAttributesOf(kRoot), 1).reply.error(), 0u);
    EXPECT_EQ(Ask(GetAttributesOf(kRoot), 2).reply.error(), 0u);
    EXPECT_FALSE(done) << "not before the other was quiet";
  }
  done = true;
  busy.join();
}

struct Crowd {
  size_t channels;
  size_t threads;
  int poll_us;
};

// Claims under contention, for each relation of threads to channels.
TEST_F(ServiceSharingTest, EachRequestIsAnsweredOnceWhateverTheThreadsDo) {
  for (const Crowd& crowd : {Crowd{6, 1, 0}, Crowd{6, 3, 50}, Crowd{4, 4, 0}, Crowd{4, 4, 100},
                             Crowd{2, 6, 0}, Crowd{2, 6, 50}}) {
    SCOPED_TRACE(testing::Message() << crowd.channels << " channels, " << crowd.threads
                                    << " threads, polling " << crowd.poll_us << " us");
    StartService({.channels = crowd.channels,
                  .threads = crowd.threads,
                  .poll_budget = std::chrono::microseconds(crowd.poll_us)});
    Ask(Initialize());
    std::vector<std::thread> workers;
    for (size_t channel = 0; channel < crowd.channels; ++channel) {
      workers.emplace_back([this, channel] {
        uint64_t id = 0;
        std::set<uint64_t> asked;
        for (int round = 0; round < kRounds; ++round) {
          const int messages = 1 + (round + static_cast<int>(channel)) % 4;
          for (int i = 0; i < messages; ++i) {
            const int count = 1 + (round * 7 + i) % 9;
            ASSERT_TRUE(worker_[channel].SendMessage(Batch(id + 1, count)).ok());
            for (int j = 0; j < count; ++j) asked.insert(++id);
          }
          // Now and then long enough that the channel is given back.
          if (round % 50 == 49) absl::SleepFor(absl::Milliseconds(3));
          if (round % 3 != 0) continue;
          ASSERT_NO_FATAL_FAILURE(ReceiveAll(channel, asked));
        }
        ASSERT_NO_FATAL_FAILURE(ReceiveAll(channel, asked));
      });
    }
    for (std::thread& worker : workers) worker.join();
    if (HasFailure()) return;
  }
  EXPECT_EQ(failures_, 0);
}

// Slow ones among them, so that channels change hands while they are in use.
TEST_F(ServiceSharingTest, ChannelsChangeHandsUnderLoad) {
  StartService({.channels = 3, .threads = 3, .poll_budget = std::chrono::microseconds(50)});
  ASSERT_NO_FATAL_FAILURE(SetUpSlowRequest());
  if (IsSkipped()) return;
  std::vector<std::thread> workers;
  std::atomic<int> running{2};
  for (const size_t channel : {size_t{1}, size_t{2}}) {
    workers.emplace_back([this, channel, &running] {
      std::set<uint64_t> asked;
      for (uint64_t id = 1; id <= static_cast<uint64_t>(kRounds) * 5; ++id) {
        EXPECT_TRUE(worker_[channel].SendMessage(Batch(id)).ok());
        asked.insert(id);
        if (id % 4 == 0) ReceiveAll(channel, asked);
        if (HasFatalFailure()) break;
      }
      ReceiveAll(channel, asked);
      --running;
    });
  }
  std::set<uint64_t> asked;
  for (uint64_t id = 1; running > 0 || id < 10; ++id) {
    SendSlow(0, 2 * id);
    EXPECT_TRUE(worker_[0].SendMessage(Batch(2 * id + 1)).ok());
    asked.insert({2 * id, 2 * id + 1});
    ReceiveOne(0, asked);  // The one that isn't slow.
    fcntl(leased_.get(), F_SETLEASE, F_UNLCK);
    ReceiveAll(0, asked);
    Ask(Initialize());  // Closes what was opened for writing, or there would be no lease.
    slow_.mutable_open()->set_node_id(Lookup("file"));
    ASSERT_TRUE(BudgetBecomes(1));
    if (fcntl(leased_.get(), F_SETLEASE, F_RDLCK) < 0) break;
  }
  for (std::thread& worker : workers) worker.join();
  ExpectNothingMore(0);
}

}  // namespace
}  // namespace postern
