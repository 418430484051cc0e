// Both ends of a ring in shared memory, between which the input writes what it likes: the fields,
// the data, and in between an honest message now and then. Nothing is read or written outside of
// the ring (AddressSanitizer), and as long as only honest ends have written, each message arrives
// as it was sent.
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "common/rpc/message_ring.h"
#include "tests/fuzz/fuzz_input.h"

namespace postern {
namespace {

enum class Step : uint8_t {
  kRead,
  kWrite,
  kReadTooSmall,
  kSleep,
  kCount,
  kWake,
  // From here on they tamper.
  kData,
  kHeader,
  kWritten,
  kReadCount,
  kWaiting,
  kSocketSent,
  kSocketReceived,
  kSteps
};

class Ring {
 public:
  Ring() : memory_(std::make_unique<MessageRingMemory>()) {}

  void Run(FuzzInput& input) {
    while (!input.AtEnd()) {
      const auto step =
          static_cast<Step>(input.Take<uint8_t>() % static_cast<uint8_t>(Step::kSteps));
      if (step >= Step::kData) honest_ = false;
      Do(step, input);
    }
  }

 private:
  void Do(Step step, FuzzInput& input) {
    switch (step) {
      case Step::kRead:
        return Read(std::span(*buffer_));
      case Step::kReadTooSmall:
        honest_ = false;
        return Read(std::span(*buffer_).first(16));
      case Step::kWrite:
        return Write(input);
      case Step::kSleep: {
        const bool may_sleep = reader_.PrepareToSleep();
        if (honest_) POSTERN_HOLDS(may_sleep == (sent_.empty() && !reader_.SocketIsNext()));
        return reader_.Awake();
      }
      case Step::kCount:
        return reader_.SocketIsNext() ? reader_.CountSocketMessage() : writer_.CountSocketMessage();
      case Step::kWake:
        (void)writer_.WakesReader();
        POSTERN_HOLDS(memory_->waiting == 0);
        return;
      case Step::kData: {
        const auto at = input.Take<uint16_t>();
        const auto bytes = input.TakeBytes(input.Take<uint8_t>());
        for (size_t i = 0; i < bytes.size(); ++i) {
          memory_->data[(at + i) % MessageRingMemory::kDataBytes] = bytes[i];
        }
        return;
      }
      case Step::kHeader: {
        // Where the next message is read.
        const size_t at = memory_->read % MessageRingMemory::kDataBytes;
        const auto size = input.Take<uint64_t>();
        if (at <= MessageRingMemory::kDataBytes - sizeof(size)) {
          std::memcpy(memory_->data + at, &size, sizeof(size));
        }
        return;
      }
      case Step::kWritten:
        memory_->written = input.Take<uint64_t>();
        return;
      case Step::kReadCount:
        memory_->read = input.Take<uint64_t>();
        return;
      case Step::kWaiting:
        memory_->waiting = input.Take<uint32_t>();
        return;
      case Step::kSocketSent:
        memory_->socket_sent = input.Take<uint64_t>();
        return;
      case Step::kSocketReceived:
        memory_->socket_received = input.Take<uint64_t>();
        return;
      case Step::kSteps:
        return;
    }
  }

  void Read(std::span<std::byte> to) {
    const ErrnoOr<size_t> size = reader_.Read(to);
    if (!size.ok()) {
      POSTERN_HOLDS(!honest_ && size.errno_value() == EBADMSG);
      return;
    }
    POSTERN_HOLDS(*size <= to.size());
    if (!honest_) return;
    POSTERN_HOLDS((*size == 0) == sent_.empty());
    if (*size == 0) return;
    POSTERN_HOLDS(*size == sent_.front().size());
    POSTERN_HOLDS(std::memcmp(to.data(), sent_.front().data(), *size) == 0);
    sent_.pop_front();
  }

  // Of any size up to more than what fits, from few bytes of input.
  void Write(FuzzInput& input) {
    const size_t size = 1 + input.Take<uint16_t>();
    const auto seed = input.Take<uint8_t>();
    std::vector<std::byte> message(size);
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<std::byte>(seed + i);
    const bool written = writer_.Write(message);
    POSTERN_HOLDS(!written || size <= MessageRingWriter::kMaxBytes);
    if (written && honest_) sent_.push_back(std::move(message));
  }

  using Buffer = std::array<std::byte, MessageRingWriter::kMaxBytes>;

  const std::unique_ptr<MessageRingMemory> memory_;
  const std::unique_ptr<Buffer> buffer_ = std::make_unique<Buffer>();
  MessageRingWriter writer_{memory_.get()};
  MessageRingReader reader_{memory_.get()};
  bool honest_ = true;
  std::deque<std::vector<std::byte>> sent_;
};

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  FuzzInput input(data, size);
  Ring().Run(input);
  return 0;
}
