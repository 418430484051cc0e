// Messages through memory that two processes share, in one direction.
#ifndef POSTERN_COMMON_RPC_MESSAGE_RING_H_
#define POSTERN_COMMON_RPC_MESSAGE_RING_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/errno_or.h"

namespace postern {

// What lies in the shared memory. Each side trusts nothing of it but what it has written itself and
// keeps a copy of: the other side may write anything anywhere, at any time.
struct MessageRingMemory {
  static constexpr size_t kDataBytes = size_t{64} << 10;  // A power of two.

  // Free-running, in bytes. Each on a cache line of its own, because each has one writer.
  alignas(64) std::atomic<uint64_t> written;
  // Where the writer ran when it last wrote or sent something (CurrentProcessor()): a hint.
  std::atomic<uint32_t> writer_processor;
  // When it woke the reader that has slept last, in nanoseconds of the steady clock; 0: it hasn't.
  // A hint.
  std::atomic<uint64_t> woken_at;
  alignas(64) std::atomic<uint64_t> read;
  // Whether the reader wants its doorbell rung: 0 or 1.
  alignas(64) std::atomic<uint32_t> waiting;
  // Messages that went over the socket instead, as sent and as received.
  alignas(64) std::atomic<uint64_t> socket_sent;
  alignas(64) std::atomic<uint64_t> socket_received;
  alignas(4096) std::byte data[kDataBytes];
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

// The writing end. One thread at a time.
class MessageRingWriter {
 public:
  explicit MessageRingWriter(MessageRingMemory* memory) : memory_(memory) {}

  // The largest message that goes this way.
  static constexpr size_t kMaxBytes = MessageRingMemory::kDataBytes / 2;

  // False if the message is too large, or if there is no room now, or if one sent before it over
  // the socket hasn't been received yet: messages keep their order.
  bool Write(std::span<const std::byte> message);
  // Counts one that was sent over the socket.
  void CountSocketMessage();

  // Whether the reader's doorbell is to be rung for it to see what was written.
  bool WakesReader();

 private:
  void CopyIn(uint64_t position, std::span<const std::byte> bytes);
  void NoteProcessor();

  MessageRingMemory* const memory_;
  uint64_t written_ = 0;
  uint64_t socket_sent_ = 0;
  uint32_t processor_ = 0;  // What the memory says.
};

// The reading end. One thread at a time, but for what says otherwise.
class MessageRingReader {
 public:
  explicit MessageRingReader(MessageRingMemory* memory) : memory_(memory) {}

  // Copies the next message into `to`, which has room for MessageRingWriter::kMaxBytes, and returns
  // its size; 0: there is none. EBADMSG: the ring makes no sense; an honest writer never causes it.
  ErrnoOr<size_t> Read(std::span<std::byte> to);
  // Whether one comes over the socket: after all that is in the ring by now. So ask it before
  // Read(), and look there when that finds none. Any thread.
  bool SocketIsNext() const;
  // Counts one that was received over the socket.
  void CountSocketMessage();

  // Where the writer ran when it last wrote or sent something, as it says (CurrentProcessor()).
  uint32_t writer_processor() const {
    return memory_->writer_processor.load(std::memory_order_relaxed);
  }

  // How long ago the writer says that it has woken this side from the last sleep; 0: it hasn't, or
  // what it says makes no sense. It may lie.
  std::chrono::nanoseconds SinceWoken() const;

  // From here on the writer rings the doorbell. False: there may be a message already, don't sleep.
  // Any thread.
  bool PrepareToSleep();
  // No need to ring it any more. Any thread.
  void Awake() { memory_->waiting.store(0, std::memory_order_relaxed); }

  // A hint. By our own counts: what we have published of them may have been overwritten, and then
  // there would seem to be a message that nobody ever finds. Any thread.
  bool MayHaveMessage() const;

 private:
  void CopyOut(uint64_t position, std::span<std::byte> to) const;

  MessageRingMemory* const memory_;
  // Changed by the reading thread alone.
  std::atomic<uint64_t> read_{0};
  std::atomic<uint64_t> socket_received_{0};
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_MESSAGE_RING_H_
