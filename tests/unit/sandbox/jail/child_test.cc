#include "sandbox/jail/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/sandbox/forked.h"

namespace postern {
namespace {

// What ReceiveBrokerStart() makes of a configuration with so many channels: their number, or 200
// for an error.
int ChannelsReceived(const config::BrokerConfig& config, size_t channels) {
  return ExitOfForked([&] {
    auto pair = Channel::CreatePair();
    if (!pair.ok()) return 201;
    std::vector<RpcChannel::Parts> ends;
    std::vector<int> sent;
    for (size_t i = 0; i < channels; ++i) {
      auto made = RpcChannel::CreatePair();
      if (!made.ok()) return 201;
      const RpcChannel::Parts& end = ends.emplace_back(std::move(made->second));
      for (const UniqueFd* fd : {&end.socket, &end.memory, &end.doorbell, &end.peer_doorbell}) {
        sent.push_back(fd->get());
      }
    }
    if (!SendStart(pair->first, config, sent).ok()) return 202;
    pair->first.TakeSocket().Reset();
    if (dup2(pair->second.fd(), kControlDescriptor) < 0) return 203;
    if (pair->second.fd() == kControlDescriptor)
      static_cast<void>(pair->second.TakeSocket().Release());
    const auto start = ReceiveBrokerStart("test");
    return start.ok() ? static_cast<int>(start->channels.size()) : 200;
  });
}

config::BrokerConfig Config(uint32_t channels) {
  config::BrokerConfig config;
  config.mutable_common()->set_log_level(4);
  config.set_threads(1);
  config.set_channels(channels);
  return config;
}

TEST(ReceiveStartTest, DeliversTheChannels) { EXPECT_EQ(ChannelsReceived(Config(2), 2), 2); }

TEST(ReceiveStartTest, DeliversMoreChannelsThanFitOneMessage) {
  EXPECT_EQ(ChannelsReceived(Config(64), 64), 64);
  EXPECT_EQ(ChannelsReceived(Config(65), 65), 65);
}

TEST(ReceiveStartTest, RefusesAnotherNumberOfChannels) {
  EXPECT_EQ(ChannelsReceived(Config(3), 2), 200);
  EXPECT_EQ(ChannelsReceived(Config(1), 2), 200);
  EXPECT_EQ(ChannelsReceived(Config(0), 0), 200);
}

TEST(ReceiveStartTest, RefusesAConfigurationWithoutThreadsOrLogLevel) {
  config::BrokerConfig config = Config(2);
  config.set_threads(0);
  EXPECT_EQ(ChannelsReceived(config, 2), 200);
  config = Config(2);
  config.mutable_common()->set_log_level(7);
  EXPECT_EQ(ChannelsReceived(config, 2), 200);
}

TEST(ReceiveStartTest, RefusesToRunWithoutALauncher) {
  const int null_device = open("/dev/null", O_RDONLY);
  EXPECT_EQ(200, ExitOfForked([&] {
              dup2(null_device, kControlDescriptor);
              return ReceiveWorkerStart("test").ok() ? 0 : 200;
            }));
  close(null_device);
}

}  // namespace
}  // namespace postern
