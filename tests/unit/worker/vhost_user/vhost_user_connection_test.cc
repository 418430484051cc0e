#include "worker/vhost_user/vhost_user_connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "common/event_fd.h"
#include "tests/unit/open_descriptors.h"
#include "tests/unit/worker/vhost_user/front_end.h"

namespace postern {
namespace {

using R = VhostUserRequest;

// Every test ends with the descriptors that it began with.
class VhostUserConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    front_end_.emplace();
    connection_.emplace(front_end_->TakeFarEnd());
    connected_ = OpenDescriptors();
  }
  void TearDown() override {
    message_ = VhostUserMessage();
    connection_.reset();
    front_end_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }
  std::string Payload() const {
    return std::string(reinterpret_cast<const char*>(message_.payload.data()),
                       message_.payload.size());
  }
  void ExpectMalformed(const std::string& reason) {
    EXPECT_EQ(connection_->Receive(message_).errno_value(), EPROTO);
    EXPECT_NE(std::string(connection_->reason()).find(reason), std::string::npos)
        << connection_->reason();
    EXPECT_EQ(OpenDescriptors(), connected_);
  }

  std::set<std::string> before_;
  std::set<std::string> connected_;
  std::optional<FrontEnd> front_end_;
  std::optional<VhostUserConnection> connection_;
  VhostUserMessage message_;
};

