// The memory that worker and broker share, and what they wake each other with: the worker writes
// what it likes, where and when it likes.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <ctime>
#include <functional>
#include <limits>
#include <ostream>
#include <random>
#include <thread>

#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kDataBytes = MessageRingMemory::kDataBytes;
constexpr size_t kMaxBytes = MessageRingWriter::kMaxBytes;
constexpr uint64_t kHeader = sizeof(uint64_t);
constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
constexpr char kUnreceived[] = "a message that can't be received";

// The attacks are on channel 1, and channel 0 stays honest.
class RingTest : public HostileWorkerTest {
 protected:
  RingWorker& ring() { return broker().channel(1); }
  static std::span<const std::byte> Bytes(const std::string& text) {
    return std::as_bytes(std::span(text));
  }
  static std::string Question() { return requests::BatchOf(requests::GetAttributes(kRoot)); }

  // A message as it lies in the ring, with any size in its header.
  void Forge(uint64_t position, uint64_t size, const std::string& bytes) {
    const std::string header(reinterpret_cast<const char*>(&size), sizeof(size));
    const std::string all = header + bytes;
    for (size_t i = 0; i < all.size(); ++i) {
      ring().to_broker().data[(position + i) % kDataBytes] = static_cast<std::byte>(all[i]);
    }
  }
  // Forge(), and says that it is there.
  void Publish(uint64_t position, uint64_t size, const std::string& bytes) {
    Forge(position, size, bytes);
    ring().to_broker().written = position + kHeader + (bytes.size() + 7) / 8 * 8;
    ring().Ring();
  }
  // Takes replies as an honest worker, but not their doorbell.
  bool Answered(size_t count) {
    size_t answers = 0;
    return Eventually([&] {
      rpc::ReplyBatch replies;
      while (ring().ReceiveMessage(replies, 0, Channel::Wait::kDontBlock).ok()) {
        answers += static_cast<size_t>(replies.replies_size());
      }
      return answers >= count;
    });
  }

  // It has no work, and uses no processor.
  void ExpectIdle() {
    clockid_t clock;
    ASSERT_EQ(clock_getcpuclockid(broker().pid(), &clock), 0);
    const auto used = [clock] {
      timespec time{};
      clock_gettime(clock, &time);
      return milliseconds(time.tv_sec * 1000 + time.tv_nsec / 1'000'000);
    };
    // What there was to do is done by then.
    EXPECT_TRUE(Eventually([&] {
      const milliseconds before = used();
      std::this_thread::sleep_for(milliseconds(100));
      return used() - before <= milliseconds(5);
    })) << "it spins";
  }
  // The session has ended in order, or the other channel is served and nobody spins. True: it goes
  // on.
  bool EndsOrGoesOn() {
    if (Ask(requests::GetAttributes(kRoot), 0).error() == 0) {
      // An end may be under way meanwhile.
      ExpectIdle();
      if (Ask(requests::GetAttributes(kRoot), 0).error() == 0) return true;
    }
    ExpectSessionEnds("");
    return false;
  }
};

// Each field of the memory, of either direction.
struct Field {
  const char* name;
  std::function<void(RingWorker&, uint64_t)> write;
};
void PrintTo(const Field& field, std::ostream* out) { *out << field.name; }
#define POSTERN_FIELD(direction, field)                                                    \
  Field {                                                                                  \
#direction "_" #field, [](RingWorker& worker, uint64_t value) {                          \
      worker.direction().field = static_cast<decltype(worker.direction().field.load())>(value); \
    } \
  }
const Field kFields[] = {
    POSTERN_FIELD(to_broker, written),
    POSTERN_FIELD(to_broker, read),
    POSTERN_FIELD(to_broker, waiting),
    POSTERN_FIELD(to_broker, writer_processor),
    POSTERN_FIELD(to_broker, woken_at),
    POSTERN_FIELD(to_broker, socket_sent),
    POSTERN_FIELD(to_broker, socket_received),
    POSTERN_FIELD(to_worker, written),
    POSTERN_FIELD(to_worker, read),
    POSTERN_FIELD(to_worker, waiting),
    POSTERN_FIELD(to_worker, socket_sent),
    POSTERN_FIELD(to_worker, socket_received),
};
const uint64_t kGarbage[] = {
    1, 7, 8, kDataBytes, kDataBytes + 8, uint64_t{1} << 32, uint64_t{1} << 63, kAll - 7, kAll};

