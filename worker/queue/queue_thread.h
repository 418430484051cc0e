// The thread that serves one virtqueue.
#ifndef POSTERN_WORKER_QUEUE_QUEUE_THREAD_H_
#define POSTERN_WORKER_QUEUE_QUEUE_THREAD_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/event_fd.h"
#include "common/rpc/peer_waiting.h"
#include "common/rpc/rpc_channel.h"
#include "common/unique_fd.h"
#include "worker/queue/fuse_queue.h"
#include "worker/queue/queue_commands.h"
#include "worker/vhost_user/device_queue.h"

namespace postern {

// Waits on the ring's kick, on its RPC channel and on commands of the connection's thread; whatever
// there is, it does it on its own thread, so the ring needs no lock. If the broker goes away
// nothing can be served any more, and the process ends.
class QueueThread : public DeviceQueue {
 public:
  // Starts the thread. `shared` outlives it. `name` is at most 15 bytes.
  QueueThread(FuseShared& shared, RpcChannel channel, EventFd wake, std::string name);
  ~QueueThread() override;

  // DeviceQueue. Each returns when the thread has done it.
  void Start(Ring ring) override;
  Ring Stop() override;
  void SetEnabled(bool enabled) override;
  void SetMemory(std::shared_ptr<const MemoryTable> memory) override;
  void SetKick(UniqueFd kick) override;
  void SetCall(UniqueFd call) override;
  void SetError(UniqueFd error) override;

  // Has the broker end the FUSE session over this queue's channel. Precondition: stopped.
  void EndSession();

 private:
  using Action = QueueCommand::Action;

  void Run();
  // Over all that there may be to do, once. Whether the ring may have more requests than one pass
  // takes.
  bool Pass();
  // There was nothing to do. False: nor is there anything to be gained by looking again now.
  bool LookAgain();
  // Begins a command, if one waits. Returns false for kQuit.
  bool BeginCommand();
  // Ends it if its condition holds.
  void EndCommand();

  // Whether requests are to be taken from the ring now.
  bool serving() const;
  // Whether nothing taken from the ring is unanswered.
  bool drained() const;
  // Takes what the broker has answered, if it can have.
  void TakeReplies();
  void PublishUsed();
  void ReportBroken();
  // The ring is to be given back, and isn't drained().
  void DrainFurther();
  // How long poll(2) may wait; milliseconds, -1: until something happens.
  int WaitTime(bool ring_wanted) const;
  // Sleeps until there is something to do.
  void Wait();
  // Takes what poll() found at the kick descriptor.
  void TakeKick(short events);

  // The thread's own.
  const EventFd wake_;
  const std::chrono::milliseconds stop_patience_;
  FuseQueue fuse_;
  PeerWaiting peer_waiting_;
  const std::string name_;
  Ring ring_;
  bool enabled_ = false;
  bool draining_ = false;  // kStop is under way.
  // While draining_: until when all is waited for, and whether that is over.
  std::chrono::steady_clock::time_point patience_end_;
  bool impatient_ = false;
  bool broken_reported_ = false;
  bool kick_ended_ = false;        // Nobody can kick any more.
  bool channel_readable_ = false;  // When last waited for.
  UniqueFd call_;
  UniqueFd error_;
  std::optional<QueueCommand> current_;  // Begun and not ended.

  QueueCommands commands_{wake_};

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_QUEUE_THREAD_H_
