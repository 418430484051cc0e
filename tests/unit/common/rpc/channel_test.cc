#include "common/rpc/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/event_fd.h"
#include "proto/config.pb.h"
#include "tests/unit/open_descriptors.h"

namespace postern {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Every test ends with the descriptors that it began with.
class ChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    auto pair = Channel::CreatePair();
    ASSERT_TRUE(pair.ok());
    near_.emplace(std::move(pair->first));
    far_.emplace(std::move(pair->second));
  }
  void TearDown() override {
    near_.reset();
    far_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  // Sends past Channel's own checks, as a taken-over peer would.
  void SendRaw(size_t bytes, const std::vector<std::vector<int>>& control_parts) {
    std::vector<char> data(bytes, 'x');
    std::vector<char> control(4096);
    iovec vector{data.data(), data.size()};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    size_t used = 0;
    for (const auto& descriptors : control_parts) {
      auto* part = reinterpret_cast<cmsghdr*>(control.data() + used);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
      used += CMSG_SPACE(descriptors.size() * sizeof(int));
    }
    if (used != 0) {
      header.msg_control = control.data();
      header.msg_controllen = used;
    }
    ASSERT_GE(sendmsg(far_->fd(), &header, MSG_NOSIGNAL), 0) << strerror(errno);
  }

  std::set<std::string> before_;
  std::optional<Channel> near_;
  std::optional<Channel> far_;
};

TEST_F(ChannelTest, DeliversBytesAndDescriptors) {
  const EventFd event = *EventFd::Create();
  const int descriptors[] = {event.fd(), STDIN_FILENO};
  ASSERT_TRUE(far_->Send(Bytes("hello"), descriptors).ok());

  auto received = near_->Receive(2);

  ASSERT_TRUE(received.ok());
  EXPECT_EQ(Text(received->bytes), "hello");
  ASSERT_EQ(received->descriptors.size(), 2u);
  EXPECT_EQ(fcntl(received->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
  event.Signal();
  uint64_t count = 0;
  EXPECT_EQ(read(received->descriptors[0].get(), &count, sizeof(count)), 8);
}

TEST_F(ChannelTest, KeepsMessageBoundaries) {
  ASSERT_TRUE(far_->Send(Bytes("one")).ok());
  ASSERT_TRUE(far_->Send(Bytes("two")).ok());
  EXPECT_EQ(Text(near_->Receive(0)->bytes), "one");
  EXPECT_EQ(Text(near_->Receive(0)->bytes), "two");
}

TEST_F(ChannelTest, LargestMessagePasses) {
  const std::string largest(kMaxMessageBytes, 'm');
  ASSERT_TRUE(far_->Send(Bytes(largest)).ok());
  EXPECT_EQ(near_->Receive(0)->bytes.size(), kMaxMessageBytes);
}

TEST_F(ChannelTest, RefusesToSendTooMuch) {
  EXPECT_EQ(far_->Send(Bytes(std::string(kMaxMessageBytes + 1, 'm'))).errno_value(), EMSGSIZE);
  EXPECT_EQ(far_->Send(Bytes("")).errno_value(), EMSGSIZE);
  const std::vector<int> many(kMaxMessageDescriptors + 1, STDIN_FILENO);
  EXPECT_EQ(far_->Send(Bytes("x"), many).errno_value(), EMSGSIZE);
}

TEST_F(ChannelTest, RefusesTruncatedMessageAndClosesItsDescriptors) {
  SendRaw(kMaxMessageBytes + 1, {{STDIN_FILENO, STDIN_FILENO}});
  EXPECT_EQ(near_->Receive(2).errno_value(), EMSGSIZE);
}

TEST_F(ChannelTest, RefusesMoreDescriptorsThanAllowed) {
  SendRaw(1, {{STDIN_FILENO}});
  EXPECT_EQ(near_->Receive(0).errno_value(), EBADMSG);
  SendRaw(1, {{STDIN_FILENO, STDIN_FILENO, STDIN_FILENO}});
  EXPECT_EQ(near_->Receive(2).errno_value(), EBADMSG);
}

TEST_F(ChannelTest, RefusesDescriptorsInASecondControlHeader) {
  SendRaw(1, {{STDIN_FILENO}, {STDIN_FILENO}});
  EXPECT_EQ(near_->Receive(1).errno_value(), EBADMSG);
}

TEST_F(ChannelTest, RefusesCutControlData) {
  SendRaw(1, {std::vector<int>(kMaxMessageDescriptors + 10, STDIN_FILENO)});
  EXPECT_EQ(near_->Receive(kMaxMessageDescriptors).errno_value(), EBADMSG);
}

TEST_F(ChannelTest, EmptyMessageIsNotPassedOn) {
  SendRaw(0, {{STDIN_FILENO}});
  EXPECT_EQ(near_->Receive(1).errno_value(), EBADMSG);
}

TEST_F(ChannelTest, ReportsTheEndOfThePeer) {
  far_.reset();
  EXPECT_EQ(near_->Receive(0).errno_value(), ECONNRESET);
  EXPECT_EQ(near_->Send(Bytes("x")).errno_value(), EPIPE);
}

TEST_F(ChannelTest, DontBlockReturnsEagain) {
  EXPECT_EQ(near_->Receive(0, Channel::Wait::kDontBlock).errno_value(), EAGAIN);
  int error = 0;
  for (int i = 0; i < 100000 && error == 0; ++i) {
    error = near_->Send(Bytes("fill"), {}, Channel::Wait::kDontBlock).errno_value();
  }
  EXPECT_EQ(error, EAGAIN);
}

TEST_F(ChannelTest, CarriesProtobufMessages) {
  config::WorkerConfig sent;
  sent.set_channels(3);
  sent.set_tag("share");
  const int descriptors[] = {STDIN_FILENO};
  ASSERT_TRUE(far_->SendMessage(sent, descriptors).ok());

  config::WorkerConfig received;
  auto got = near_->ReceiveMessage(received, 1);

  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->size(), 1u);
  EXPECT_EQ(received.channels(), 3u);
  EXPECT_EQ(received.tag(), "share");
}

TEST_F(ChannelTest, GarbageIsNotAMessage) {
  const int descriptors[] = {STDIN_FILENO};
  ASSERT_TRUE(far_->Send(Bytes("\x0a\xff\xff\xff"), descriptors).ok());
  config::WorkerConfig received;
  EXPECT_EQ(near_->ReceiveMessage(received, 1).errno_value(), EBADMSG);
}

}  // namespace
}  // namespace postern
