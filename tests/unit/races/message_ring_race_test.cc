// Reader and writer of an RPC channel, each on a thread of its own.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "common/rpc/rpc_channel.h"

namespace postern {
namespace {

constexpr std::chrono::seconds kDuration{2};
// Nobody's wake-up takes so long.
constexpr int kLostMilliseconds = 3'000;

// What a scheduler does at times: the thread goes on a while later.
void HoldUp(int) {
  const timespec time{.tv_sec = 0, .tv_nsec = 300'000};
  nanosleep(&time, nullptr);
}

// Holds a thread up again and again, wherever it is.
class Interrupter {
 public:
  explicit Interrupter(pthread_t target) {
    struct sigaction action {};
    action.sa_handler = HoldUp;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    thread_ = std::thread([this, target] {
      for (unsigned i = 0; !end_; ++i) {
        pthread_kill(target, SIGUSR1);
        std::this_thread::sleep_for(std::chrono::microseconds(320 + i % 61));
      }
    });
  }
  ~Interrupter() {
    end_ = true;
    thread_.join();
  }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;

 private:
  std::atomic<bool> end_ = false;
  std::thread thread_;
};

class RpcChannelRaceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = RpcChannel::CreatePair();
    ASSERT_TRUE(pair.ok());
    reader_.emplace(*RpcChannel::Open(std::move(pair->first), RpcChannel::End::kWorker));
    writer_.emplace(*RpcChannel::Open(std::move(pair->second), RpcChannel::End::kBroker));
  }

  // Sends the next number, by the ring or with a descriptor by the socket.
  void SendNext(bool by_socket) {
    const int descriptor = 0;
    const uint64_t number = next_sent_;
    ASSERT_TRUE(
        writer_
            ->Send(std::as_bytes(std::span(&number, 1)), std::span(&descriptor, by_socket ? 1 : 0))
            .ok());
    ++next_sent_;
  }
  // Takes what there is, and checks the order; whether there was something.
  bool TakeAll() {
    bool taken = false;
    while (true) {
      const auto received = reader_->Receive(1);
      if (received.errno_value() == EAGAIN) return taken;
      EXPECT_TRUE(received.ok());
      if (!received.ok()) return taken;
      uint64_t number = 0;
      EXPECT_EQ(received->bytes.size(), sizeof(number));
      std::memcpy(&number, received->bytes.data(), sizeof(number));
      if (number != taken_) ++out_of_order_;
      ++taken_;
      taken = true;
    }
  }
  bool TimeIsOver() const { return std::chrono::steady_clock::now() - start_ > kDuration; }

  std::optional<RpcChannel> reader_;
  std::optional<RpcChannel> writer_;
  std::atomic<uint64_t> next_sent_ = 0;
  std::atomic<uint64_t> taken_ = 0;
  uint64_t out_of_order_ = 0;  // The reader's.
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

TEST_F(RpcChannelRaceTest, MessagesOfBothWaysArriveInOrder) {
  std::atomic<bool> end = false;
  std::thread writer([&] {
    while (!TimeIsOver()) {
      // Both at the moment at which the reader finds nothing in the ring.
      while (taken_ != next_sent_) std::this_thread::yield();
      SendNext(/*by_socket=*/false);
      SendNext(/*by_socket=*/true);
    }
    end = true;
  });
  {
    const Interrupter interrupter(pthread_self());
    while (!end || taken_ != next_sent_) TakeAll();
  }
  writer.join();
  EXPECT_EQ(out_of_order_, 0u) << "of " << taken_;
}

// The reader goes to sleep while the writer is about to wake it.
TEST_F(RpcChannelRaceTest, ReaderThatFallsAsleepIsWoken) {
  std::atomic<bool> end = false;
  std::thread writer([&] {
    while (!TimeIsOver()) {
      const uint64_t sent = next_sent_;
      SendNext(/*by_socket=*/false);
      // Some while the last one is being taken, and some after.
      for (uint64_t i = sent % 97; i > 0 && taken_ <= sent; --i) std::this_thread::yield();
      while (taken_ + 1 < next_sent_) std::this_thread::yield();
    }
    end = true;
    SendNext(/*by_socket=*/false);
  });
  std::optional<Interrupter> interrupter;
  interrupter.emplace(writer.native_handle());
  bool lost = false;
  while (!end && !lost) {
    const auto received = reader_->Receive(0);
    if (received.ok()) {
      ++taken_;
      continue;
    }
    if (!reader_->PrepareToSleep()) {
      reader_->Awake();
      continue;
    }
    pollfd doorbell{reader_->doorbell().fd(), POLLIN, 0};
    lost = poll(&doorbell, 1, kLostMilliseconds) == 0 && taken_ != next_sent_;
    (void)reader_->doorbell().Drain();
    reader_->Awake();
  }
  interrupter.reset();
  EXPECT_FALSE(lost) << "after " << taken_ << " messages";
  end = true;
  while (TakeAll()) {
  }
  writer.join();
}

}  // namespace
}  // namespace postern
