#include "common/rpc/rpc_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <thread>

#include "tests/unit/open_descriptors.h"

namespace postern {
namespace {

using std::chrono::milliseconds;
using Wait = Channel::Wait;

// Every test ends with the descriptors that it began with.
class RpcChannelTest : public testing::Test {
 protected:
  using Memory = std::array<MessageRingMemory, 2>;

  void SetUp() override {
    before_ = OpenDescriptors();
    auto pair = RpcChannel::CreatePair();
    ASSERT_TRUE(pair.ok());
    memory_ = static_cast<Memory*>(mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED,
                                        pair->first.memory.get(), 0));
    ASSERT_NE(static_cast<void*>(memory_), MAP_FAILED);
    worker_.emplace(*RpcChannel::Open(std::move(pair->first), RpcChannel::End::kWorker));
    broker_.emplace(*RpcChannel::Open(std::move(pair->second), RpcChannel::End::kBroker));
  }
  void TearDown() override {
    worker_.reset();
    broker_.reset();
    munmap(memory_, sizeof(Memory));
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  MessageRingMemory& to_broker() { return (*memory_)[0]; }

  static std::vector<std::byte> Message(uint32_t number, size_t size) {
    std::vector<std::byte> message(size, static_cast<std::byte>(number));
    std::memcpy(message.data(), &number, sizeof(number));
    return message;
  }
  static ErrnoOrVoid Send(RpcChannel& channel, uint32_t number, size_t size,
                          std::span<const int> descriptors = {}, Wait wait = Wait::kDontBlock) {
    return channel.Send(Message(number, size), descriptors, wait);
  }
  static void ExpectMessage(const ErrnoOr<ReceivedMessage>& received, uint32_t number,
                            size_t size) {
    ASSERT_TRUE(received.ok()) << received.error().Message();
    const auto expected = Message(number, size);
    ASSERT_EQ(received->bytes.size(), size);
    EXPECT_EQ(std::memcmp(received->bytes.data(), expected.data(), size), 0) << number;
  }
  static void ExpectNext(RpcChannel& channel, uint32_t number, size_t size,
                         size_t descriptors = 0) {
    const auto received = channel.Receive(kMaxMessageDescriptors);
    ASSERT_NO_FATAL_FAILURE(ExpectMessage(received, number, size));
    EXPECT_EQ(received->descriptors.size(), descriptors);
  }
  static int ReceiveErrno(RpcChannel& channel) {
    return channel.Receive(kMaxMessageDescriptors).errno_value();
  }
  static bool IsReadable(int fd) {
    pollfd watched{fd, POLLIN, 0};
    return poll(&watched, 1, 0) == 1;
  }

  std::set<std::string> before_;
  Memory* memory_ = nullptr;
  std::optional<RpcChannel> worker_;
  std::optional<RpcChannel> broker_;
};

constexpr size_t kLarge = MessageRingWriter::kMaxBytes + 1;

TEST_F(RpcChannelTest, PartsCloseOnExecAndTheMemoryKeepsItsSize) {
  auto pair = RpcChannel::CreatePair();
  ASSERT_TRUE(pair.ok());
  for (const RpcChannel::Parts* parts : {&pair->first, &pair->second}) {
    for (const UniqueFd* fd :
         {&parts->socket, &parts->memory, &parts->doorbell, &parts->peer_doorbell}) {
      EXPECT_EQ(fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
    }
    EXPECT_LT(ftruncate(parts->memory.get(), 0), 0);
    EXPECT_LT(ftruncate(parts->memory.get(), 1 << 30), 0);
    EXPECT_LT(fcntl(parts->memory.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  }
}

TEST_F(RpcChannelTest, SmallMessagesNeedNoSocket) {
  for (uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(Send(*worker_, i, 100).ok());
  EXPECT_FALSE(IsReadable(broker_->fd()));
  for (uint32_t i = 0; i < 100; ++i) ExpectNext(*broker_, i, 100);
  EXPECT_EQ(ReceiveErrno(*broker_), EAGAIN);
}

TEST_F(RpcChannelTest, DirectionsDontDisturbEachOther) {
  ASSERT_TRUE(Send(*worker_, 1, 10).ok());
  ASSERT_TRUE(Send(*broker_, 2, 20).ok());
  ExpectNext(*worker_, 2, 20);
  ExpectNext(*broker_, 1, 10);
  EXPECT_EQ(ReceiveErrno(*worker_), EAGAIN);
  EXPECT_EQ(ReceiveErrno(*broker_), EAGAIN);
}

TEST_F(RpcChannelTest, SizesAtEveryBound) {
  EXPECT_EQ(worker_->Send({}).errno_value(), EMSGSIZE);
  for (const size_t size :
       {size_t{4}, kLarge - 2, kLarge - 1, kLarge, kLarge + 1, kMaxMessageBytes}) {
    ASSERT_TRUE(Send(*worker_, 1, size).ok()) << size;
    ExpectNext(*broker_, 1, size);
  }
  EXPECT_EQ(Send(*worker_, 1, kMaxMessageBytes + 1).errno_value(), EMSGSIZE);
  EXPECT_EQ(ReceiveErrno(*broker_), EAGAIN);
}

TEST_F(RpcChannelTest, OrderIsKeptBetweenRingAndSocket) {
  const int descriptors[] = {STDIN_FILENO, STDIN_FILENO};
  ASSERT_TRUE(Send(*broker_, 1, 10).ok());
  ASSERT_TRUE(Send(*broker_, 2, 10, descriptors).ok());
  ASSERT_TRUE(Send(*broker_, 3, 10).ok());
  ASSERT_TRUE(Send(*broker_, 4, kLarge).ok());
  ASSERT_TRUE(Send(*broker_, 5, 10).ok());
  ExpectNext(*worker_, 1, 10);
  ExpectNext(*worker_, 2, 10, 2);
  ExpectNext(*worker_, 3, 10);
  ExpectNext(*worker_, 4, kLarge);
  ExpectNext(*worker_, 5, 10);
  ASSERT_TRUE(Send(*broker_, 6, 10).ok());
  EXPECT_FALSE(IsReadable(worker_->fd())) << "back in the ring";
  ExpectNext(*worker_, 6, 10);
}

TEST_F(RpcChannelTest, DescriptorsStayWithTheirMessage) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]), write_end(ends[1]);
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const int fd : {read_end.get(), null.get(), write_end.get()}) {
    ASSERT_TRUE(Send(*broker_, 1, 10).ok());
    ASSERT_TRUE(Send(*broker_, 2, 10, std::span(&fd, 1)).ok());
  }
  for (const int fd : {read_end.get(), null.get(), write_end.get()}) {
    ExpectNext(*worker_, 1, 10);
    const auto received = worker_->Receive(1);
    ASSERT_TRUE(received.ok());
    struct stat sent, got;
    ASSERT_EQ(fstat(fd, &sent), 0);
    ASSERT_EQ(fstat(received->descriptors.at(0).get(), &got), 0);
    EXPECT_EQ(sent.st_ino, got.st_ino);
    EXPECT_EQ(fcntl(received->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_F(RpcChannelTest, DescriptorThatIsntAllowedIsRefusedAndClosed) {
  const int descriptors[] = {STDIN_FILENO};
  ASSERT_TRUE(Send(*worker_, 1, 10, descriptors).ok());
  EXPECT_EQ(broker_->Receive(0).errno_value(), EBADMSG);
}

TEST_F(RpcChannelTest, FullRingGoesOnOverTheSocketAndFullSocketIsEagain) {
  uint32_t sent = 0;
  while (Send(*worker_, sent, 1000).ok()) ++sent;
  EXPECT_EQ(Send(*worker_, sent, 1000).errno_value(), EAGAIN);
  EXPECT_EQ(Send(*worker_, sent, 1000).errno_value(), EAGAIN);
  EXPECT_GT(sent, MessageRingMemory::kDataBytes / 1008);
  EXPECT_TRUE(IsReadable(broker_->fd()));
  for (uint32_t i = 0; i < sent; ++i) ASSERT_NO_FATAL_FAILURE(ExpectNext(*broker_, i, 1000));
  EXPECT_EQ(ReceiveErrno(*broker_), EAGAIN);
  ASSERT_TRUE(Send(*worker_, 7, 1000).ok());
  EXPECT_FALSE(IsReadable(broker_->fd()));
  ExpectNext(*broker_, 7, 1000);
}

TEST_F(RpcChannelTest, PeerThatIsGoneLeavesWhatItHasSent) {
  const int descriptors[] = {STDIN_FILENO};
  ASSERT_TRUE(Send(*broker_, 1, 10).ok());
  ASSERT_TRUE(Send(*broker_, 2, 10, descriptors).ok());
  broker_.reset();
  worker_->PeerHasHungUp();
  ExpectNext(*worker_, 1, 10);
  ExpectNext(*worker_, 2, 10, 1);
  worker_->PeerHasHungUp();
  EXPECT_EQ(ReceiveErrno(*worker_), ECONNRESET);
  EXPECT_EQ(Send(*worker_, 1, kLarge).errno_value(), EPIPE);
}

TEST_F(RpcChannelTest, PeerThatDiedBetweenSendingAndCountingLeavesIt) {
  const auto message = Message(1, 10);
  ASSERT_EQ(send(broker_->fd(), message.data(), message.size(), 0), 10);
  EXPECT_EQ(ReceiveErrno(*worker_), EAGAIN) << "it may yet write into the ring";
  broker_.reset();
  worker_->PeerHasHungUp();
  ExpectNext(*worker_, 1, 10);
}

TEST_F(RpcChannelTest, DescriptorsThatNobodyReceivedAreClosed) {
  const int descriptors[] = {STDIN_FILENO, STDIN_FILENO};
  ASSERT_TRUE(Send(*broker_, 1, 10, descriptors).ok());
  ASSERT_TRUE(Send(*worker_, 1, 10).ok());
  // TearDown() compares.
}

TEST_F(RpcChannelTest, AnnouncedMessageThatIsntThereIsEbadmsg) {
  to_broker().socket_sent = 1;
  EXPECT_EQ(ReceiveErrno(*broker_), EBADMSG);
}

TEST_F(RpcChannelTest, RingThatMakesNoSenseIsEbadmsg) {
  to_broker().written = 1;
  EXPECT_EQ(ReceiveErrno(*broker_), EBADMSG);
}

TEST_F(RpcChannelTest, DoorbellIsRungForASleeperOnly) {
  ASSERT_TRUE(Send(*worker_, 1, 10).ok());
  EXPECT_FALSE(IsReadable(broker_->doorbell().fd()));
  EXPECT_FALSE(broker_->PrepareToSleep());
  ExpectNext(*broker_, 1, 10);
  for (const size_t size : {size_t{10}, kLarge}) {
    ASSERT_TRUE(broker_->PrepareToSleep());
    ASSERT_TRUE(Send(*worker_, 2, size).ok());
    EXPECT_TRUE(broker_->doorbell().Drain());
    ExpectNext(*broker_, 2, size);
  }
  broker_->Awake();
  ASSERT_TRUE(Send(*worker_, 3, 10).ok());
  EXPECT_FALSE(IsReadable(broker_->doorbell().fd()));
  ExpectNext(*broker_, 3, 10);
}

// One end sends as it can, the other sleeps whenever it can: nothing is lost, nobody sleeps over
// a message, all keep their order.
TEST_F(RpcChannelTest, TwoThreadsKeepTheOrderAndWakeEachOther) {
#ifdef __SANITIZE_THREAD__
  constexpr uint32_t kMessages = 20'000;
#else
  constexpr uint32_t kMessages = 150'000;
#endif
  const auto size_of = [](uint32_t i) { return i % 29 == 28 ? kLarge : 4 + i % 199; };
  const auto brings = [](uint32_t i) { return i % 7 == 6; };
  std::thread sender([&] {
    const int descriptors[] = {STDIN_FILENO};
    for (uint32_t i = 0; i < kMessages; ++i) {
      const std::span<const int> sent(descriptors, brings(i) ? 1 : 0);
      ASSERT_TRUE(Send(*broker_, i, size_of(i), sent, Wait::kBlock).ok());
      if (i % 61 == 0) std::this_thread::sleep_for(std::chrono::microseconds(i % 120));
    }
  });
  for (uint32_t i = 0; i < kMessages;) {
    const auto received = worker_->Receive(1);
    if (received.errno_value() == EAGAIN) {
      pollfd doorbell{worker_->doorbell().fd(), POLLIN, 0};
      if (worker_->PrepareToSleep() && poll(&doorbell, 1, 20'000) == 0) {
        ADD_FAILURE() << "nobody rings for message " << i;
        break;
      }
      worker_->Awake();
      (void)worker_->doorbell().Drain();
      continue;
    }
    ExpectMessage(received, i, size_of(i));
    if (HasFatalFailure()) break;
    ASSERT_EQ(received->descriptors.size(), brings(i) ? 1u : 0u);
    ++i;
  }
  if (HasFailure()) worker_.reset();  // Or the sender would wait for ever.
  sender.join();
}

TEST_F(RpcChannelTest, TellsWhetherThePeerLastSentFromThisProcessor) {
  EXPECT_FALSE(broker_->PeerSharesProcessor());  // It has sent nothing.
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  std::vector<int> processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &before)) processors.push_back(i);
  }
  const auto move_to = [&one](int processor) {
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    return sched_setaffinity(0, sizeof(one), &one);
  };
  ASSERT_EQ(move_to(processors.front()), 0);
  for (const size_t size : {size_t{10}, kLarge}) {  // Through the memory, and over the socket.
    ASSERT_TRUE(Send(*worker_, 1, size).ok());
    EXPECT_TRUE(broker_->PeerSharesProcessor());
    ExpectNext(*broker_, 1, size);
  }
  if (processors.size() > 1) {
    ASSERT_EQ(move_to(processors.back()), 0);
    EXPECT_FALSE(broker_->PeerSharesProcessor());
  }
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

}  // namespace
}  // namespace postern
