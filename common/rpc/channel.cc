#include "common/rpc/channel.h"

#include <google/protobuf/message_lite.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include "common/checked.h"
#include "common/descriptor_passing.h"

namespace postern {
namespace {

// Room for one descriptor more than the limit: a peer that sends kMax + 1 is then told from one
// whose control data was cut, and either is refused.
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int) * (kMaxMessageDescriptors + 1));

}  // namespace

Channel::Channel(UniqueFd socket) : socket_(std::move(socket)) {}

ErrnoOr<std::pair<Channel, Channel>> Channel::CreatePair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return Errno::Last();
  return std::pair<Channel, Channel>(Channel(UniqueFd(ends[0])), Channel(UniqueFd(ends[1])));
}

ErrnoOr<ReceivedMessage> Channel::Receive(size_t max_descriptors, Wait wait, Loss loss) {
  if (!receive_buffer_) receive_buffer_ = std::make_unique<std::byte[]>(kMaxMessageBytes);
  iovec data{receive_buffer_.get(), kMaxMessageBytes};
  alignas(cmsghdr) char control[kControlBytes];
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  // No room for many that aren't wanted: the kernel would put them into this process's table first.
  header.msg_controllen = CMSG_SPACE(sizeof(int) * (max_descriptors + 1));

  const int flags = MSG_CMSG_CLOEXEC | (wait == Wait::kDontBlock ? MSG_DONTWAIT : 0);
  ssize_t received;
  do {
    received = recvmsg(socket_.get(), &header, flags);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return Errno::Last();

  // Adopt first: from here on every return closes what isn't passed on.
  ReceivedMessage message;
  const bool only_descriptors = AdoptDescriptors(header, message.descriptors);
  message.descriptors_lost = (header.msg_flags & MSG_CTRUNC) != 0;
  if (header.msg_flags & MSG_TRUNC) return Errno(EMSGSIZE);
  if (message.descriptors.size() > max_descriptors) return Errno(EBADMSG);
  if (message.descriptors_lost && loss == Loss::kRefuse) return Errno(EMSGSIZE);
  // An empty message can't be told from the end of the connection, so nobody of ours sends one.
  if (received == 0) return Errno(message.descriptors.empty() ? ECONNRESET : EBADMSG);
  if (!only_descriptors) return Errno(EBADMSG);
  message.bytes = {receive_buffer_.get(), static_cast<size_t>(received)};
  return message;
}

ErrnoOrVoid Channel::Send(std::span<const std::byte> bytes, std::span<const int> descriptors,
                          Wait wait) {
  if (bytes.empty() || bytes.size() > kMaxMessageBytes) return Errno(EMSGSIZE);
  if (descriptors.size() > kMaxMessageDescriptors) return Errno(EMSGSIZE);
  // Safe because sendmsg(2) only reads through iov_base.
  iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[kControlBytes];
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    std::memset(control, 0, sizeof(control));
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  const int flags = MSG_NOSIGNAL | (wait == Wait::kDontBlock ? MSG_DONTWAIT : 0);
  ssize_t sent;
  do {
    sent = sendmsg(socket_.get(), &header, flags);
  } while (sent < 0 && errno == EINTR);
  return CheckSyscall(sent);
}

ErrnoOrVoid Channel::SendMessage(const google::protobuf::MessageLite& message,
                                 std::span<const int> descriptors, Wait wait) {
  const size_t size = message.ByteSizeLong();
  if (size == 0 || size > kMaxMessageBytes) return Errno(EMSGSIZE);
  if (!send_buffer_) send_buffer_ = std::make_unique<std::byte[]>(kMaxMessageBytes);
  // Safe because std::byte and uint8_t alias everything, and ByteSizeLong() has just cached the
  // sizes.
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(send_buffer_.get()));
  return Send({send_buffer_.get(), size}, descriptors, wait);
}

ErrnoOr<std::vector<UniqueFd>> Channel::ReceiveMessage(google::protobuf::MessageLite& message,
                                                       size_t max_descriptors, Wait wait) {
  POSTERN_ASSIGN_OR_RETURN(ReceivedMessage received, Receive(max_descriptors, wait));
  if (!message.ParseFromArray(received.bytes.data(), Narrow<int>(received.bytes.size()))) {
    return Errno(EBADMSG);
  }
  return std::move(received.descriptors);
}

}  // namespace postern
