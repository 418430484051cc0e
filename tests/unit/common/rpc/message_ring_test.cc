#include "common/rpc/message_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace postern {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kDataBytes = MessageRingMemory::kDataBytes;
constexpr size_t kMaxBytes = MessageRingWriter::kMaxBytes;
constexpr uint64_t kHeader = sizeof(uint64_t);

// Between two pages' worth of bytes that nobody may write to.
struct Guarded {
  std::byte before[4096];
  MessageRingMemory memory;
  std::byte after[4096];
};

class MessageRingTest : public testing::Test {
 protected:
  MessageRingTest() {
    std::memset(guarded_->before, 0x5a, sizeof(guarded_->before));
    std::memset(guarded_->after, 0x5a, sizeof(guarded_->after));
  }
  ~MessageRingTest() override {
    for (const auto* guard : {&guarded_->before, &guarded_->after}) {
      for (const std::byte byte : *guard) EXPECT_EQ(byte, std::byte{0x5a});
    }
  }

  MessageRingMemory& memory() { return guarded_->memory; }
  static std::vector<std::byte> Message(size_t size, unsigned number = 0) {
    std::vector<std::byte> message(size);
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<std::byte>(number + i);
    return message;
  }
  bool Write(const std::vector<std::byte>& message) { return writer_.Write(message); }
  // What Read() gives; -errno instead of a size.
  int64_t Read() {
    const ErrnoOr<size_t> size = reader_.Read(to_);
    return size.ok() ? static_cast<int64_t>(*size) : -size.errno_value();
  }
  void ExpectRead(const std::vector<std::byte>& message) {
    ASSERT_EQ(Read(), static_cast<int64_t>(message.size()));
    EXPECT_EQ(std::memcmp(to_.data(), message.data(), message.size()), 0);
  }
  // As a writer that lies: a header at `position`, and `available` bytes.
  void Forge(uint64_t position, uint64_t size, uint64_t available) {
    std::memcpy(memory().data + position % kDataBytes, &size, sizeof(size));
    memory().written = position + available;
  }

  std::unique_ptr<Guarded> guarded_ = std::make_unique<Guarded>();
  MessageRingWriter writer_{&memory()};
  MessageRingReader reader_{&memory()};
  std::vector<std::byte> to_ = std::vector<std::byte>(kMaxBytes);
};

TEST_F(MessageRingTest, EmptyRingHasNothing) {
  EXPECT_EQ(Read(), 0);
  EXPECT_FALSE(reader_.SocketIsNext());
}

TEST_F(MessageRingTest, MessagesKeepTheirOrder) {
  for (unsigned i = 1; i <= 100; ++i) ASSERT_TRUE(Write(Message(i, i)));
  for (unsigned i = 1; i <= 100; ++i) ExpectRead(Message(i, i));
  EXPECT_EQ(Read(), 0);
}

TEST_F(MessageRingTest, WrapsAroundAtEveryOffset) {
  // Each of 24 bytes with its header, which divides no power of two: it begins at each multiple of
  // eight in turn, and is cut in its header and in each of its words.
  for (size_t i = 0; i < 2 * kDataBytes / kHeader; ++i) {
    const auto message = Message(9 + i % 8, static_cast<unsigned>(i));
    ASSERT_TRUE(Write(message)) << i;
    ASSERT_NO_FATAL_FAILURE(ExpectRead(message)) << i;
  }
}

TEST_F(MessageRingTest, LargestMessageAndNoneLarger) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(Write(Message(kMaxBytes + 1)));
    ASSERT_TRUE(Write(Message(kMaxBytes, 7)));
    ASSERT_NO_FATAL_FAILURE(ExpectRead(Message(kMaxBytes, 7)));
  }
  EXPECT_EQ(Read(), 0);
}

TEST_F(MessageRingTest, FullRingTakesNothingUntilItIsRead) {
  for (size_t i = 0; i < kDataBytes / (kHeader + 56); ++i) ASSERT_TRUE(Write(Message(56)));
  EXPECT_FALSE(Write(Message(1)));
  EXPECT_EQ(Read(), 56);
  EXPECT_FALSE(Write(Message(57)));
  EXPECT_TRUE(Write(Message(56)));
  EXPECT_FALSE(Write(Message(1)));
}

TEST_F(MessageRingTest, NothingIsWrittenBehindAMessageOfTheSocket) {
  ASSERT_TRUE(Write(Message(8)));
  writer_.CountSocketMessage();
  EXPECT_FALSE(Write(Message(8)));
  EXPECT_TRUE(reader_.SocketIsNext());
  EXPECT_EQ(Read(), 8) << "it was sent before";
  EXPECT_EQ(Read(), 0);
  reader_.CountSocketMessage();
  EXPECT_FALSE(reader_.SocketIsNext());
  EXPECT_TRUE(Write(Message(8)));
}

TEST_F(MessageRingTest, SocketMessageMayBeReceivedBeforeItIsCounted) {
  reader_.CountSocketMessage();
  EXPECT_FALSE(reader_.SocketIsNext());
  EXPECT_TRUE(reader_.PrepareToSleep());
  writer_.CountSocketMessage();
  EXPECT_FALSE(reader_.SocketIsNext());
  EXPECT_TRUE(Write(Message(8)));
}

