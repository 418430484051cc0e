// The same work over every kind of ring and handshake.
#include <algorithm>
#include <cstring>
#include <tuple>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::Framing;
using vmm::FrontEnd;
using vmm::FuseQueue;
using vmm::HandleOf;
using vmm::NodeOf;

class TransportTest : public ShareFixture {
 protected:
  // Makes a file, fills it in pieces of `chunk` bytes, reads it back and lists it.
  void Exercise(size_t chunk) {
    const std::string data = Pattern(3 * chunk + 17, chunk);
    ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file, fuse().Create(kRoot, "file", O_RDWR));
    const NodeId node = NodeOf(file.entry);
    const vmm::FuseHandle handle = HandleOf(file.opened);
    for (size_t at = 0; at < data.size(); at += chunk) {
      const std::string piece = data.substr(at, chunk);
      ASSERT_OK_AND_ASSIGN(const size_t written, fuse().WriteString(node, handle, at, piece));
      ASSERT_EQ(written, piece.size());
    }
    EXPECT_TRUE(ReadHost("file") == data);
    std::string read;
    while (true) {
      ASSERT_OK_AND_ASSIGN(const std::string piece,
                           fuse().ReadString(node, handle, read.size(), chunk));
      if (piece.empty()) break;
      read += piece;
    }
    EXPECT_TRUE(read == data);
    ASSERT_OK_AND_ASSIGN(const fuse_open_out directory, fuse().Opendir(kRoot));
    ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(kRoot, HandleOf(directory), 0));
    EXPECT_EQ(entries.size(), 3u);
    EXPECT_ERRNO(fuse().Lookup(kRoot, "missing"), ENOENT);
    // More than any ring holds, so that its indices go round.
    for (int i = 0; i < 3000; ++i) ASSERT_OK(fuse().Getattr(node));
  }
};

// Which features, which memory messages.
class RingFeatureTest
    : public TransportTest,
      public testing::WithParamInterface<std::tuple<bool, bool, FrontEnd::MemoryMessages>> {};

TEST_P(RingFeatureTest, Serves) {
  const auto [indirect, event_index, memory_messages] = GetParam();
  Setup setup;
  setup.front_end.queue.indirect = indirect;
  setup.front_end.queue.event_index = event_index;
  setup.front_end.memory_messages = memory_messages;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  EXPECT_EQ((front_end().features() & vmm::kFeatureIndirect) != 0, indirect);
  EXPECT_EQ((front_end().features() & vmm::kFeatureEventIndex) != 0, event_index);
  Exercise(100 * 4096);
}

std::string RingFeatureName(const testing::TestParamInfo<RingFeatureTest::ParamType>& test) {
  const auto [indirect, event_index, memory_messages] = test.param;
  return std::string(indirect ? "Indirect" : "Direct") + (event_index ? "EventIndex" : "Flags") +
         (memory_messages == FrontEnd::MemoryMessages::kAddMemReg ? "AddMemReg" : "SetMemTable");
}

INSTANTIATE_TEST_SUITE_P(All, RingFeatureTest,
                         testing::Combine(testing::Bool(), testing::Bool(),
                                          testing::Values(FrontEnd::MemoryMessages::kAddMemReg,
                                                          FrontEnd::MemoryMessages::kSetMemTable)),
                         RingFeatureName);

class RingSizeTest : public TransportTest,
                     public testing::WithParamInterface<std::tuple<int, bool>> {};

TEST_P(RingSizeTest, Serves) {
  const auto [size, indirect] = GetParam();
  Setup setup;
  setup.front_end.queue.size = static_cast<uint16_t>(size);
  setup.front_end.queue.indirect = indirect;
  // Without indirect descriptors a small ring only holds requests in few pieces.
  if (!indirect && size < 16) setup.fuse.framing = Framing::kCompact;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  if (!indirect && size == 2) {
    // Room for a request without data: one descriptor each way.
    ASSERT_OK(fuse().Mkdir(kRoot, "directory"));
    for (int i = 0; i < 3000; ++i) ASSERT_OK(fuse().Lookup(kRoot, "directory"));
    return;
  }
  const auto pages = static_cast<size_t>(indirect ? 64 : std::clamp(size - 4, 1, 64));
  Exercise(pages * 4096);
}

INSTANTIATE_TEST_SUITE_P(Indirect, RingSizeTest,
                         testing::Combine(testing::Values(2, 4, 8, 32, 256, 1024),
                                          testing::Values(true)));
INSTANTIATE_TEST_SUITE_P(Direct, RingSizeTest,
                         testing::Combine(testing::Values(2, 4, 8, 32, 256, 1024),
                                          testing::Values(false)));

TEST_F(TransportTest, LargestRingServes) {
  Setup setup;
  setup.front_end.queue.size = 32768;
  setup.front_end.queue.max_indirect = 32;
  setup.front_end.queues = 2;
  setup.front_end.regions = {{.guest_base = 0, .size = size_t{512} << 20}};
  setup.fuse.slots = 128;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  Exercise(16 * 4096);
}