TEST_F(VhostUserConnectionTest, ReceivesOneMessageWithItsDescriptors) {
  front_end_->SendBytes(FrontEnd::Message(R::kSetVringKick, "12345678", true), {0, 1});
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(message_.request, 12u);
  EXPECT_TRUE(message_.need_reply);
  EXPECT_EQ(Payload(), "12345678");
  ASSERT_EQ(message_.descriptors.size(), 2u);
  EXPECT_EQ(fcntl(message_.descriptors[1].get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(VhostUserConnectionTest, KeepsMessagesApartThatComeTogether) {
  front_end_->SendBytes(FrontEnd::Message(R::kSetVringNum, "11111111", false) +
                        FrontEnd::Message(R::kGetFeatures, "", false) +
                        FrontEnd::Message(R::kSetVringBase, "33333333", false));
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(Payload(), "11111111");
  EXPECT_FALSE(message_.need_reply);
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(message_.request, 1u);
  EXPECT_EQ(Payload(), "");
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(Payload(), "33333333");
}

TEST_F(VhostUserConnectionTest, DescriptorsStayWithTheirMessage) {
  front_end_->SendBytes(FrontEnd::Message(R::kSetVringNum, "11111111", false));
  front_end_->SendBytes(FrontEnd::Message(R::kSetVringKick, "22222222", false), {0});
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(message_.descriptors.size(), 0u);
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(message_.descriptors.size(), 1u);
}

TEST_F(VhostUserConnectionTest, PutsTogetherAMessageThatComesByteByByte) {
  const std::string bytes = FrontEnd::Message(R::kSetVringKick, "12345678", false);
  std::thread sender([&] {
    front_end_->SendBytes(bytes.substr(0, 1), {0});
    for (size_t i = 1; i < bytes.size(); ++i) front_end_->SendBytes(bytes.substr(i, 1));
  });
  EXPECT_TRUE(connection_->Receive(message_).ok());
  sender.join();
  EXPECT_EQ(Payload(), "12345678");
  EXPECT_EQ(message_.descriptors.size(), 1u);
}

TEST_F(VhostUserConnectionTest, TakesTheLargestPayloadAndTheMostDescriptors) {
  const std::string payload(4096, 'p');
  front_end_->SendBytes(FrontEnd::Message(R::kSetMemTable, payload, false),
                        std::vector<int>(32, 0));
  ASSERT_TRUE(connection_->Receive(message_).ok());
  EXPECT_EQ(Payload(), payload);
  EXPECT_EQ(message_.descriptors.size(), 32u);
}

TEST_F(VhostUserConnectionTest, RefusesALargerPayloadBeforeReadingIt) {
  front_end_->SendBytes(FrontEnd::Header(5, 0x1, 4097), {0});
  ExpectMalformed("payload too long");
}

TEST_F(VhostUserConnectionTest, RefusesTheLargestSize) {
  front_end_->SendBytes(FrontEnd::Header(5, 0x1, UINT32_MAX));
  ExpectMalformed("payload too long");
}

TEST_F(VhostUserConnectionTest, RefusesOneDescriptorTooMany) {
  front_end_->SendBytes(FrontEnd::Header(5, 0x1, 0), std::vector<int>(33, 0));
  ExpectMalformed("too many descriptors");
}

TEST_F(VhostUserConnectionTest, RefusesManyDescriptorsTooMany) {
  front_end_->SendBytes(FrontEnd::Header(5, 0x1, 0), std::vector<int>(200, 0));
  ExpectMalformed("control data cut");
}

TEST_F(VhostUserConnectionTest, RefusesTooManyDescriptorsInPieces) {
  const std::string header = FrontEnd::Header(5, 0x1, 0);
  front_end_->SendBytes(header.substr(0, 6), std::vector<int>(20, 0));
  front_end_->SendBytes(header.substr(6), std::vector<int>(20, 0));
  ExpectMalformed("too many descriptors");
}

TEST_F(VhostUserConnectionTest, RefusesDescriptorsWithinAPayload) {
  front_end_->SendBytes(FrontEnd::Header(12, 0x1, 8), {0});
  front_end_->SendBytes("12345678", {0});
  ExpectMalformed("descriptors within a payload");
}

TEST_F(VhostUserConnectionTest, RefusesVersion0) {
  front_end_->SendBytes(FrontEnd::Header(1, 0x0, 0), {0});
  ExpectMalformed("version");
}

TEST_F(VhostUserConnectionTest, RefusesVersion2) {
  front_end_->SendBytes(FrontEnd::Header(1, 0x2, 0));
  ExpectMalformed("version");
}

TEST_F(VhostUserConnectionTest, RefusesAReply) {
  front_end_->SendBytes(FrontEnd::Header(1, 0x5, 0));
  ExpectMalformed("unknown flags");
}

TEST_F(VhostUserConnectionTest, RefusesUnknownFlags) {
  front_end_->SendBytes(FrontEnd::Header(1, 0x11, 0));
  ExpectMalformed("unknown flags");
}

TEST_F(VhostUserConnectionTest, EndBetweenMessagesIsTheEndOfTheConnection) {
  front_end_->Close();
  EXPECT_EQ(connection_->Receive(message_).errno_value(), ECONNRESET);
}

TEST_F(VhostUserConnectionTest, EndWithinAHeaderIsMalformed) {
  front_end_->SendBytes(FrontEnd::Header(1, 0x1, 0).substr(0, 11), {0});
  front_end_->Close();
  EXPECT_EQ(connection_->Receive(message_).errno_value(), EPROTO);
}

TEST_F(VhostUserConnectionTest, EndWithinAPayloadIsMalformed) {
  front_end_->SendBytes(FrontEnd::Header(8, 0x1, 8) + "1234567", {0});
  front_end_->Close();
  EXPECT_EQ(connection_->Receive(message_).errno_value(), EPROTO);
}

TEST_F(VhostUserConnectionTest, StopDescriptorEndsTheWait) {
  FrontEnd front_end;
  const EventFd stop = *EventFd::Create();
  VhostUserConnection connection(front_end.TakeFarEnd(), stop.fd());
  std::thread stopper([&] { stop.Signal(); });
  EXPECT_EQ(connection.Receive(message_).errno_value(), ECANCELED);
  stopper.join();
}

TEST_F(VhostUserConnectionTest, ReplyCarriesTheRequestAndExactlyTheReplyFlags) {
  ASSERT_TRUE(connection_->Reply(24, std::as_bytes(std::span("abc", 3))).ok());
  ASSERT_TRUE(connection_->Reply(24, {}).ok());
  const auto reply = front_end_->Receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->header.request, 24u);
  EXPECT_EQ(reply->header.flags, 0x5u);
  EXPECT_EQ(reply->payload, "abc");
  const auto empty = front_end_->Receive();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->header.size, 0u);
}

TEST_F(VhostUserConnectionTest, ReplyToNobodyFails) {
  front_end_->Close();
  EXPECT_EQ(connection_->Reply(1, {}).errno_value(), ECONNRESET);
}

TEST_F(VhostUserConnectionTest, ReplyWaitsUntilThereIsRoom) {
  std::thread reader([&] {
    for (int i = 0; i < 1000; ++i) {
      const auto reply = front_end_->Receive();
      ASSERT_TRUE(reply);
      EXPECT_EQ(reply->payload.size(), 4096u);
    }
  });
  const std::vector<std::byte> payload(4096);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(connection_->Reply(24, payload).ok());
  reader.join();
}

TEST_F(VhostUserConnectionTest, StopDescriptorEndsAReplyThatNobodyReads) {
  FrontEnd front_end;
  const EventFd stop = *EventFd::Create();
  stop.Signal();
  VhostUserConnection connection(front_end.TakeFarEnd(), stop.fd());
  const std::vector<std::byte> payload(4096);
  ErrnoOrVoid result;
  while (result.ok()) result = connection.Reply(24, payload);
  EXPECT_EQ(result.errno_value(), ECANCELED);
}

}  // namespace
}  // namespace postern
