// From one message of requests to the messages of their replies.
#ifndef POSTERN_BROKER_SERVICE_BATCH_RUNNER_H_
#define POSTERN_BROKER_SERVICE_BATCH_RUNNER_H_

#include <absl/synchronization/mutex.h>
#include <google/protobuf/arena.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "broker/operations/filesystem.h"
#include "broker/operations/operation_table.h"
#include "broker/service/current_session.h"
#include "broker/service/reply_writer.h"
#include "broker/service/slow_operations.h"
#include "broker/service/waiting_room.h"
#include "common/errno_or.h"
#include "common/rpc/rpc_channel.h"
#include "proto/rpc.pb.h"

namespace postern {

// Runs one batch at a time. One for each thread of the service, reused from message to message: it
// allocates nothing in the steady state.
class BatchRunner {
 public:
  // Shared by all runners. All are borrowed.
  struct Parts {
    Filesystem& filesystem;
    CurrentSession& session;
    SlowOperations& slow;
    WaitingRoom& waiting_room;
  };

  // `reply_delay`: ReplyWriter's.
  BatchRunner(const Parts& parts, std::chrono::microseconds reply_delay);
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  // The batch that `message` is. What is malformed about it, or null; all of it is checked before
  // any of it runs. Call Drop() in the end, whatever it answers.
  const char* Take(std::span<const std::byte> message);
  // Where replies go, and what guards that.
  struct Destination {
    RpcChannel& channel;
    absl::Mutex& send_mutex;
  };
  // Runs the requests, and sends their replies. First those without one, forgets: the worker has
  // told the guest that they are done, and others may need the room that they make. What is known
  // to be slow goes to the waiting room instead. Errors are Channel::Send()'s.
  ErrnoOrVoid RunAll(const Destination& to);
  void Drop();

  // From other threads: how many operations have begun, and what is to be done if the last one of
  // so many is still running, which is stuck then. What is answered already is sent, the requests
  // behind it go to the waiting room, and others of the kind aren't trusted any more.
  uint64_t begun() const { return begun_.load(std::memory_order_relaxed); }
  void SeizeIfAt(uint64_t begun);

  // Runs what has been in the waiting room, and sends its reply. Takes work.session. Errors as
  // above.
  ErrnoOrVoid RunWaiting(WaitingRoom::Work& work);

 private:
  // Gives a request to the waiting room. False if there is no room.
  bool Hand(const rpc::Request& request, uint64_t device);
  void RunUnanswered();
  // Others may look at what the calling thread works on, until End(): an operation has begun.
  void Begin();
  void End(int operation);
  // What is to be done with the next request, if anything is known to be slow. True: it waits.
  bool HandIfSlow(const rpc::Request& request, const OperationRow& row);
  // One of them, on this thread, measured if there is a meter.
  class WaitMeter;
  ErrnoOrVoid RunHere(const rpc::Request& request, const OperationRow& row, const WaitMeter* meter);
  // Runs a request in `session`, or changes that. What goes with the reply, if anything.
  OpenFileRef Run(const OperationRow& row, const rpc::Request& request,
                  std::shared_ptr<Session>& session, rpc::Reply& reply);
  // By an operation that runs.
  void FlushBeforeSlow();
  // Closes the file that a reply should have brought, whose descriptor couldn't be sent.
  void TakeBack(const rpc::Reply& reply, const OpenFileRef& file);

  const Parts parts_;
  const std::unique_ptr<char[]> arena_block_;
  google::protobuf::Arena arena_;
  rpc::RequestBatch* batch_ = nullptr;  // In the arena.

  // Of RunAll(). While an operation runs its thread touches none of it, nor writer_, so that
  // SeizeIfAt() may: state_ says which of the two.
  const Destination* to_ = nullptr;
  std::shared_ptr<Session> session_;
  int index_ = 0;  // In batch_; -1: at the forgets.
  enum State : uint32_t { kBetween, kRunning, kSeized };
  std::atomic<uint32_t> state_{kBetween};
  std::atomic<uint64_t> begun_{0};
  absl::Mutex seize_mutex_;    // Held over SeizeIfAt().
  uint64_t stuck_device_ = 0;  // What that has found.

  const std::unique_ptr<OperationScratch> scratch_ =
      std::make_unique_for_overwrite<OperationScratch>();
  ReplyWriter writer_;
  const std::function<void()> flush_ = [this] { FlushBeforeSlow(); };
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_BATCH_RUNNER_H_
