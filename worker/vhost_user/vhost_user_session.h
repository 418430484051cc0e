// One connection of a front end (QEMU, User-Mode Linux), from its first message to its end.
#ifndef POSTERN_WORKER_VHOST_USER_VHOST_USER_SESSION_H_
#define POSTERN_WORKER_VHOST_USER_VHOST_USER_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"
#include "worker/vhost_user/config_space.h"
#include "worker/vhost_user/device_queue.h"
#include "worker/vhost_user/vhost_user_connection.h"
#include "worker/vhost_user/vring_set.h"

namespace postern {

// Turns the front end's messages into what they mean for the device. The front end is trusted more
// than the guest, since it owns the guest's memory; but it speaks for the guest where it passes on
// what a driver wrote, and it may be a different version, so every message is checked all the same.
//
// What goes wrong is answered in one of three ways: with a nack where an answer is due; else, if
// the value may be the guest's, not at all, and the ring concerned doesn't start; else by ending
// the connection.
class VhostUserSession {
 public:
  struct Options {
    std::string tag;   // Not empty: offer the configuration space with this tag.
    int stop_fd = -1;  // Borrowed. Run() returns soon after it becomes readable.
  };

  // `device` must outlive the session; all its queues are stopped and disabled.
  VhostUserSession(UniqueFd socket, Device& device, const Options& options);

  // Serves until the front end disconnects or stop_fd is readable (success), or until it breaks the
  // protocol (an errno, and one line in the log). Then all queues are stopped and disabled and the
  // device is reset. Call it once.
  ErrnoOrVoid Run();

 private:
  struct Operation;
  static const Operation* FindOperation(uint32_t request);

  ErrnoOrVoid Serve(VhostUserMessage& message);
  // Checks sizes and calls the handler.
  ErrnoOrVoid Handle(const Operation& operation, VhostUserMessage& message);
  // Counts, and is silent after the first few.
  void LogRefused(const VhostUserMessage& message, Errno error);
  void SetReply(uint64_t value);

  // The operations, in the order of the table. A natural reply goes to reply_.
  ErrnoOrVoid GetFeatures(VhostUserMessage& message);
  ErrnoOrVoid SetFeatures(VhostUserMessage& message);
  ErrnoOrVoid SetOwner(VhostUserMessage& message);
  ErrnoOrVoid ResetOwner(VhostUserMessage& message);
  ErrnoOrVoid SetMemTable(VhostUserMessage& message);
  ErrnoOrVoid SetVringNum(VhostUserMessage& message);
  ErrnoOrVoid SetVringAddr(VhostUserMessage& message);
  ErrnoOrVoid SetVringBase(VhostUserMessage& message);
  ErrnoOrVoid GetVringBase(VhostUserMessage& message);
  ErrnoOrVoid SetVringKick(VhostUserMessage& message);
  ErrnoOrVoid SetVringCall(VhostUserMessage& message);
  ErrnoOrVoid SetVringErr(VhostUserMessage& message);
  ErrnoOrVoid GetProtocolFeatures(VhostUserMessage& message);
  ErrnoOrVoid SetProtocolFeatures(VhostUserMessage& message);
  ErrnoOrVoid GetQueueNum(VhostUserMessage& message);
  ErrnoOrVoid SetVringEnable(VhostUserMessage& message);
  ErrnoOrVoid SetBackendReqFd(VhostUserMessage& message);
  ErrnoOrVoid GetConfig(VhostUserMessage& message);
  ErrnoOrVoid SetConfig(VhostUserMessage& message);
  ErrnoOrVoid ResetDevice(VhostUserMessage& message);
  ErrnoOrVoid GetMaxMemSlots(VhostUserMessage& message);
  ErrnoOrVoid AddMemReg(VhostUserMessage& message);
  ErrnoOrVoid RemMemReg(VhostUserMessage& message);

  VhostUserConnection connection_;
  Device& device_;
  const ConfigSpace config_space_;
  const uint64_t offered_protocol_features_;
  uint64_t protocol_features_ = 0;  // Acknowledged.
  VringSet vrings_;
  UniqueFd
      backend_channel_;  // Kept so that the front end sees it open; nothing is ever sent there.
  std::vector<std::byte> reply_;
  uint32_t refused_ = 0;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VHOST_USER_VHOST_USER_SESSION_H_
