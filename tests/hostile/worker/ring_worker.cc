#include "tests/hostile/worker/ring_worker.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "tests/vmm/send_message.h"

namespace postern {

void RingWorker::Unmap::operator()(Memory* memory) const { munmap(memory, sizeof(Memory)); }

ErrnoOr<RingWorker> RingWorker::Open(RpcChannel::Parts parts, std::chrono::milliseconds patience) {
  void* const memory =
      mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, parts.memory.get(), 0);
  if (memory == MAP_FAILED) return Errno::Last();
  return RingWorker(static_cast<Memory*>(memory), std::move(parts), patience);
}

RingWorker::RingWorker(Memory* memory, RpcChannel::Parts parts, std::chrono::milliseconds patience)
    : memory_(memory),
      socket_(std::move(parts.socket)),
      doorbell_(std::move(parts.doorbell)),
      broker_doorbell_(std::move(parts.peer_doorbell)),
      writer_(std::make_unique<MessageRingWriter>(&to_broker())),
      reader_(std::make_unique<MessageRingReader>(&to_worker())),
      buffer_(std::make_unique<std::byte[]>(MessageRingWriter::kMaxBytes)),
      patience_(patience) {}

void RingWorker::Leave() {
  memory_.reset();
  socket_.TakeSocket().Reset();
  doorbell_.Reset();
  broker_doorbell_.Reset();
}

void RingWorker::Ring(uint64_t count) {
  // At the counter's maximum it is full, and says so.
  [[maybe_unused]] const ssize_t written = write(broker_doorbell_.get(), &count, sizeof(count));
}

void RingWorker::WakeBroker() {
  if (writer_->WakesReader()) Ring();
}

bool RingWorker::Write(std::span<const std::byte> bytes) {
  if (!writer_->Write(bytes)) return false;
  WakeBroker();
  return true;
}

ErrnoOrVoid RingWorker::SendMessage(const google::protobuf::MessageLite& message) {
  const std::string text = message.SerializeAsString();
  const auto bytes = std::as_bytes(std::span(text));
  if (Write(bytes)) return {};
  POSTERN_RETURN_IF_ERROR(socket_.Send(bytes));
  writer_->CountSocketMessage();
  WakeBroker();
  return {};
}

int RingWorker::SendOverSocket(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  if (vmm::SendMessage(fd(), bytes, descriptors, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return errno;
  writer_->CountSocketMessage();
  WakeBroker();
  return 0;
}

ErrnoOr<ReceivedMessage> RingWorker::ReceiveNow(size_t max_descriptors) {
  const bool socket_is_next = reader_->SocketIsNext();
  const std::span<std::byte> buffer(buffer_.get(), MessageRingWriter::kMaxBytes);
  POSTERN_ASSIGN_OR_RETURN(const size_t size, reader_->Read(buffer));
  if (size > 0) return ReceivedMessage{.bytes = buffer.first(size), .descriptors = {}};
  pollfd socket{fd(), 0, 0};
  const bool hung_up = poll(&socket, 1, 0) != 0;
  if (!socket_is_next && !hung_up) return Errno(EAGAIN);
  auto received = socket_.Receive(max_descriptors, Channel::Wait::kDontBlock);
  if (received.ok()) reader_->CountSocketMessage();
  return received;
}

bool RingWorker::AwaitMessage() {
  if (reader_->PrepareToSleep()) {
    pollfd watched[] = {{doorbell_.get(), POLLIN, 0}, {fd(), 0, 0}};
    if (poll(watched, 2, static_cast<int>(patience_.count())) == 0) return false;
    uint64_t count = 0;
    if (watched[0].revents != 0) {
      [[maybe_unused]] const ssize_t taken = read(doorbell_.get(), &count, sizeof(count));
    }
  }
  reader_->Awake();
  return true;
}

ErrnoOr<std::vector<UniqueFd>> RingWorker::ReceiveMessage(google::protobuf::MessageLite& message,
                                                          size_t max_descriptors,
                                                          Channel::Wait wait) {
  for (;;) {
    ErrnoOr<ReceivedMessage> received = ReceiveNow(max_descriptors);
    if (received.errno_value() == EAGAIN && wait == Channel::Wait::kBlock && AwaitMessage()) {
      continue;
    }
    if (!received.ok()) return received.error();
    if (!message.ParseFromArray(received->bytes.data(), static_cast<int>(received->bytes.size()))) {
      return Errno(EBADMSG);
    }
    return std::move(received->descriptors);
  }
}

}  // namespace postern
