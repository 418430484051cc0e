// One queue's end of its RPC channel: requests gathered into batches, replies taken in batches.
#ifndef POSTERN_WORKER_QUEUE_BROKER_LINK_H_
#define POSTERN_WORKER_QUEUE_BROKER_LINK_H_

#include <google/protobuf/arena.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "common/errno_or.h"
#include "common/rpc/rpc_channel.h"
#include "common/unique_fd.h"
#include "proto/rpc.pb.h"

namespace postern {

// Belongs to the queue's thread. Never blocks: while the socket is full the batch waits, and
// blocked() tells to poll for writing and to gather no more. The broker can always send its
// replies, because the queue's thread always takes them.
class BrokerLink {
 public:
  // Replies with the descriptors of their message; if some were lost, the first so many. `batch`
  // holds until the next Receive().
  struct Replies {
    const rpc::ReplyBatch* batch = nullptr;
    std::vector<UniqueFd> descriptors;
    bool descriptors_lost = false;
  };

  // What a reply takes that nobody need know of before it is there.
  static constexpr std::chrono::milliseconds kReplyTime{1};

  explicit BrokerLink(RpcChannel channel);

  // A new request in the batch, to be filled in. Precondition: CanAdd().
  rpc::Request& Add(uint64_t id);
  // Takes the request that Add() gave last out again. Precondition: no CanAdd() since.
  void RemoveLast();
  // The batch's one forget request, made at first use. Precondition: CanAdd().
  rpc::Request& Forget();

  // Whether requests that Add() gave, sent or not, are without an answer: until then Receive() has
  // nothing to give but the broker's end.
  bool awaits_replies() const { return unanswered_ > 0; }

  // Whether there is room in the batch; if not, Flush() makes some unless blocked().
  bool CanAdd();
  bool blocked() const { return blocked_; }

  // Sends the batch, if there is one. EAGAIN isn't an error but blocked(). Else the broker is gone.
  ErrnoOrVoid Flush();
  // What has arrived; if `wait` is kBlock what arrives within kReplyTime. EAGAIN: nothing. EBADMSG
  // and EMSGSIZE: the broker broke the protocol. Else it is gone.
  ErrnoOr<Replies> Receive(Channel::Wait wait = Channel::Wait::kDontBlock);

  // The broker's end is who a thread waits for that waits for replies.
  const RpcChannel& channel() const { return channel_; }

  // So says the socket.
  void PeerHasHungUp() { channel_.PeerHasHungUp(); }
  // Around a sleep that the broker's doorbell ends; see RpcChannel.
  bool PrepareToSleep() { return channel_.PrepareToSleep(); }
  void Awake() { channel_.Awake(); }

  // To poll for the broker's end, and for writing while blocked().
  int fd() const { return channel_.fd(); }

 private:
  // Makes an empty batch, giving back the memory of the last one.
  void StartBatch();
  // Writes last_, which is filled in by now, into the message.
  void WriteLast();
  void Write(const rpc::Request& request);

  RpcChannel channel_;
  // Initial blocks, so that the arenas allocate nothing for batches of the usual size.
  std::unique_ptr<char[]> request_block_;
  std::unique_ptr<char[]> reply_block_;
  std::unique_ptr<google::protobuf::Arena> request_arena_;
  std::unique_ptr<google::protobuf::Arena> reply_arena_;
  // The message: a RequestBatch, as far as it is written.
  std::unique_ptr<std::byte[]> message_;  // kMaxMessageBytes
  size_t bytes_ = 0;
  int requests_ = 0;                // Written, or in forget_ or last_.
  rpc::Request* forget_ = nullptr;  // Of this batch and not written yet, or null.
  rpc::Request* last_ = nullptr;    // What Add() gave last, if it isn't written yet.
  size_t unanswered_ = 0;
  bool blocked_ = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_BROKER_LINK_H_
