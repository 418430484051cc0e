// The front end's side of a vhost-user connection, without a front end's manners.
#ifndef POSTERN_TESTS_UNIT_WORKER_VHOST_USER_FRONT_END_H_
#define POSTERN_TESTS_UNIT_WORKER_VHOST_USER_FRONT_END_H_

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/unique_fd.h"
#include "tests/vmm/send_message.h"
#include "worker/vhost_user/vhost_user_protocol.h"

namespace postern {

template <typename... T>
std::string Pack(const T&... values) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&values), sizeof(values)), ...);
  return bytes;
}

class FrontEnd {
 public:
  struct Reply {
    VhostUserHeader header;
    std::string payload;
  };

  // `hand_over` is called before each sending and after each receiving.
  explicit FrontEnd(std::function<void()> hand_over = [] {}) : hand_over_(std::move(hand_over)) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) abort();
    near_.Reset(ends[0]);
    far_.Reset(ends[1]);
    // A reply that doesn't come fails the test instead of hanging it.
    const timeval patience{20, 0};
    setsockopt(near_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }

  // The back end's socket; once.
  UniqueFd TakeFarEnd() { return std::move(far_); }
  int fd() const { return near_.get(); }
  void Close() {
    hand_over_();
    near_.Reset();
  }

  static std::string Header(uint32_t request, uint32_t flags, size_t size) {
    return Pack(VhostUserHeader{request, flags, static_cast<uint32_t>(size)});
  }
  static std::string Message(VhostUserRequest request, std::string_view payload, bool need_reply) {
    return Header(static_cast<uint32_t>(request), need_reply ? 0x9 : 0x1, payload.size()) +
           std::string(payload);
  }

  void SendBytes(std::string_view bytes, const std::vector<int>& descriptors = {}) {
    hand_over_();
    ASSERT_EQ(vmm::SendMessage(near_.get(), std::as_bytes(std::span(bytes)), descriptors),
              static_cast<ssize_t>(bytes.size()))
        << strerror(errno);
  }
  void Send(VhostUserRequest request, std::string_view payload = "",
            const std::vector<int>& descriptors = {}) {
    SendBytes(Message(request, payload, false), descriptors);
  }

  // The next reply, or nothing if the connection is closed.
  std::optional<Reply> Receive() {
    Reply reply;
    if (!ReadExactly(&reply.header, sizeof(reply.header))) return std::nullopt;
    reply.payload.resize(reply.header.size);
    if (!ReadExactly(reply.payload.data(), reply.payload.size())) return std::nullopt;
    hand_over_();
    return reply;
  }
  // Sends and returns the reply's payload, whose header must be right.
  std::string Ask(VhostUserRequest request, std::string_view payload = "") {
    Send(request, payload);
    return CheckedReply(request);
  }
  uint64_t AskNumber(VhostUserRequest request) { return Number(Ask(request)); }
  // Sends with need_reply and returns the acknowledgement.
  uint64_t Acknowledged(VhostUserRequest request, std::string_view payload = "",
                        const std::vector<int>& descriptors = {}) {
    SendBytes(Message(request, payload, true), descriptors);
    return Number(CheckedReply(request));
  }

 private:
  bool ReadExactly(void* to, size_t size) {
    return size == 0 || recv(near_.get(), to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  std::string CheckedReply(VhostUserRequest request) {
    const std::optional<Reply> reply = Receive();
    EXPECT_TRUE(reply) << "no reply to " << static_cast<uint32_t>(request);
    if (!reply) return "";
    EXPECT_EQ(reply->header.request, static_cast<uint32_t>(request));
    EXPECT_EQ(reply->header.flags, 0x5u);
    return reply->payload;
  }
  static uint64_t Number(const std::string& payload) {
    uint64_t number = ~uint64_t{0};
    EXPECT_EQ(payload.size(), sizeof(number));
    if (payload.size() == sizeof(number)) std::memcpy(&number, payload.data(), sizeof(number));
    return number;
  }

  const std::function<void()> hand_over_;
  UniqueFd near_;
  UniqueFd far_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_VHOST_USER_FRONT_END_H_