TEST_F(MessageRingTest, ReaderThatIsAwakeIsntWoken) { EXPECT_FALSE(writer_.WakesReader()); }

TEST_F(MessageRingTest, DoorbellIsRungOnceForASleeper) {
  ASSERT_TRUE(reader_.PrepareToSleep());
  EXPECT_TRUE(writer_.WakesReader());
  EXPECT_FALSE(writer_.WakesReader());
  ASSERT_TRUE(reader_.PrepareToSleep());
  reader_.Awake();
  EXPECT_FALSE(writer_.WakesReader());
}

TEST_F(MessageRingTest, NobodySleepsOverAMessage) {
  ASSERT_TRUE(Write(Message(8)));
  EXPECT_FALSE(reader_.PrepareToSleep());
  EXPECT_EQ(Read(), 8);
  writer_.CountSocketMessage();
  EXPECT_FALSE(reader_.PrepareToSleep());
}

TEST_F(MessageRingTest, SaysHowLongAgoItWokeTheReader) {
  ASSERT_TRUE(reader_.PrepareToSleep());
  const auto before = Clock::now();
  ASSERT_TRUE(writer_.WakesReader());
  std::this_thread::sleep_for(milliseconds(2));
  EXPECT_GE(reader_.SinceWoken(), milliseconds(2));
  const auto since = reader_.SinceWoken();
  EXPECT_LE(since, Clock::now() - before);
}

TEST_F(MessageRingTest, WhoHasntSleptWasntWoken) {
  EXPECT_EQ(reader_.SinceWoken(), milliseconds(0));
  ASSERT_TRUE(reader_.PrepareToSleep());
  ASSERT_TRUE(writer_.WakesReader());
  ASSERT_TRUE(Write(Message(8)));
  EXPECT_FALSE(reader_.PrepareToSleep());
  EXPECT_EQ(reader_.SinceWoken(), milliseconds(0)) << "that was the sleep before";
}

TEST_F(MessageRingTest, WakeThatLiesInTheFutureIsNone) {
  for (const uint64_t lie : {~uint64_t{0}, uint64_t{1} << 63, (uint64_t{1} << 63) - 1}) {
    memory().woken_at = lie;
    EXPECT_EQ(reader_.SinceWoken(), milliseconds(0));
  }
}

// What the writer's end holds, as a number; the reader has read two messages of 8 bytes.
struct WrittenByALiar {
  const char* name;
  uint64_t offset;  // From what has been read.
};
class LyingWriterTest : public MessageRingTest,
                        public testing::WithParamInterface<WrittenByALiar> {};
INSTANTIATE_TEST_SUITE_P(
    , LyingWriterTest,
    testing::Values(WrittenByALiar{"BackByOne", ~uint64_t{0}},
                    WrittenByALiar{"BackByAMessage", ~uint64_t{0} - 15},
                    WrittenByALiar{"BackByHalfOfAllNumbers", uint64_t{1} << 63},
                    WrittenByALiar{"OneByte", 1}, WrittenByALiar{"LessThanAHeader", kHeader - 1},
                    WrittenByALiar{"OneByteTooFar", kDataBytes + 1},
                    WrittenByALiar{"TwiceTheRing", 2 * kDataBytes},
                    WrittenByALiar{"FarAhead", uint64_t{1} << 40}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_P(LyingWriterTest, IsFoundOut) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Write(Message(8)));
    ASSERT_EQ(Read(), 8);
  }
  memory().written = 32 + GetParam().offset;
  EXPECT_EQ(Read(), -EBADMSG);
  EXPECT_EQ(Read(), -EBADMSG);
  EXPECT_EQ(memory().read, 32u);
}

// Sizes that no honest writer writes, with so many bytes behind the header.
class LyingSizeTest : public MessageRingTest,
                      public testing::WithParamInterface<std::pair<uint64_t, uint64_t>> {};
INSTANTIATE_TEST_SUITE_P(
    , LyingSizeTest,
    testing::Values(std::pair{0, 0}, std::pair{0, 64}, std::pair{1, 0}, std::pair{1, 7},
                    std::pair{8, 7}, std::pair{9, 15}, std::pair{65, 64},
                    std::pair{kMaxBytes + 1, kDataBytes - kHeader},
                    std::pair{kMaxBytes, kMaxBytes - 1},
                    std::pair{kDataBytes, kDataBytes - kHeader},
                    std::pair{uint64_t{1} << 32, kDataBytes - kHeader},
                    std::pair{uint64_t{1} << 63, kDataBytes - kHeader},
                    std::pair{std::numeric_limits<uint64_t>::max() - 8, kDataBytes - kHeader},
                    std::pair{std::numeric_limits<uint64_t>::max(), kDataBytes - kHeader}));

