#include "common/rpc/rpc_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/logging.h"
#include "common/rpc/processor.h"

namespace postern {

RpcChannel::Rings::~Rings() {
  if (munmap(memory, sizeof(Memory)) < 0) LOG(ERROR) << "munmap: " << Errno::Last().Message();
}

ErrnoOr<std::pair<RpcChannel::Parts, RpcChannel::Parts>> RpcChannel::CreatePair() {
  POSTERN_ASSIGN_OR_RETURN(auto ends, Channel::CreatePair());
  UniqueFd memory(memfd_create("postern-rpc", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return Errno::Last();
  if (ftruncate(memory.get(), sizeof(Memory)) < 0) return Errno::Last();
  // Or one end could cut it and have the other's next access raise SIGBUS.
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
    return Errno::Last();
  }
  const auto copy = [](const UniqueFd& fd) -> ErrnoOr<UniqueFd> {
    UniqueFd duplicate(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!duplicate) return Errno::Last();
    return duplicate;
  };
  POSTERN_ASSIGN_OR_RETURN(EventFd to_worker, EventFd::Create());
  POSTERN_ASSIGN_OR_RETURN(EventFd to_broker, EventFd::Create());
  Parts worker, broker;
  POSTERN_ASSIGN_OR_RETURN(worker.memory, copy(memory));
  worker.doorbell = to_worker.TakeDescriptor();
  POSTERN_ASSIGN_OR_RETURN(broker.peer_doorbell, copy(worker.doorbell));
  broker.doorbell = to_broker.TakeDescriptor();
  POSTERN_ASSIGN_OR_RETURN(worker.peer_doorbell, copy(broker.doorbell));
  broker.memory = std::move(memory);
  worker.socket = ends.first.TakeSocket();
  broker.socket = ends.second.TakeSocket();
  return std::pair(std::move(worker), std::move(broker));
}

void RpcChannel::Append(Parts parts, std::vector<UniqueFd>& descriptors) {
  for (UniqueFd* part : {&parts.socket, &parts.memory, &parts.doorbell, &parts.peer_doorbell}) {
    descriptors.push_back(std::move(*part));
  }
}

RpcChannel::Parts RpcChannel::TakeParts(std::span<UniqueFd> descriptors) {
  return {.socket = std::move(descriptors[0]),
          .memory = std::move(descriptors[1]),
          .doorbell = std::move(descriptors[2]),
          .peer_doorbell = std::move(descriptors[3])};
}

ErrnoOr<RpcChannel> RpcChannel::Open(Parts parts, End end) {
  void* const memory =
      mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, parts.memory.get(), 0);
  if (memory == MAP_FAILED) return Errno::Last();
  // Safe because it is as large and aligned to a page, and zeros are a ring's first state.
  return RpcChannel(Channel(std::move(parts.socket)),
                    std::make_unique<Rings>(static_cast<Memory*>(memory), end,
                                            EventFd::Adopt(std::move(parts.doorbell)),
                                            EventFd::Adopt(std::move(parts.peer_doorbell))));
}

bool RpcChannel::PeerSharesProcessor() const {
  const uint32_t peer = peer_processor();
  return peer != 0 && peer == CurrentProcessor();
}

ErrnoOr<ReceivedMessage> RpcChannel::Receive(size_t max_descriptors, Channel::Loss loss) {
  const bool is_next = rings_->in.SocketIsNext();
  const std::span<std::byte> buffer(rings_->buffer.get(), MessageRingWriter::kMaxBytes);
  POSTERN_ASSIGN_OR_RETURN(const size_t size, rings_->in.Read(buffer));
  if (size > 0) return ReceivedMessage{.bytes = buffer.first(size), .descriptors = {}};

  if (!is_next && !std::exchange(look_at_socket_, false)) return Errno(EAGAIN);
  auto received = socket_.Receive(max_descriptors, Channel::Wait::kDontBlock, loss);
  // Only an honest sender counts what it sends there, and after sending it.
  if (is_next && received.errno_value() == EAGAIN) return Errno(EBADMSG);
  if (received.ok()) rings_->in.CountSocketMessage();
  return received;
}

ErrnoOrVoid RpcChannel::Send(std::span<const std::byte> bytes, std::span<const int> descriptors,
                             Channel::Wait wait) {
  if (bytes.empty()) return Errno(EMSGSIZE);
  if (!descriptors.empty() || !rings_->out.Write(bytes)) {
    POSTERN_RETURN_IF_ERROR(socket_.Send(bytes, descriptors, wait));
    rings_->out.CountSocketMessage();
  }
  if (rings_->out.WakesReader()) rings_->peer_doorbell.Signal();
  return {};
}

}  // namespace postern
