// The worker's end of a channel in a test of the service: waits as long as it takes.
#ifndef POSTERN_TESTS_UNIT_BROKER_SERVICE_SERVICE_WORKER_H_
#define POSTERN_TESTS_UNIT_BROKER_SERVICE_SERVICE_WORKER_H_

#include <google/protobuf/message_lite.h>
#include <poll.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/rpc_channel.h"

namespace postern {

class ServiceWorker {
 public:
  explicit ServiceWorker(RpcChannel channel) : channel_(std::move(channel)) {}

  // Both ends of a new channel: the worker's, and the broker's to be served.
  static std::pair<ServiceWorker, RpcChannel> CreatePair(bool with_memory) {
    if (!with_memory) {
      auto pair = *Channel::CreatePair();
      return {ServiceWorker(std::move(pair.second)), std::move(pair.first)};
    }
    auto pair = *RpcChannel::CreatePair();
    return {ServiceWorker(*RpcChannel::Open(std::move(pair.first), RpcChannel::End::kWorker)),
            *RpcChannel::Open(std::move(pair.second), RpcChannel::End::kBroker)};
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
      auto received = channel_.Receive(max_descriptors, Channel::Wait::kDontBlock);
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
    const EventFd* const doorbell = channel_.doorbell();
    pollfd watched[] = {{fd(), static_cast<short>(doorbell == nullptr ? POLLIN : 0), 0},
                        {doorbell == nullptr ? -1 : doorbell->fd(), POLLIN, 0}};
    if (channel_.PrepareToSleep() && poll(watched, 2, timeout) == 0) return false;
    channel_.Awake();
    if (watched[1].revents != 0) doorbell->Drain();
    if ((watched[0].revents & POLLHUP) != 0) channel_.PeerHasHungUp();
    return true;
  }

  RpcChannel channel_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_SERVICE_SERVICE_WORKER_H_