class RingFieldTest : public RingTest, public testing::WithParamInterface<Field> {};
INSTANTIATE_TEST_SUITE_P(, RingFieldTest, testing::ValuesIn(kFields),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_P(RingFieldTest, HoldsGarbageBeforeAnyMessage) {
  for (const uint64_t value : kGarbage) {
    SCOPED_TRACE(value);
    ASSERT_NO_FATAL_FAILURE(StartBroker({}, /*initialize=*/false));
    ASSERT_EQ(Ask(requests::Initialize(), 0).error(), 0);
    GetParam().write(ring(), value);
    ring().Ring();
    std::this_thread::sleep_for(milliseconds(2));
    (void)EndsOrGoesOn();
    if (HasFatalFailure()) return;
  }
}

TEST_P(RingFieldTest, HoldsGarbageBetweenMessages) {
  for (const uint64_t value : kGarbage) {
    SCOPED_TRACE(value);
    ASSERT_NO_FATAL_FAILURE(StartBroker());
    for (int i = 0; i < 20; ++i) (void)broker().SendRaw(Question());
    GetParam().write(ring(), value);
    for (int i = 0; i < 20; ++i) (void)broker().SendRaw(Question());
    ring().Ring();
    (void)EndsOrGoesOn();
    if (HasFatalFailure()) return;
  }
}

TEST_P(RingFieldTest, ChangesAllTheTimeDuringTraffic) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_NO_FATAL_FAILURE(StartBroker());
    std::atomic<bool> done{false};
    std::thread writer([&] {
      std::mt19937_64 random(static_cast<uint64_t>(round));
      while (!done) GetParam().write(ring(), random() >> (random() % 64));
    });
    // No more than there is room for answers that nobody can read.
    for (int i = 0; i < 150 && broker().IsAlive(); ++i) {
      (void)broker().SendRaw(Question());
      ring().Ring();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    done = true;
    writer.join();
    (void)EndsOrGoesOn();
    if (HasFatalFailure()) return;
  }
}

// Sizes in a header at every bound, and what lies behind it.
struct BadSize {
  uint64_t size;
  size_t behind;
};
class RingSizeTest : public RingTest, public testing::WithParamInterface<BadSize> {};
INSTANTIATE_TEST_SUITE_P(
    , RingSizeTest,
    testing::Values(BadSize{0, 0}, BadSize{0, 64}, BadSize{1, 0}, BadSize{9, 8}, BadSize{65, 64},
                    BadSize{kMaxBytes, 64}, BadSize{kMaxBytes, kMaxBytes},
                    BadSize{kMaxBytes + 1, kDataBytes - kHeader},
                    BadSize{kDataBytes - kHeader, kDataBytes - kHeader},
                    BadSize{uint64_t{1} << 31, 64}, BadSize{uint64_t{1} << 32, 64},
                    BadSize{(uint64_t{1} << 32) + 8, 64}, BadSize{uint64_t{1} << 63, 64},
                    BadSize{kAll - 15, 64}, BadSize{kAll - 7, 64}, BadSize{kAll, 64}),
    [](const auto& row) {
      return std::to_string(row.param.size) + "Before" + std::to_string(row.param.behind);
    });

TEST_P(RingSizeTest, EndsTheSession) {
  // Zeros are no protobuf, so that even what is a message is none.
  ASSERT_NO_FATAL_FAILURE(StartBroker({}, /*initialize=*/false));
  Publish(0, GetParam().size, std::string(GetParam().behind, '\0'));
  ExpectSessionEnds(kUnreceived);
}

TEST_F(RingTest, LargestMessageOfTheRingIsServed) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  // An unknown field fills it up.
  std::string message = Question() + "\xa2\x1f";
  const size_t rest = kMaxBytes - message.size() - 3;
  for (const size_t septet : {rest & 0x7f, rest >> 7 & 0x7f}) {
    message.push_back(static_cast<char>(septet | 0x80));
  }
  message.push_back(static_cast<char>(rest >> 14));
  message += std::string(rest, 'x');
  ASSERT_EQ(message.size(), kMaxBytes);
  ASSERT_TRUE(ring().Write(Bytes(message)));
  EXPECT_TRUE(Answered(1));
}

TEST_F(RingTest, WordThatIsNeverAWholeHeaderEndsTheSession) {
  for (uint64_t written = 1; written < kHeader; ++written) {
    ASSERT_NO_FATAL_FAILURE(StartBroker({}, /*initialize=*/false));
    ring().to_broker().written = written;
    ring().Ring();
    ASSERT_NO_FATAL_FAILURE(ExpectSessionEnds(kUnreceived));
  }
}

