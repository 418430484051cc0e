// One queue's end of its RPC channel: requests gathered into batches, replies taken in batches.
#ifndef POSTERN_WORKER_QUEUE_BROKER_LINK_H_
#define POSTERN_WORKER_QUEUE_BROKER_LINK_H_

#include <google/protobuf/arena.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
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

  // A request that is being made, to be filled in: a place in the batch once it is committed, and
  // nothing if it isn't. One at a time.
  class Addition {
   public:
    Addition(Addition&& other) noexcept
        : link_(other.link_), request_(std::exchange(other.request_, nullptr)) {}
    Addition& operator=(Addition&&) = delete;

    rpc::Request& operator*() const { return *request_; }
    rpc::Request* operator->() const { return request_; }
    // The last call: what it is now is in the batch.
    void Commit() { link_.Put(*std::exchange(request_, nullptr)); }

   private:
    friend class BrokerLink;
    Addition(BrokerLink& link, rpc::Request* request) : link_(link), request_(request) {}

    BrokerLink& link_;
    rpc::Request* request_;  // In the batch's arena. Null once it is committed.
  };

  explicit BrokerLink(RpcChannel channel);

  // Whether there is room for another request, however large, or for kMaxForgetItems more forgets;
  // if not, Flush() makes some unless blocked().
  bool HasRoom() const;
  bool blocked() const { return blocked_; }
  // A new request for the batch. Precondition: HasRoom().
  [[nodiscard]] Addition Add(uint64_t id);
  // The batch's forget request of that session, made at first use. Precondition: HasRoom().
  rpc::Request& Forget(uint64_t session);

  // Whether requests that were committed, sent or not, are without an answer: until then Receive()
  // has nothing to give but the broker's end.
  bool awaits_replies() const { return unanswered_ > 0; }

  // Sends the batch, if there is one. EAGAIN isn't an error but blocked(). Else the broker is gone.
  ErrnoOrVoid Flush();
  // What has arrived. EAGAIN: nothing. EBADMSG and EMSGSIZE: the broker broke the protocol. Else it
  // is gone.
  ErrnoOr<Replies> Receive();

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
  // An Addition's end.
  void Put(const rpc::Request& request);
  // Appends it to the message.
  void Write(const rpc::Request& request);
  // The same of forget_, if there is one.
  void WriteForget();

  RpcChannel channel_;
  // Initial blocks, so that the arenas allocate nothing for batches of the usual size.
  std::unique_ptr<char[]> request_block_;
  std::unique_ptr<char[]> reply_block_;
  std::unique_ptr<google::protobuf::Arena> request_arena_;
  std::unique_ptr<google::protobuf::Arena> reply_arena_;
  // The message: a RequestBatch, as far as it is written.
  std::unique_ptr<std::byte[]> message_;  // kMaxMessageBytes
  size_t bytes_ = 0;
  int requests_ = 0;                // Written, or in forget_.
  rpc::Request* forget_ = nullptr;  // Of this batch and not written yet, or null.
  size_t unanswered_ = 0;
  bool blocked_ = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_BROKER_LINK_H_
