// The message channel between two of our processes: whole protobuf messages, with descriptors, over
// SOCK_SEQPACKET.
#ifndef POSTERN_COMMON_RPC_CHANNEL_H_
#define POSTERN_COMMON_RPC_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace google::protobuf {
class MessageLite;
}

namespace postern {

// The largest message that either side sends or takes, in bytes. Below the default socket buffer
// (net.core.wmem_default, 212992), so that a message that fits this always fits an empty socket.
inline constexpr size_t kMaxMessageBytes = 128 * 1024;
// The most descriptors in one message; the kernel's own limit is 253 (SCM_MAX_FD).
inline constexpr size_t kMaxMessageDescriptors = 64;

// One received message. `bytes` points into the Channel that received it and holds until its next
// Receive().
struct ReceivedMessage {
  std::span<const std::byte> bytes;
  std::vector<UniqueFd> descriptors;
  // Only as Loss::kReport has it.
  bool descriptors_lost = false;
};

// One end of a socketpair. Receive() may be called by one thread at a time, and Send() by one
// thread at a time; the two don't disturb each other. The peer is not trusted: whatever it sends,
// Receive() returns a bounded message or an error, and no descriptor stays open that its caller
// doesn't own.
class Channel {
 public:
  enum class Wait { kBlock, kDontBlock };
  // What becomes of a message that brought more descriptors than the kernel could give: this
  // process's table is full (or the peer sent more than kMaxMessageDescriptors).
  enum class Loss {
    kRefuse,  // EMSGSIZE, as for any message that was cut.
    kReport,  // The message, with the first so many, and descriptors_lost.
  };

  // Takes a connected SOCK_SEQPACKET socket.
  explicit Channel(UniqueFd socket);
  Channel(Channel&&) noexcept = default;
  Channel& operator=(Channel&&) noexcept = default;

  // Two connected ends, both close-on-exec.
  static ErrnoOr<std::pair<Channel, Channel>> CreatePair();

  // Receives one message with at most `max_descriptors` descriptors, all of them close-on-exec.
  //   EAGAIN      kDontBlock, and nothing is there
  //   ECONNRESET  the peer is gone
  //   EMSGSIZE    the message or its control data was cut: over kMaxMessageBytes or over
  //   kMaxMessageDescriptors EBADMSG     more descriptors than allowed, or control data that isn't
  //   descriptors
  // After EMSGSIZE and EBADMSG the caller must end the session: an honest peer never causes them.
  ErrnoOr<ReceivedMessage> Receive(size_t max_descriptors, Wait wait = Wait::kBlock,
                                   Loss loss = Loss::kRefuse);

  // Sends one message. The descriptors stay the caller's.
  //   EAGAIN      kDontBlock, and the socket is full (or SO_SNDTIMEO ran out): nothing was sent
  //   EPIPE, ECONNRESET  the peer is gone
  //   EMSGSIZE    the message exceeds kMaxMessageBytes or kMaxMessageDescriptors: nothing was sent
  ErrnoOrVoid Send(std::span<const std::byte> bytes, std::span<const int> descriptors = {},
                   Wait wait = Wait::kBlock);

  // Send() of a protobuf message, serialized into a buffer that is reused. EMSGSIZE as above.
  ErrnoOrVoid SendMessage(const google::protobuf::MessageLite& message,
                          std::span<const int> descriptors = {}, Wait wait = Wait::kBlock);
  // Receive() and parse into `message`; the descriptors are returned. EBADMSG also if it doesn't
  // parse.
  ErrnoOr<std::vector<UniqueFd>> ReceiveMessage(google::protobuf::MessageLite& message,
                                                size_t max_descriptors, Wait wait = Wait::kBlock);

  int fd() const { return socket_.get(); }
  // Gives the socket away, for handing it to another process.
  UniqueFd TakeSocket() { return std::move(socket_); }

 private:
  UniqueFd socket_;
  // Fixed buffers of kMaxMessageBytes each, so that receiving allocates nothing on the peer's word.
  std::unique_ptr<std::byte[]> receive_buffer_;
  std::unique_ptr<std::byte[]> send_buffer_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_CHANNEL_H_
