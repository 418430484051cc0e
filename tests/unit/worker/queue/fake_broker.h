// The broker's end of a queue's RPC channel, in a test's hands.
#ifndef POSTERN_TESTS_UNIT_WORKER_QUEUE_FAKE_BROKER_H_
#define POSTERN_TESTS_UNIT_WORKER_QUEUE_FAKE_BROKER_H_

#include <gtest/gtest.h>

#include <initializer_list>
#include <span>
#include <utility>

#include "common/rpc/channel.h"
#include "proto/rpc.pb.h"
#include "tests/unit/common/rpc/rpc_peer.h"

namespace postern {

class FakeBroker {
 public:
  // `peer` is the broker's end.
  explicit FakeBroker(RpcPeer peer) : peer_(std::move(peer)) {}

  // The next batch; fails the test if none comes.
  rpc::RequestBatch Take() {
    rpc::RequestBatch batch;
    const auto received = peer_.ReceiveMessage(batch, 0, Channel::Wait::kBlock, kTimeout);
    EXPECT_EQ(received.errno_value(), 0);
    return batch;
  }
  // The only request of the next batch.
  rpc::Request TakeOne() {
    const rpc::RequestBatch batch = Take();
    EXPECT_EQ(batch.requests_size(), 1);
    return batch.requests_size() == 1 ? batch.requests(0) : rpc::Request();
  }
  // Whether nothing has been sent.
  bool Idle() {
    rpc::RequestBatch batch;
    return peer_.ReceiveMessage(batch, 0, Channel::Wait::kDontBlock).errno_value() == EAGAIN;
  }

  void Send(const rpc::ReplyBatch& batch, std::initializer_list<int> descriptors = {}) {
    EXPECT_EQ(
        peer_.SendMessage(batch, std::span(descriptors.begin(), descriptors.size())).errno_value(),
        0);
  }
  void Send(const rpc::Reply& reply, std::initializer_list<int> descriptors = {}) {
    rpc::ReplyBatch batch;
    *batch.add_replies() = reply;
    Send(batch, descriptors);
  }
  // "Done", without a result.
  void Acknowledge(uint64_t id) {
    rpc::Reply reply;
    reply.set_id(id);
    Send(reply);
  }
  void Fail(uint64_t id, uint32_t error) {
    rpc::Reply reply;
    reply.set_id(id);
    reply.set_error(error);
    Send(reply);
  }

  RpcPeer& peer() { return peer_; }

 private:
  // So that a request which never comes fails the test instead of hanging it. Milliseconds.
  static constexpr int kTimeout = 20'000;

  RpcPeer peer_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_QUEUE_FAKE_BROKER_H_