TEST_P(LyingSizeTest, IsFoundOutWhereverTheHeaderLies) {
  const auto [size, behind] = GetParam();
  Forge(0, size, kHeader + behind);
  EXPECT_EQ(Read(), -EBADMSG);
  // And with a header that is the last of the ring.
  constexpr uint64_t kLast = kDataBytes - kHeader;
  MessageRingReader late(&memory());
  Forge(0, 16, 24);
  ASSERT_TRUE(late.Read(to_).ok());
  for (uint64_t position = 24; position < kLast; position += 16) {
    Forge(position, 8, 16);
    ASSERT_TRUE(late.Read(to_).ok());
  }
  Forge(kLast, size, kHeader + behind);
  EXPECT_EQ(late.Read(to_).errno_value(), EBADMSG);
}

TEST_F(MessageRingTest, ReaderTakesNoMoreThanItHasRoomFor) {
  ASSERT_TRUE(Write(Message(100)));
  EXPECT_EQ(reader_.Read(std::span(to_).first(99)).errno_value(), EBADMSG);
}

// What seems to be a message for ever would keep a thread from sleeping for ever.
TEST_F(MessageRingTest, WriterThatOverwritesTheReadersCountsDoesntKeepItAwake) {
  ASSERT_TRUE(Write(Message(8)));
  ASSERT_EQ(Read(), 8);
  memory().read = 12345;
  memory().socket_received = 12345;
  EXPECT_TRUE(reader_.PrepareToSleep());
  EXPECT_EQ(Read(), 0);
  memory().socket_sent = ~uint64_t{0};  // Fewer than have been received.
  EXPECT_FALSE(reader_.SocketIsNext());
  EXPECT_TRUE(reader_.PrepareToSleep());
}

TEST_F(MessageRingTest, AnyWaitingWordButNoneAsksForTheDoorbellOnce) {
  for (const uint32_t word : {1u, 2u, 3u, 0x80000000u, ~0u}) {
    memory().waiting = word;
    EXPECT_TRUE(writer_.WakesReader());
    EXPECT_EQ(memory().waiting, 0u);
  }
}

// A race by intent, which is none between two processes.
#ifndef __SANITIZE_THREAD__
TEST_F(MessageRingTest, MessageThatChangesWhileItIsReadIsWithinItsBounds) {
  std::atomic<bool> done{false};
  std::thread writer([this, &done] {
    std::mt19937_64 random(1);
    auto* const header = reinterpret_cast<uint64_t*>(memory().data);
    while (!done) {
      std::atomic_ref<uint64_t>(*header).store(random() >> (random() % 64));
      memory().written = random() % 3 == 0 ? random() : random() % kDataBytes;
    }
  });
  std::vector<std::byte> small(100);
  for (int i = 0; i < 300'000; ++i) {
    MessageRingReader reader(&memory());
    const ErrnoOr<size_t> size = reader.Read(i % 2 == 0 ? std::span(small) : std::span(to_));
    if (!size.ok()) {
      ASSERT_EQ(size.errno_value(), EBADMSG);
    } else {
      ASSERT_LE(*size, i % 2 == 0 ? small.size() : kMaxBytes);
    }
  }
  done = true;
  writer.join();
}
#endif

// What a reader may pretend to have read: the writer writes into the ring or not at all.
class LyingReaderTest : public MessageRingTest, public testing::WithParamInterface<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(, LyingReaderTest,
                         testing::Values(1, 17, kDataBytes, kDataBytes + 1, uint64_t{1} << 63,
                                         ~uint64_t{0}, ~uint64_t{0} - kDataBytes,
                                         ~uint64_t{0} - kDataBytes + 1));

TEST_P(LyingReaderTest, GetsNothingOrLosesItsOwnMessages) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Write(Message(100)));
  for (int i = 0; i < 5000; ++i) {
    memory().read = memory().written + GetParam() * static_cast<uint64_t>(i % 5);
    (void)Write(Message(static_cast<size_t>(i) * 13 % kMaxBytes));
  }
  // The destructor looks at what lies around the ring.
}

TEST_F(MessageRingTest, ReaderAheadOfTheWriterStopsTheRing) {
  memory().read = 8;
  EXPECT_FALSE(Write(Message(8)));
  memory().read = 0;
  EXPECT_TRUE(Write(Message(8)));
  memory().socket_received = 1;
  EXPECT_FALSE(Write(Message(8)));
}

TEST_F(MessageRingTest, ThreadsPassAMillionBytesInOrder) {
  constexpr unsigned kMessages = 20'000;
  std::thread writer([this] {
    for (unsigned i = 0; i < kMessages;) {
      if (Write(Message(1 + i % 997, i))) {
        ++i;
        (void)writer_.WakesReader();
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (unsigned i = 0; i < kMessages; ++i) {
    int64_t size = 0;
    while ((size = Read()) == 0) std::this_thread::yield();
    ASSERT_EQ(size, static_cast<int64_t>(1 + i % 997));
    const auto expected = Message(1 + i % 997, i);
    ASSERT_EQ(std::memcmp(to_.data(), expected.data(), expected.size()), 0);
  }
  writer.join();
}

}  // namespace
}  // namespace postern