TEST_F(TransportTest, OneDescriptorEachWayServes) {
  Setup setup;
  setup.fuse.framing = Framing::kCompact;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  Exercise(65536);
}

TEST_F(TransportTest, DescriptorsOfAFewBytesServe) {
  Setup setup;
  setup.fuse.framing = Framing::kScattered;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  Exercise(100 * 1021);
}

TEST_F(TransportTest, PollingDriverServes) {
  Setup setup;
  setup.fuse.wait = FuseQueue::WaitMode::kPoll;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  Exercise(65536);
  EXPECT_EQ(fuse_queue(1).sleeps(), 0u);
}

TEST_F(TransportTest, BackEndWithoutReplyAckServes) {
  Setup setup;
  setup.front_end.protocol_features_mask = ~vmm::kProtocolReplyAck;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  Exercise(65536);
}

TEST_F(TransportTest, UserModeLinuxServes) {
  POSTERN_ONLY("virtiofsd refuses UML's SET_MEM_TABLE of 72 bytes");
  Setup setup;
  setup.daemon_options = {"--tag", "share"};
  setup.front_end.style = FrontEnd::Style::kUml;
  setup.front_end.queue.size = 256;
  // UML's RAM begins above 0, and its file, user and guest addresses are one number.
  setup.front_end.regions = {{.guest_base = 0x60000000,
                              .size = size_t{64} << 20,
                              .file_offset = 0x60000000,
                              .user_address = 0x60000000}};
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  Exercise(65536);
}

TEST_F(TransportTest, TagIsInTheConfigurationSpace) {
  Setup setup;
  setup.daemon_options = {"--tag", "share"};
  ASSERT_NO_FATAL_FAILURE(StartDaemon(setup.daemon_options));
  auto socket = daemon().Connect();
  ASSERT_TRUE(socket.ok()) << socket.status();
  vmm::VhostUserClient client(std::move(socket).value());
  ASSERT_OK(client.GetFeatures());
  ASSERT_OK_AND_ASSIGN(const uint64_t protocol, client.GetProtocolFeatures());
  ASSERT_NE(protocol & vmm::kProtocolConfig, 0u);
  ASSERT_OK(client.SetProtocolFeatures(vmm::kProtocolConfig | vmm::kProtocolReplyAck));
  ASSERT_OK_AND_ASSIGN(const auto tag, client.GetConfig(0, 36));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(tag.data()), 6), std::string("share\0", 6));
  ASSERT_OK_AND_ASSIGN(const auto count, client.GetConfig(36, 4));
  uint32_t queues = 0;
  std::memcpy(&queues, count.data(), sizeof(queues));
  EXPECT_GE(queues, 1u);
  client.Disconnect();
}

TEST_F(TransportTest, ConfigurationSpaceIsNotOfferedWithoutATag) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_EQ(front_end().offered_protocol_features() & vmm::kProtocolConfig, 0u);
}

TEST_F(TransportTest, MoreQueuesThanOfferedNameTheOption) {
  Setup setup;
  setup.daemon_options = {"--request-queues=1"};
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_OK_AND_ASSIGN(const EventFd call, EventFd::Create());
  EXPECT_FALSE(
      front_end().client().SetVringCall(2, call.fd(), vmm::VhostUserClient::Ack::kYes).ok());
  EXPECT_TRUE(daemon().HasSaid("sets up queue 2, counted from 0, and there are 2"));
  EXPECT_TRUE(daemon().HasSaid("--request-queues=1"));
}

TEST_F(TransportTest, CallDescriptorIsReplacedWhileTheRingRuns) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  ASSERT_OK_AND_ASSIGN(const EventFd placeholder, EventFd::Create());
  ASSERT_OK(front_end().client().SetVringCall(1, placeholder.fd()));
  ASSERT_TRUE(front_end().Barrier().ok());
  fuse_queue(1).set_wait_mode(FuseQueue::WaitMode::kPoll);
  fuse_queue(1).ring().EnableCalls();
  vmm::FuseRequest* request = fuse_queue(1).Begin();
  vmm::EncodeStatfs(*request, kRoot);
  ASSERT_OK(fuse_queue(1).Submit(*request, nullptr, nullptr));
  fuse_queue(1).Flush();
  while (!fuse_queue(1).ring().HasUsed()) {
  }
  // The call comes after the used index.
  while (!placeholder.Drain()) {
  }
  ASSERT_OK(fuse_queue(1).Reap());
  ASSERT_OK(front_end().client().SetVringCall(1, front_end().queue(1).call_fd()));
  fuse_queue(1).set_wait_mode(FuseQueue::WaitMode::kBlock);
  EXPECT_OK(fuse().Statfs(kRoot));
}

}  // namespace
}  // namespace postern
