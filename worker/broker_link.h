// One queue's end of its RPC channel: requests gathered into batches, replies taken in batches.
#ifndef POSTERN_WORKER_BROKER_LINK_H_
#define POSTERN_WORKER_BROKER_LINK_H_

#include <google/protobuf/arena.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "common/channel.h"
#include "common/errno_or.h"
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

  explicit BrokerLink(Channel channel);

  // A new request in the batch, to be filled in. Precondition: CanAdd().
  rpc::Request& Add(uint64_t id);
  // Takes the request that Add() gave last out again. Precondition: no CanAdd() since.
  void RemoveLast();
  // The batch's one forget request, made at first use. Precondition: CanAdd().
  rpc::Request& Forget();

  // Whether there is room in the batch; if not, Flush() makes some unless blocked().
  bool CanAdd();
  bool blocked() const { return blocked_; }

  // Sends the batch, if there is one. EAGAIN isn't an error but blocked(). Else the broker is gone.
  ErrnoOrVoid Flush();
  // What has arrived. EAGAIN: nothing. EBADMSG and EMSGSIZE: the broker broke the protocol. Else it
  // is gone.
  ErrnoOr<Replies> Receive();

  // To poll: for reading, and for writing while blocked().
  int fd() const { return channel_.fd(); }

 private:
  // Makes an empty batch, giving back the memory of the last one.
  void StartBatch();
  // Adds the size of last_, which is filled in by now, to bytes_.
  void CountLast();

  Channel channel_;
  // Initial blocks, so that the arenas allocate nothing for batches of the usual size.
  std::unique_ptr<char[]> request_block_;
  std::unique_ptr<char[]> reply_block_;
  std::unique_ptr<google::protobuf::Arena> request_arena_;
  std::unique_ptr<google::protobuf::Arena> reply_arena_;
  rpc::RequestBatch* batch_ = nullptr;
  rpc::Request* forget_ = nullptr;  // In batch_, or null.
  rpc::Request* last_ = nullptr;    // What Add() gave last, if it isn't counted yet.
  size_t bytes_ = 0;                // Of what Add() gave before that.
  bool blocked_ = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_BROKER_LINK_H_
