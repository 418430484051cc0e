// The message channel between worker and broker: Channel's messages, through shared memory where
// they fit.
#ifndef POSTERN_COMMON_RPC_RPC_CHANNEL_H_
#define POSTERN_COMMON_RPC_RPC_CHANNEL_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/rpc/channel.h"
#include "common/rpc/message_ring.h"
#include "common/unique_fd.h"

namespace postern {

// Messages without descriptors that aren't large go through a ring in shared memory, which spares
// the kernel's copies and most of its calls; all others go over the socket. Messages arrive in the
// order in which they were sent. As for Channel, one thread at a time receives and one sends, and
// the peer is not trusted.
class RpcChannel {
 public:
  // Which of the two ends.
  enum class End { kWorker, kBroker };

  // What an end is made of, as it is handed to another process.
  static constexpr size_t kDescriptors = 4;
  struct Parts {
    UniqueFd socket;
    UniqueFd memory;         // Of both ends.
    UniqueFd doorbell;       // Rung for this end.
    UniqueFd peer_doorbell;  // Rung by this end.
  };

  // Maps the memory.
  static ErrnoOr<RpcChannel> Open(Parts parts, End end);
  // Adds `parts` to descriptors for a message, and takes them out of what has been received: the
  // first kDescriptors of it.
  static void Append(Parts parts, std::vector<UniqueFd>& descriptors);
  static Parts TakeParts(std::span<UniqueFd> descriptors);
  // Both ends, the worker's first.
  static ErrnoOr<std::pair<Parts, Parts>> CreatePair();

  RpcChannel(RpcChannel&&) noexcept = default;
  RpcChannel& operator=(RpcChannel&&) noexcept = default;
  ~RpcChannel() = default;

  // As Channel's, without waiting: EAGAIN if nothing is there. ECONNRESET is only noticed when
  // PeerHasHungUp() has been called. EBADMSG: also a ring that makes no sense.
  ErrnoOr<ReceivedMessage> Receive(size_t max_descriptors,
                                   Channel::Loss loss = Channel::Loss::kRefuse);
  ErrnoOrVoid Send(std::span<const std::byte> bytes, std::span<const int> descriptors = {},
                   Channel::Wait wait = Channel::Wait::kBlock);

  // Whether Receive() may find something.
  bool MayHaveMessage() const { return rings_->in.MayHaveMessage(); }

  // Whether the peer, when it last sent something, ran on the processor that the calling thread
  // runs on now: it can't send while we keep that busy. A hint, and the peer's word.
  bool PeerSharesProcessor() const;

  // Where it ran then, or 0, and how long ago it last woke this end: hints, and the peer's word.
  uint32_t peer_processor() const { return rings_->in.writer_processor(); }
  std::chrono::nanoseconds SinceWoken() const { return rings_->in.SinceWoken(); }

  // So says the socket: the next Receive() looks there even if nothing is announced. Not earlier:
  // what lies there unannounced comes after what the peer is yet to write into the ring.
  void PeerHasHungUp() { look_at_socket_ = true; }

  // Before sleeping until the doorbell rings: false if there may be a message already. Any thread.
  bool PrepareToSleep() { return rings_->in.PrepareToSleep(); }
  // After it. Any thread.
  void Awake() { rings_->in.Awake(); }

  // To poll while the doorbell is prepared for: it tells of all messages, those in the socket
  // included.
  const EventFd& doorbell() const { return *rings_->doorbell; }
  // Gives it away, for who has use for one of his own.
  EventFd TakeDoorbell() { return *std::move(rings_->doorbell); }
  // The socket.
  int fd() const { return socket_.fd(); }

 private:
  struct Memory {
    std::array<MessageRingMemory, 2> rings;  // To the broker, to the worker.
  };
  struct Rings {
    Rings(Memory* mapped, End end, EventFd own, EventFd peer)
        : memory(mapped),
          in(&mapped->rings[end == End::kBroker ? 0 : 1]),
          out(&mapped->rings[end == End::kBroker ? 1 : 0]),
          doorbell(std::move(own)),
          peer_doorbell(std::move(peer)),
          buffer(std::make_unique<std::byte[]>(MessageRingWriter::kMaxBytes)) {}
    Rings(const Rings&) = delete;
    Rings& operator=(const Rings&) = delete;
    ~Rings();

    Memory* const memory;
    MessageRingReader in;
    MessageRingWriter out;
    std::optional<EventFd> doorbell;
    const EventFd peer_doorbell;
    const std::unique_ptr<std::byte[]> buffer;  // Of what was read last.
  };

  RpcChannel(Channel socket, std::unique_ptr<Rings> rings)
      : socket_(std::move(socket)), rings_(std::move(rings)) {}

  Channel socket_;
  std::unique_ptr<Rings> rings_;  // Never null, but in what was moved from.
  bool look_at_socket_ = false;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_RPC_CHANNEL_H_
