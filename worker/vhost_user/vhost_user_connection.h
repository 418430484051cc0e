// Framing of vhost-user messages on the stream socket.
#ifndef POSTERN_WORKER_VHOST_USER_VHOST_USER_CONNECTION_H_
#define POSTERN_WORKER_VHOST_USER_VHOST_USER_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"
#include "worker/vhost_user/vhost_user_protocol.h"

namespace postern {

// One message of the front end.
struct VhostUserMessage {
  uint32_t request = 0;  // As on the wire: may be one that we don't know.
  bool need_reply = false;
  std::vector<std::byte> payload;     // At most kMaxVhostUserPayload.
  std::vector<UniqueFd> descriptors;  // At most kMaxVhostUserDescriptors, all close-on-exec.
};

// One thread's.
class VhostUserConnection {
 public:
  // Takes a connected AF_UNIX stream socket. `stop_fd` is borrowed; -1: none.
  explicit VhostUserConnection(UniqueFd socket, int stop_fd = -1);

  // Waits for the next message and receives exactly it, however the stream is cut: what comes after
  // it stays in the socket. On error no descriptor stays open.
  //   ECONNRESET  the front end has closed the connection, or is gone
  //   ECANCELED   stop_fd is readable
  //   EPROTO      the stream is not, or no longer, vhost-user: wrong version or flags, a payload or
  //   descriptors over the
  //               limits, control data that isn't descriptors, an end within a message
  // After any of these the connection is of no more use.
  ErrnoOrVoid Receive(VhostUserMessage& message);
  // What was wrong, for a log, after EPROTO.
  const char* reason() const { return reason_; }

  // Sends the reply to `request`. Errors as Receive(): ECONNRESET, ECANCELED, others of sendmsg(2).
  ErrnoOrVoid Reply(uint32_t request, std::span<const std::byte> payload);

 private:
  ErrnoOrVoid Malformed(const char* reason);
  // Waits for `events` of the socket.
  ErrnoOrVoid Wait(short events);
  ErrnoOrVoid ReceiveHeader(VhostUserHeader& header, std::vector<UniqueFd>& descriptors);
  // One recvmsg(2) that takes at most `to.size()` bytes, and the descriptors with them. Returns the
  // number of bytes, not 0.
  ErrnoOr<size_t> ReceiveSome(std::span<std::byte> to, std::vector<UniqueFd>& descriptors);

  const UniqueFd socket_;
  const int stop_fd_;
  const char* reason_ = "";
};

}  // namespace postern

#endif  // POSTERN_WORKER_VHOST_USER_VHOST_USER_CONNECTION_H_
