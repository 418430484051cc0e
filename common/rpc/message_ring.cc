#include "common/rpc/message_ring.h"

#include <algorithm>
#include <cstring>

#include "common/rpc/processor.h"

namespace postern {
namespace {

constexpr size_t kDataBytes = MessageRingMemory::kDataBytes;
static_assert((kDataBytes & (kDataBytes - 1)) == 0);

// Each message is its size, and its bytes rounded up to a multiple of that.
using Size = uint64_t;

constexpr uint64_t RoundedUp(uint64_t bytes) {
  return (bytes + sizeof(Size) - 1) / sizeof(Size) * sizeof(Size);
}

// Of the steady clock, which is the same in all processes.
uint64_t Now() {
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(now.count());
}

}  // namespace

bool MessageRingWriter::Write(std::span<const std::byte> message) {
  if (message.size() > kMaxBytes) return false;
  if (memory_->socket_received.load(std::memory_order_relaxed) != socket_sent_) return false;
  const uint64_t used = written_ - memory_->read.load(std::memory_order_acquire);
  const uint64_t needed = sizeof(Size) + RoundedUp(message.size());
  // A reader that lies about what it has read gets nothing, or loses what it hasn't read yet.
  if (used > kDataBytes || needed > kDataBytes - used) return false;
  const Size size = message.size();
  CopyIn(written_, std::as_bytes(std::span(&size, 1)));
  CopyIn(written_ + sizeof(Size), message);
  NoteProcessor();
  written_ += needed;
  memory_->written.store(written_, std::memory_order_release);
  return true;
}

void MessageRingWriter::CopyIn(uint64_t position, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;  // Their address may be null, which memcpy(3) doesn't take.
  const size_t at = position % kDataBytes;
  const size_t first = std::min(bytes.size(), kDataBytes - at);
  std::memcpy(memory_->data + at, bytes.data(), first);
  std::memcpy(memory_->data, bytes.data() + first, bytes.size() - first);
}

void MessageRingWriter::NoteProcessor() {
  const uint32_t processor = CurrentProcessor();
  if (processor == processor_) return;
  processor_ = processor;
  memory_->writer_processor.store(processor, std::memory_order_relaxed);
}

void MessageRingWriter::CountSocketMessage() {
  NoteProcessor();
  memory_->socket_sent.store(++socket_sent_, std::memory_order_release);
}

bool MessageRingWriter::WakesReader() {
  // We write a message and then look whether the reader sleeps, it says that it sleeps and then
  // looks for a message: without a full fence on both sides each may miss the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (memory_->waiting.load(std::memory_order_relaxed) == 0) return false;
  memory_->woken_at.store(Now(), std::memory_order_relaxed);
  // In one step: two threads of the writer's process, one after the other, ring once.
  return memory_->waiting.exchange(0, std::memory_order_relaxed) != 0;
}

ErrnoOr<size_t> MessageRingReader::Read(std::span<std::byte> to) {
  const uint64_t position = read_.load(std::memory_order_relaxed);
  const uint64_t available = memory_->written.load(std::memory_order_acquire) - position;
  if (available == 0) return size_t{0};
  if (available > kDataBytes || available < sizeof(Size)) return Errno(EBADMSG);
  Size size = 0;
  CopyOut(position, std::as_writable_bytes(std::span(&size, 1)));
  // The compiler must not look into the shared memory again instead of into the copy.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (size == 0 || size > MessageRingWriter::kMaxBytes || size > to.size() ||
      RoundedUp(size) > available - sizeof(Size)) {
    return Errno(EBADMSG);
  }
  CopyOut(position + sizeof(Size), to.first(size));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  const uint64_t next = position + sizeof(Size) + RoundedUp(size);
  read_.store(next, std::memory_order_relaxed);
  memory_->read.store(next, std::memory_order_release);
  return static_cast<size_t>(size);
}

void MessageRingReader::CopyOut(uint64_t position, std::span<std::byte> to) const {
  const size_t at = position % kDataBytes;
  const size_t first = std::min(to.size(), kDataBytes - at);
  std::memcpy(to.data(), memory_->data + at, first);
  std::memcpy(to.data() + first, memory_->data, to.size() - first);
}

bool MessageRingReader::SocketIsNext() const {
  // One may be received before its sender has counted it.
  return static_cast<int64_t>(memory_->socket_sent.load(std::memory_order_acquire) -
                              socket_received_.load(std::memory_order_relaxed)) > 0;
}

void MessageRingReader::CountSocketMessage() {
  const uint64_t received = socket_received_.load(std::memory_order_relaxed) + 1;
  socket_received_.store(received, std::memory_order_relaxed);
  memory_->socket_received.store(received, std::memory_order_release);
}

bool MessageRingReader::MayHaveMessage() const {
  return memory_->written.load(std::memory_order_relaxed) !=
             read_.load(std::memory_order_relaxed) ||
         SocketIsNext();
}

std::chrono::nanoseconds MessageRingReader::SinceWoken() const {
  const uint64_t woken_at = memory_->woken_at.load(std::memory_order_relaxed);
  const uint64_t now = Now();
  return std::chrono::nanoseconds(woken_at == 0 || woken_at > now ? 0 : now - woken_at);
}

bool MessageRingReader::PrepareToSleep() {
  // Or who finds a message now, and doesn't sleep, would take an older sleep's end for this one's.
  memory_->woken_at.store(0, std::memory_order_relaxed);
  memory_->waiting.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return !MayHaveMessage();
}

}  // namespace postern
