// Replies on their way to the worker.
#ifndef POSTERN_BROKER_SERVICE_REPLY_WRITER_H_
#define POSTERN_BROKER_SERVICE_REPLY_WRITER_H_

#include <absl/synchronization/mutex.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "broker/inodes/open_file_table.h"
#include "common/errno_or.h"
#include "common/rpc/rpc_channel.h"
#include "proto/rpc.pb.h"

namespace postern {

// Collects replies into as few ReplyBatch messages as fit the channel's bounds. One per thread of
// the service, reused: it allocates nothing in the steady state, and holds one message at the most,
// so that a worker that doesn't read can't make the broker grow.
class ReplyWriter {
 public:
  static constexpr size_t kMaxReplies = 64;  // rpc.proto

  // Takes back what a reply would have given the worker, an open file and maybe an inode's count.
  using TakeBack = std::function<void(const rpc::Reply& reply, const OpenFileRef& file)>;

  // `take_back` is called for each reply whose descriptor can't be sent. `delay`: of FlushIfDue().
  ReplyWriter(TakeBack take_back, std::chrono::microseconds delay);
  ReplyWriter(const ReplyWriter&) = delete;
  ReplyWriter& operator=(const ReplyWriter&) = delete;

  // Replies go to `channel` from here on. `mutex` guards sending on it: it is held over a
  // sendmsg(2) that ends at the latest with the socket's SO_SNDTIMEO. Both are borrowed. `several`:
  // whether FlushIfDue() will be called; who answers one request is spared the clock.
  void Begin(RpcChannel& channel, absl::Mutex& mutex, bool several);

  // Adds a reply, and the descriptor that goes with it if `file` isn't null: the file stays open
  // until it is sent. Sends first what is there already if both don't fit a message. Errors are
  // Channel::Send()'s.
  ErrnoOrVoid Add(const rpc::Reply& reply, OpenFileRef file);

  // Flush(), if the last message was longer ago than the delay. Call it while there is more to
  // come: what is answered the guest can go on with.
  ErrnoOrVoid FlushIfDue();

  // Sends what has been added, if anything. An error is remembered: all that follows has it, too,
  // and sends nothing. The kernel counts the descriptors that lie unread in
  // sockets for each user, and refuses more (ETOOMANYREFS) than the sender's limit of open files:
  // the worker of any other VM can bring that about. Replies with a descriptor become ENFILE then.
  ErrnoOrVoid Flush();

 private:
  struct File {
    size_t reply;  // The index of the reply that it goes with.
    OpenFileRef file;
  };

  ErrnoOrVoid Send();
  void TurnFilesIntoErrors();

  const TakeBack take_back_;
  const std::chrono::microseconds delay_;
  RpcChannel* channel_ = nullptr;
  absl::Mutex* mutex_ = nullptr;
  const std::unique_ptr<std::byte[]> buffer_;  // kMaxMessageBytes
  size_t used_ = 0;
  size_t replies_ = 0;
  bool several_ = false;
  // When the last message was, or Begin() called; if several_.
  std::chrono::steady_clock::time_point sent_;
  std::vector<File> files_;
  ErrnoOrVoid failure_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_REPLY_WRITER_H_
