// A channel to the broker in the hands of a worker that was taken over.
#ifndef POSTERN_TESTS_HOSTILE_WORKER_RING_WORKER_H_
#define POSTERN_TESTS_HOSTILE_WORKER_RING_WORKER_H_

#include <google/protobuf/message_lite.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/errno_or.h"
#include "common/rpc/channel.h"
#include "common/rpc/message_ring.h"
#include "common/rpc/rpc_channel.h"
#include "common/unique_fd.h"

namespace postern {

// Speaks as an honest worker does, and hands out all that it speaks through, to be misused. As for
// RpcChannel, one thread at a time receives and one sends.
class RingWorker {
 public:
  // Receiving gives up with EAGAIN after `patience`.
  static ErrnoOr<RingWorker> Open(RpcChannel::Parts parts, std::chrono::milliseconds patience);

  // Honest: through the ring where that serves, else over the socket, and waits for room there.
  ErrnoOrVoid SendMessage(const google::protobuf::MessageLite& message);
  // Honest: waits for the doorbell.
  ErrnoOr<std::vector<UniqueFd>> ReceiveMessage(google::protobuf::MessageLite& message,
                                                size_t max_descriptors,
                                                Channel::Wait wait = Channel::Wait::kBlock);

  // Honest, any bytes: false if there is no room in the ring.
  bool Write(std::span<const std::byte> bytes);
  // Any bytes, empty ones included, with descriptors; counted in the ring and rung for. The errno,
  // or 0.
  int SendOverSocket(std::span<const std::byte> bytes, std::span<const int> descriptors = {});

  // What both processes have mapped.
  MessageRingMemory& to_broker() { return (*memory_)[0]; }
  MessageRingMemory& to_worker() { return (*memory_)[1]; }
  // Rings the broker's, honestly or by raising the counter by anything.
  void Ring(uint64_t count = 1);
  int doorbell() const { return broker_doorbell_.get(); }
  int fd() const { return socket_.fd(); }
  // Gives the worker's end of the socket up.
  UniqueFd TakeSocket() { return socket_.TakeSocket(); }
  // Unmaps the memory and closes all descriptors, as a process that ends. Nothing else may follow.
  void Leave();

 private:
  using Memory = std::array<MessageRingMemory, 2>;
  struct Unmap {
    void operator()(Memory* memory) const;
  };
  RingWorker(Memory* memory, RpcChannel::Parts parts, std::chrono::milliseconds patience);

  // Has the broker look.
  void WakeBroker();
  // What is there now. EAGAIN: nothing.
  ErrnoOr<ReceivedMessage> ReceiveNow(size_t max_descriptors);
  // Until there may be a message; false after `patience_`.
  bool AwaitMessage();

  std::unique_ptr<Memory, Unmap> memory_;
  Channel socket_;
  UniqueFd doorbell_;
  UniqueFd broker_doorbell_;
  std::unique_ptr<MessageRingWriter> writer_;
  std::unique_ptr<MessageRingReader> reader_;
  std::unique_ptr<std::byte[]> buffer_;  // Of what was read last.
  std::chrono::milliseconds patience_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_HOSTILE_WORKER_RING_WORKER_H_
