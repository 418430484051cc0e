// What a daemon costs whose guest asks for nothing.
#include <chrono>
#include <string>
#include <thread>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

constexpr std::chrono::seconds kIdle{10};
// A thousandth of that, of all the daemon's threads together.
constexpr std::chrono::milliseconds kMostProcessorTime{10};
// What was begun for the last request has ended after it, the longest polling included.
constexpr std::chrono::milliseconds kSettling{200};

// The daemon's options.
class IdleTest : public ShareFixture, public testing::WithParamInterface<std::vector<std::string>> {
 protected:
  static constexpr size_t kQueues = 3;  // hiprio's, too.

  void SetUp() override {
    ShareFixture::SetUp();
    if (!GetParam().empty()) POSTERN_ONLY("they have no such option");
    Setup setup;
    setup.front_end.queues = kQueues;
    setup.daemon_options = GetParam();
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_EQ(queue_count(), kQueues);
  }

  // Requests of all kinds over all queues, one after the other: what comes so quickly is polled
  // for.
  void Burst() {
    for (int round = 0; round < 500; ++round) {
      for (size_t i = 0; i < queue_count(); ++i) {
        vmm::FuseClient& client = fuse_on(i);
        const std::string name = "file" + std::to_string(i);
        ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file, client.Create(kRoot, name, O_RDWR));
        const NodeId node = NodeOf(file.entry);
        ASSERT_OK(client.WriteString(node, HandleOf(file.opened), 0, Pattern(4096, i)));
        ASSERT_OK(client.ReadString(node, HandleOf(file.opened), 0, 4096));
        ASSERT_OK(client.Getattr(node));
        ASSERT_OK(client.Release(node, HandleOf(file.opened)));
        ASSERT_OK(client.Forget(node, 1));
      }
    }
  }
  std::chrono::nanoseconds ProcessorTime() { return vmm::ProcessorTime(daemon().Processes()); }
};

TEST_P(IdleTest, DaemonWithoutRequestsUsesNoProcessorTime) {
  ASSERT_NO_FATAL_FAILURE(Burst());
  std::this_thread::sleep_for(kSettling);
  const std::chrono::nanoseconds before = ProcessorTime();
  EXPECT_GT(before.count(), 0);
  std::this_thread::sleep_for(kIdle);
  const std::chrono::nanoseconds used = ProcessorTime() - before;
  EXPECT_LT(used, kMostProcessorTime);
  RecordProperty("processor_nanoseconds", std::to_string(used.count()));
  // And it has gone to sleep so that it wakes again.
  ASSERT_NO_FATAL_FAILURE(Burst());
}

INSTANTIATE_TEST_SUITE_P(, IdleTest,
                         testing::Values(std::vector<std::string>{},
                                         std::vector<std::string>{"--poll-us=0"},
                                         std::vector<std::string>{"--poll-us=10000"}),
                         [](const auto& row) {
                           if (row.param.empty()) return std::string("Defaults");
                           std::string name;
                           for (const char c : row.param.front()) name += isalnum(c) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace postern
