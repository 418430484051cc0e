// What each thread of the service has to itself.
#include <sys/xattr.h>

#include "tests/unit/broker/requests.h"
#include "tests/unit/broker/service/service_fixture.h"

namespace postern {
namespace {

class ServiceThreadStateTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    service_.reset();
    worker_.clear();
    FilesystemOptions options;
    options.xattr = true;
    options.posix_acl = true;
    filesystem_.emplace(OpenPathTo(share_.Path()), ProcFd(OpenPathTo("/proc/self/fd")),
                        *ProcessCredentials::Capture(), /*descriptor_limit=*/1000,
                        std::move(options));
    StartService();
    rpc::Request initialize = Initialize();
    initialize.mutable_initialize()->set_posix_acl(true);
    EXPECT_EQ(Ask(initialize).reply.error(), 0u);
  }
};

TEST_F(ServiceThreadStateTest, UmasksOfConcurrentRequestsDoNotMixUp) {
  std::vector<std::thread> threads;
  for (size_t channel = 0; channel < kChannels; ++channel) {
    threads.emplace_back([this, channel] {
      const uint32_t umask = channel == 0 ? 0 : 077;
      for (int i = 0; i < 300; ++i) {
        rpc::Request request =
            requests::MakeDirectory(std::to_string(channel) + "." + std::to_string(i), 0777);
        request.mutable_make_directory()->set_umask(umask);
        const Answer answer = Ask(request, channel);
        ASSERT_EQ(answer.reply.error(), 0u);
        ASSERT_EQ(answer.reply.entry().attributes().mode(), S_IFDIR | (0777u & ~umask));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ServiceThreadStateTest, ExtendedAttributesAreReachedWhereverTheProcessStands) {
  share_.Write("file");
  std::filesystem::current_path("/");
  rpc::Request request;
  request.mutable_set_extended_attribute()->set_node_id(Lookup("file"));
  request.mutable_set_extended_attribute()->set_name("user.a");
  EXPECT_EQ(Ask(request).reply.error(), 0u);
  EXPECT_EQ(getxattr(share_.Path("file").c_str(), "user.a", nullptr, 0), 0);
  EXPECT_EQ(std::filesystem::current_path(), "/");
}

TEST_F(ServiceThreadStateTest, ServiceThatIsGivenUpBeforeItServesReadsNothing) {
  std::vector<RpcChannel> ends;
  ends.push_back(AddChannel());
  RpcPeer& worker = worker_.back();
  std::optional<BrokerService> service;
  service.emplace(*filesystem_, std::move(ends), BrokerServiceOptions());
  ASSERT_TRUE(service->Start().ok());
  rpc::RequestBatch batch;
  *batch.add_requests() = requests::MakeDirectory("made");
  batch.mutable_requests(0)->set_id(1);
  ASSERT_TRUE(worker.SendMessage(batch).ok());
  service.reset();
  rpc::ReplyBatch replies;
  EXPECT_EQ(worker.ReceiveMessage(replies, 0).errno_value(), ECONNRESET);
  EXPECT_FALSE(share_.Exists("made"));
}

}  // namespace
}  // namespace postern