TEST_F(RingTest, RandomContentIsNeverServed) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(StartBroker({}, /*initialize=*/false));
    ASSERT_EQ(Ask(requests::Initialize(), 0).error(), 0);
    auto* const bytes = reinterpret_cast<char*>(&ring().to_broker());
    for (size_t i = 0; i < sizeof(MessageRingMemory); i += sizeof(uint64_t)) {
      const uint64_t word = random() >> (random() % 64);
      std::memcpy(bytes + i, &word, sizeof(word));
    }
    ring().Ring();
    (void)EndsOrGoesOn();
  }
}

// Two messages in one place: what is checked must be what is run. Nothing outside is touched.
TEST_F(RingTest, MessageThatChangesWhileItIsReadIsOneOrTheOtherOrNone) {
  int ended = 0;
  for (int round = 0; round < 10; ++round) {
    ASSERT_NO_FATAL_FAILURE(StartBroker());
    const std::string good = requests::BatchOf(requests::Lookup(kRoot, "directory/././file"));
    std::string bad = requests::BatchOf(requests::Lookup(kRoot, "../outside/victim!"));
    ASSERT_EQ(good.size(), bad.size());
    std::atomic<bool> done{false};
    std::atomic<uint64_t> position{0};
    std::thread flipper([&] {
      for (bool which = false; !done; which = !which) {
        const uint64_t at = position;
        Forge(at, which ? good.size() : kAll, which ? good : bad);
        Forge(at, which ? bad.size() : 1, which ? bad : good);
        Forge(at, good.size(), good);
      }
    });
    const uint64_t step = kHeader + (good.size() + 7) / 8 * 8;
    // After what StartBroker() has sent.
    position = ring().to_broker().written.load();
    for (int i = 0; i < 3000 && broker().IsAlive(); ++i) {
      ring().to_broker().written = position + step;
      ring().Ring();
      ring().to_worker().read = ring().to_worker().written.load();
      const auto deadline = Clock::now() + milliseconds(100);
      while (ring().to_broker().read != position + step && Clock::now() < deadline) {
        std::this_thread::yield();
      }
      if (ring().to_broker().read != position + step) break;
      position = position + step;
    }
    done = true;
    flipper.join();
    if (!EndsOrGoesOn()) ++ended;
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(ended, 0) << "it was never changed at the right moment";
}

TEST_F(RingTest, DoorbellAtItsMaximumChangesNothingForTheOthers) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ring().Ring(kAll - 1 - 1'000'000);
  ring().Ring(1'000'000);
  ExpectIdle();
  for (int i = 0; i < 100; ++i) (void)broker().SendRaw(Question());
  EXPECT_TRUE(EndsOrGoesOn());
}

TEST_F(RingTest, DoorbellFloodLeavesTheOthersServedAndEndsInQuiet) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  std::atomic<bool> done{false};
  std::thread flood([&] {
    while (!done) ring().Ring();
  });
  for (int i = 0; i < 500; ++i) EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  done = true;
  flood.join();
  ExpectIdle();
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 1).error(), 0);
}

TEST_F(RingTest, MessageThatIsNotRungForWaitsAndIsNotLost) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ExpectIdle();
  MessageRingMemory& memory = ring().to_broker();
  memory.waiting = 0;  // It sleeps, so it isn't.
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ring().Write(Bytes(Question())));
  ExpectIdle();
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  ring().Ring();
  EXPECT_TRUE(Answered(10));
}

TEST_F(RingTest, WaitingWordsThatLieCostNothingButTime) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  std::atomic<bool> done{false};
  std::thread liar([&] {
    for (uint32_t word = 0; !done; ++word) {
      ring().to_broker().waiting = word % 5;
      ring().to_worker().waiting = word % 3;
    }
  });
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(ring().Write(Bytes(Question())));
    ring().Ring();
    ASSERT_TRUE(Answered(1));
  }
  done = true;
  liar.join();
  ring().Ring();
  EXPECT_TRUE(EndsOrGoesOn());
}

TEST_F(RingTest, AnnouncedSocketMessageThatIsntThereEndsTheSession) {
  for (const uint64_t sent : {uint64_t{1}, uint64_t{1000}, kAll >> 1}) {
    ASSERT_NO_FATAL_FAILURE(StartBroker({}, /*initialize=*/false));
    ring().to_broker().socket_sent = sent;
    ring().Ring();
    ASSERT_NO_FATAL_FAILURE(ExpectSessionEnds(kUnreceived));
  }
}

