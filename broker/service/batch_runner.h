// From one message of requests to the messages of their replies.
#ifndef POSTERN_BROKER_SERVICE_BATCH_RUNNER_H_
#define POSTERN_BROKER_SERVICE_BATCH_RUNNER_H_

#include <absl/synchronization/mutex.h>
#include <google/protobuf/arena.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "broker/operations/filesystem.h"
#include "broker/operations/operation_table.h"
#include "broker/service/current_session.h"
#include "broker/service/reply_writer.h"
#include "common/errno_or.h"
#include "common/rpc/rpc_channel.h"
#include "proto/rpc.pb.h"

namespace postern {

// Runs one batch at a time. One for each thread of the service, reused from message to message: it
// allocates nothing in the steady state.
class BatchRunner {
 public:
  // `filesystem` and `session` are borrowed. `reply_delay`: ReplyWriter's.
  BatchRunner(Filesystem& filesystem, CurrentSession& session,
              std::chrono::microseconds reply_delay);
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  // The batch that `message` is. What is malformed about it, or null; all of it is checked before
  // any of it runs. Call Drop() in the end, whatever it answers.
  const char* Take(std::span<const std::byte> message);
  // Runs the requests without a reply, forgets: the worker has told the guest that they are done,
  // so they come before whatever the channel brings next.
  void RunUnanswered();
  // Runs the others, and sends their replies to `channel`; `send_mutex` guards that. Errors are
  // Channel::Send()'s.
  ErrnoOrVoid RunAnswered(RpcChannel& channel, absl::Mutex& send_mutex);
  void Drop();

 private:
  // Runs one of them in `session`, or changes that, and adds its reply.
  ErrnoOrVoid Answer(const OperationRow& row, const rpc::Request& request,
                     std::shared_ptr<Session>& session);
  // Closes the file that a reply should have brought, whose descriptor couldn't be sent.
  void TakeBack(const rpc::Reply& reply, const OpenFileRef& file);

  Filesystem& filesystem_;
  CurrentSession& current_;
  const std::unique_ptr<char[]> arena_block_;
  google::protobuf::Arena arena_;
  rpc::RequestBatch* batch_ = nullptr;  // In the arena.
  const std::unique_ptr<OperationScratch> scratch_ = std::make_unique<OperationScratch>();
  ReplyWriter writer_;
  const std::function<void()> flush_ = [this] { (void)writer_.Flush(); };  // It remembers errors.
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_BATCH_RUNNER_H_
