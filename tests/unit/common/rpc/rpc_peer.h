// The other end of a channel that is under test: waits as long as it takes.
#ifndef POSTERN_TESTS_UNIT_COMMON_RPC_RPC_PEER_H_
#define POSTERN_TESTS_UNIT_COMMON_RPC_RPC_PEER_H_

#include <google/protobuf/message_lite.h>
#include <poll.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/rpc_channel.h"

namespace postern {

class RpcPeer {
 public:
  explicit RpcPeer(RpcChannel channel) : channel_(std::move(channel)) {}

  // The peer, which is that end, and the other end, for what is under test.
  static std::pair<RpcPeer, RpcChannel> CreatePair(RpcChannel::End end) {
    auto pair = *RpcChannel::CreatePair();
    RpcChannel worker = *RpcChannel::Open(std::move(pair.first), RpcChannel::End::kWorker);
    RpcChannel broker = *RpcChannel::Open(std::move(pair.second), RpcChannel::End::kBroker);
    if (end == RpcChannel::End::kWorker) return {RpcPeer(std::move(worker)), std::move(broker)};
    return {RpcPeer(std::move(broker)), std::move(worker)};
  }

  ErrnoOrVoid Send(std::span<const std::byte> bytes, std::span<const int> descriptors = {},
                   Channel::Wait wait = Channel::Wait::kBlock) {
    return channel_.Send(bytes, descriptors, wait);
  }
  ErrnoOrVoid SendMessage(const google::protobuf::MessageLite& message,
                          std::span<const int> descriptors = {},
                          Channel::Wait wait = Channel::Wait::kBlock) {
    const std::string bytes = message.SerializeAsString();
    return Send(std::as_bytes(std::span(bytes)), descriptors, wait);
  }
  // kBlock: EAGAIN after `timeout` milliseconds, if that is given.
  ErrnoOr<std::vector<UniqueFd>> ReceiveMessage(google::protobuf::MessageLite& message,
                                                size_t max_descriptors,
                                                Channel::Wait wait = Channel::Wait::kBlock,
                                                int timeout = -1) {
    for (;;) {
      auto received = channel_.Receive(max_descriptors);
      if (received.ok()) {
        if (!message.ParseFromArray(received->bytes.data(),
                                    static_cast<int>(received->bytes.size()))) {
          return Errno(EBADMSG);
        }
        return std::move(received->descriptors);
      }
      if (received.errno_value() != EAGAIN || wait == Channel::Wait::kDontBlock ||
          !AwaitEvent(timeout)) {
        return received.error();
      }
    }
  }
  int fd() const { return channel_.fd(); }

 private:
  bool AwaitEvent(int timeout) {
    pollfd watched[] = {{fd(), 0, 0}, {channel_.doorbell().fd(), POLLIN, 0}};
    if (channel_.PrepareToSleep() && poll(watched, 2, timeout) == 0) return false;
    channel_.Awake();
    if (watched[1].revents != 0) channel_.doorbell().Drain();
    if ((watched[0].revents & POLLHUP) != 0) channel_.PeerHasHungUp();
    return true;
  }

  RpcChannel channel_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_COMMON_RPC_RPC_PEER_H_
