#include "worker/vhost_user/vhost_user_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <utility>

#include "common/descriptor_passing.h"

namespace postern {
namespace {

// Room for one descriptor more than the limit, to tell a message that exceeds it; of more than that
// the kernel cuts (and closes) the rest and says MSG_CTRUNC.
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int) * (kMaxVhostUserDescriptors + 1));

}  // namespace

VhostUserConnection::VhostUserConnection(UniqueFd socket, int stop_fd)
    : socket_(std::move(socket)), stop_fd_(stop_fd) {}

ErrnoOrVoid VhostUserConnection::Malformed(const char* reason) {
  reason_ = reason;
  return Errno(EPROTO);
}

ErrnoOrVoid VhostUserConnection::Wait(short events) {
  pollfd watched[] = {{socket_.get(), events, 0}, {stop_fd_, POLLIN, 0}};
  int ready;
  do {
    ready = poll(watched, 2, -1);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return Errno::Last();
  if (watched[1].revents != 0) return Errno(ECANCELED);
  return {};
}

ErrnoOr<size_t> VhostUserConnection::ReceiveSome(std::span<std::byte> to,
                                                 std::vector<UniqueFd>& descriptors) {
  for (;;) {
    POSTERN_RETURN_IF_ERROR(Wait(POLLIN));
    iovec data{to.data(), to.size()};
    alignas(cmsghdr) char control[kControlBytes];
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    // Non-blocking: only Wait() may sleep, since only it sees stop_fd_.
    const ssize_t received = recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (received < 0) return Errno::Last();
    // Adopt first: from here on every return closes what isn't passed on.
    const bool only_descriptors = AdoptDescriptors(header, descriptors);
    if (header.msg_flags & MSG_CTRUNC) return Malformed("control data cut").error();
    if (!only_descriptors) return Malformed("control data that isn't descriptors").error();
    if (descriptors.size() > kMaxVhostUserDescriptors)
      return Malformed("too many descriptors").error();
    if (received == 0) return Errno(ECONNRESET);
    return static_cast<size_t>(received);
  }
}

ErrnoOrVoid VhostUserConnection::ReceiveHeader(VhostUserHeader& header,
                                               std::vector<UniqueFd>& descriptors) {
  const auto bytes = std::as_writable_bytes(std::span(&header, 1));
  size_t done = 0;
  while (done < bytes.size()) {
    const ErrnoOr<size_t> received = ReceiveSome(bytes.subspan(done), descriptors);
    if (!received.ok() && received.error() == Errno(ECONNRESET) && done > 0) {
      return Malformed("connection ends within a header");
    }
    if (!received.ok()) return received.error();
    done += *received;
  }
  if ((header.flags & kVhostUserVersionMask) != kVhostUserVersion)
    return Malformed("not version 1");
  if (header.flags & ~(kVhostUserVersionMask | kVhostUserNeedReply))
    return Malformed("unknown flags");
  if (header.size > kMaxVhostUserPayload) return Malformed("payload too long");
  return {};
}

ErrnoOrVoid VhostUserConnection::Receive(VhostUserMessage& message) {
  message.descriptors.clear();
  VhostUserHeader header{};
  // Held here until all is well, so that a failure closes them.
  std::vector<UniqueFd> descriptors;
  POSTERN_RETURN_IF_ERROR(ReceiveHeader(header, descriptors));

  message.payload.resize(header.size);
  const size_t with_header = descriptors.size();
  size_t done = 0;
  while (done < message.payload.size()) {
    const ErrnoOr<size_t> received =
        ReceiveSome(std::span(message.payload).subspan(done), descriptors);
    if (!received.ok() && received.error() == Errno(ECONNRESET))
      return Malformed("connection ends within a payload");
    if (!received.ok()) return received.error();
    // "Communication": descriptors come with the message's first bytes.
    if (descriptors.size() > with_header) return Malformed("descriptors within a payload");
    done += *received;
  }
  message.request = header.request;
  message.need_reply = (header.flags & kVhostUserNeedReply) != 0;
  message.descriptors = std::move(descriptors);
  return {};
}

ErrnoOrVoid VhostUserConnection::Reply(uint32_t request, std::span<const std::byte> payload) {
  // QEMU and User-Mode Linux compare the flags for equality: need_reply must not be echoed.
  const VhostUserHeader header{request, kVhostUserVersion | kVhostUserReply,
                               static_cast<uint32_t>(payload.size())};
  const auto header_bytes = std::as_bytes(std::span(&header, 1));
  std::vector<std::byte> bytes(header_bytes.begin(), header_bytes.end());
  bytes.insert(bytes.end(), payload.begin(), payload.end());

  size_t done = 0;
  while (done < bytes.size()) {
    // sendmsg: the worker's seccomp policy knows no other way to send.
    iovec rest{bytes.data() + done, bytes.size() - done};
    msghdr message{};
    message.msg_iov = &rest;
    message.msg_iovlen = 1;
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      done += static_cast<size_t>(sent);
      continue;
    }
    if (errno == EPIPE) return Errno(ECONNRESET);
    if (errno != EAGAIN && errno != EINTR) return Errno::Last();
    POSTERN_RETURN_IF_ERROR(Wait(POLLOUT));
  }
  return {};
}

}  // namespace postern