TEST_F(RingTest, SocketMessagesThatAreNotAnnouncedAreNotLookedAt) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const std::string message = requests::BatchOf(requests::MakeDirectory("made"));
  while (send(ring().fd(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  ring().Ring();
  ExpectIdle();
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot)).error(), 0);
  EXPECT_EQ(Ask(requests::Lookup(kRoot, "made")).error(), ENOENT);
}

// The broker writes on in circles, over what nobody has read.
TEST_F(RingTest, RepliesThatAreReadInPretenceOnlyCostNothing) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const size_t memory = broker().ResidentKib();
  // One request, so one message of replies: what is told to be read is all that there is.
  const std::string message = Question();
  for (int i = 0; i < 2000; ++i) {
    const uint64_t before = ring().to_worker().written;
    ASSERT_EQ(broker().SendRaw(message), 0);
    ASSERT_TRUE(Eventually([&] { return ring().to_worker().written != before; }));
    ring().to_worker().read = ring().to_worker().written.load();
  }
  EXPECT_TRUE(EndsOrGoesOn());
#ifndef POSTERN_SANITIZED
  EXPECT_LE(broker().ResidentKib(), memory + 16 * 1024);
#else
  (void)memory;
#endif
}

// Ring and socket full: the broker's patience is that of the socket.
TEST_F(RingTest, RepliesThatAreNotReadEndTheSessionWhateverTheRingSays) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  std::vector<rpc::Request> batch(64, requests::WithId(requests::GetAttributes(kRoot), 1));
  const std::string message = requests::BatchOf(batch);
  ring().to_worker().socket_received = kAll;  // So that nothing goes through the ring.
  while (broker().IsAlive()) {
    if (broker().SendRaw(message) != 0) std::this_thread::sleep_for(milliseconds(5));
  }
  ExpectSessionEnds("replies aren't read");
}

TEST_F(RingTest, WorkerThatUnmapsEverythingInMidTrafficLeavesTheOthersServed) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  for (int i = 0; i < 50; ++i) ASSERT_EQ(broker().SendRaw(Question()), 0);
  ring().Leave();
  EXPECT_TRUE(EndsOrGoesOn());
}

// Pages that vanish come back as zeros; the memory can't be cut.
TEST_F(RingTest, HolesInTheMemoryHarmNobody) {
  for (int round = 0; round < 10; ++round) {
    ASSERT_NO_FATAL_FAILURE(StartBroker());
    std::atomic<bool> done{false};
    std::thread puncher([&] {
      while (!done) {
        for (MessageRingMemory* memory : {&ring().to_broker(), &ring().to_worker()}) {
          ASSERT_EQ(madvise(static_cast<void*>(memory), sizeof(*memory), MADV_REMOVE), 0);
        }
      }
    });
    for (int i = 0; i < 200 && broker().IsAlive(); ++i) {
      (void)broker().SendRaw(Question());
      ring().Ring();
    }
    done = true;
    puncher.join();
    (void)EndsOrGoesOn();
    if (HasFatalFailure()) return;
  }
}

// With fewer threads than channels, as many, and more.
class BusyRingTest : public RingTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, BusyRingTest, testing::Values("1", "2", "5", "16"),
                         [](const auto& row) { return std::string(row.param) + "Threads"; });

TEST_P(BusyRingTest, ChannelThatIsAlwaysFullLeavesTheOthersServed) {
  ASSERT_NO_FATAL_FAILURE(
      StartBroker({"--request-queues=4", std::string("--thread-pool-size=") + GetParam()}));
  ASSERT_EQ(broker().channels(), 5u);
  std::atomic<bool> done{false};
  std::atomic<bool> full{false};
  std::thread flood([&] {
    rpc::ReplyBatch replies;
    while (!done) {
      if (ring().Write(Bytes(Question()))) continue;
      full = true;
      while (ring().ReceiveMessage(replies, 0, Channel::Wait::kDontBlock).ok()) {
      }
    }
    // What is left, as the session would end for what nobody reads.
    EXPECT_TRUE(Eventually([&] {
      while (ring().ReceiveMessage(replies, 0, Channel::Wait::kDontBlock).ok()) {
      }
      return ring().to_broker().read == ring().to_broker().written;
    }));
  });
  EXPECT_TRUE(Eventually([&] { return full.load(); }));
  for (int i = 0; i < 100; ++i) {
    for (const size_t channel : {size_t{0}, size_t{2}, size_t{3}, size_t{4}}) {
      ASSERT_EQ(Ask(requests::GetAttributes(kRoot), channel).error(), 0) << channel;
    }
  }
  done = true;
  flood.join();
  EXPECT_TRUE(EndsOrGoesOn());
}

}  // namespace
}  // namespace postern
