// The service with a worker that has been taken over, past any check of the worker's own.
#include <sys/socket.h>

#include <functional>

#include "tests/unit/broker/service/service_fixture.h"

namespace postern {
namespace {

class ServiceHostileTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    Ask(Initialize());
  }

  static rpc::RequestBatch BatchOf(const rpc::Request& request) {
    rpc::RequestBatch batch;
    *batch.add_requests() = request;
    batch.mutable_requests(0)->set_id(1);
    return batch;
  }
  void Send(const rpc::RequestBatch& batch, std::span<const int> descriptors = {}) {
    ASSERT_TRUE(worker_[0].SendMessage(batch, descriptors).ok());
  }
  // The session ends: once, and without an answer.
  void ExpectEnd() {
    ASSERT_TRUE(failed_.WaitForNotificationWithTimeout(absl::Seconds(20)));
    service_.reset();
    rpc::ReplyBatch replies;
    EXPECT_FALSE(worker_[0].ReceiveMessage(replies, 0, Channel::Wait::kDontBlock).ok());
    EXPECT_EQ(failures_, 1);
  }
};

TEST_F(ServiceHostileTest, GarbageEndsTheSession) {
  const std::string garbage = "\x0a\xff\xff\xff\xff";
  ASSERT_TRUE(worker_[0].Send(std::as_bytes(std::span(garbage))).ok());
  ExpectEnd();
}

TEST_F(ServiceHostileTest, BatchWithoutRequestsEndsTheSession) {
  // An unknown field, so that the message isn't empty.
  const std::string unknown = "\x78\x01";
  ASSERT_TRUE(worker_[0].Send(std::as_bytes(std::span(unknown))).ok());
  ExpectEnd();
}

TEST_F(ServiceHostileTest, TooManyRequestsEndTheSession) {
  rpc::RequestBatch batch;
  for (uint64_t i = 1; i <= 65; ++i) {
    *batch.add_requests() = GetAttributesOf(kRoot);
    batch.mutable_requests()->rbegin()->set_id(i);
  }
  Send(batch);
  ExpectEnd();
}

TEST_F(ServiceHostileTest, RequestWithoutOperationEndsTheSession) {
  Send(BatchOf(rpc::Request()));
  ExpectEnd();
}

TEST_F(ServiceHostileTest, OperationOfAnUnknownNumberEndsTheSession) {
  // requests { id: 1, field 500 (a message): {} }
  const std::string message("\x0a\x0c\x09\x01\0\0\0\0\0\0\0\xa2\x1f\x00", 14);
  ASSERT_TRUE(worker_[0].Send(std::as_bytes(std::span(message))).ok());
  ExpectEnd();
}

TEST_F(ServiceHostileTest, RequestWithoutIdEndsTheSession) {
  rpc::RequestBatch batch = BatchOf(GetAttributesOf(kRoot));
  batch.mutable_requests(0)->set_id(0);
  Send(batch);
  ExpectEnd();
}

TEST_F(ServiceHostileTest, DescriptorEndsTheSessionAndIsClosed) {
  const int descriptors[] = {STDIN_FILENO};
  Send(BatchOf(GetAttributesOf(kRoot)), descriptors);
  ExpectEnd();
}

TEST_F(ServiceHostileTest, OversizeMessageEndsTheSession) {
  const std::string big(kMaxMessageBytes + 1, 'x');
  ASSERT_EQ(send(worker_[0].fd(), big.data(), big.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(big.size()));
  // Nobody looks there before a message of the socket is announced, as this one's end is.
  ASSERT_TRUE(worker_[0].Send(std::as_bytes(std::span(big)).first(40'000)).ok());
  ExpectEnd();
}

TEST_F(ServiceHostileTest, BrokenBoundEndsTheSessionBeforeAnythingOfTheBatchRuns) {
  rpc::RequestBatch batch;
  auto* directory = batch.add_requests();
  directory->set_id(1);
  directory->mutable_make_directory()->set_parent(kRoot);
  directory->mutable_make_directory()->set_name("made");
  directory->mutable_make_directory()->mutable_credentials();
  auto* forget = batch.add_requests();
  forget->set_id(2);
  forget->mutable_forget();
  Send(batch);
  ExpectEnd();
  EXPECT_FALSE(share_.Exists("made"));
}

TEST_F(ServiceHostileTest, WorkerThatDoesNotReadEndsTheSession) {
  share_.Write(std::string(255, 'x'));
  StartService({.send_timeout = absl::Milliseconds(100)});
  Ask(Initialize());
  rpc::RequestBatch batch;
  for (uint64_t i = 1; i <= 64; ++i) {
    *batch.add_requests() = GetAttributesOf(kRoot);
    batch.mutable_requests()->rbegin()->set_id(i);
  }
  // Until the broker stops taking them, which it does when its answers back up.
  while (!failed_.HasBeenNotified()) {
    (void)worker_[0].SendMessage(batch, {}, Channel::Wait::kDontBlock).ok();
  }
  EXPECT_EQ(failures_, 1);
}

TEST_F(ServiceHostileTest, BadNamesAndForeignIdsGetAnErrnoAndTheServiceGoesOn) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  const uint64_t file = Ask(OpenOf(node)).reply.opened().open_file_id();
  EXPECT_EQ(Ask(LookupOf("..")).reply.entry().node_id(), kRoot);
  EXPECT_EQ(Ask(LookupOf("../etc/passwd")).reply.error(), uint32_t{EINVAL});
  EXPECT_EQ(Ask(LookupOf("/etc/passwd")).reply.error(), uint32_t{EINVAL});
  EXPECT_EQ(Ask(LookupOf(std::string("file\0x", 6))).reply.error(), uint32_t{EINVAL});
  EXPECT_EQ(Ask(GetAttributesOf(node + 64)).reply.error(), uint32_t{EBADF});
  EXPECT_EQ(Ask(GetAttributesOf(node | uint64_t{1} << 32)).reply.error(), uint32_t{EBADF});
  // An open file's id is no node's, and the other way round.
  EXPECT_EQ(Ask(GetAttributesOf(file)).reply.error(), uint32_t{EBADF});
  rpc::Request release;
  release.mutable_release()->set_node_id(node);
  release.mutable_release()->set_open_file_id(node);
  EXPECT_EQ(Ask(release).reply.error(), uint32_t{EBADF});
  EXPECT_EQ(Ask(GetAttributesOf(node)).reply.error(), 0u);
  EXPECT_EQ(failures_, 0);
}

}  // namespace
}  // namespace postern
