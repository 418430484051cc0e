// A front end that says what it likes. The input is a stream of pieces: how many bytes, how many
// descriptors go with them, the bytes.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "common/event_fd.h"
#include "common/unique_fd.h"
#include "tests/fuzz/fuzz_input.h"
#include "worker/vhost_user/device_queue.h"
#include "worker/vhost_user/vhost_user_session.h"

namespace postern {
namespace {

constexpr size_t kQueues = 3;
constexpr size_t kMaxDescriptors = 40;  // More than the 32 that are taken.
constexpr size_t kMemoryBytes = 64 * 1024;

// Takes rings and gives them back.
class IdleQueue : public DeviceQueue {
 public:
  void Start(Ring ring) override {
    POSTERN_HOLDS(ring_.virtqueue == nullptr && ring.virtqueue != nullptr);
    ring_ = std::move(ring);
    DescriptorChain chain;
    (void)ring_.virtqueue->Pop(chain);
  }
  Ring Stop() override { return std::exchange(ring_, {}); }
  void SetEnabled(bool enabled) override { enabled_ = enabled; }
  void SetMemory(std::shared_ptr<const MemoryTable> memory) override {
    POSTERN_HOLDS(ring_.virtqueue != nullptr);
    ring_.virtqueue->UseMemory(std::move(memory));
    DescriptorChain chain;
    (void)ring_.virtqueue->Pop(chain);
    ring_.virtqueue->Push(chain.head(), 0);
  }
  void SetKick(UniqueFd kick) override {
    POSTERN_HOLDS(ring_.virtqueue != nullptr);
    ring_.kick = std::move(kick);
  }
  void SetCall(UniqueFd call) override { call_ = std::move(call); }
  void SetError(UniqueFd error) override { error_ = std::move(error); }
  bool at_rest() const { return ring_.virtqueue == nullptr && !enabled_ && !call_ && !error_; }

 private:
  Ring ring_;
  UniqueFd call_;
  UniqueFd error_;
  bool enabled_ = false;
};

class IdleDevice : public Device {
 public:
  size_t queue_count() const override { return kQueues; }
  IdleQueue& queue(size_t index) override {
    POSTERN_HOLDS(index < kQueues);
    return queues_[index];
  }
  void Reset() override {}

 private:
  std::array<IdleQueue, kQueues> queues_;
};

// What front ends send along: memory, or an eventfd.
int Descriptor(size_t index) {
  static const UniqueFd memory = [] {
    UniqueFd fd(memfd_create("guest", MFD_CLOEXEC));
    POSTERN_HOLDS(ftruncate(fd.get(), kMemoryBytes) == 0);
    return fd;
  }();
  static const EventFd event = *EventFd::Create();
  return index % 2 == 0 ? memory.get() : event.fd();
}

// Sends without waiting; what doesn't fit the socket is lost, as if the front end had died.
bool SendPiece(int socket, std::span<const std::byte> bytes, size_t descriptors) {
  if (bytes.empty()) return true;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
  // Safe because sendmsg(2) only reads.
  iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors);
    for (size_t i = 0; i < descriptors; ++i) {
      const int fd = Descriptor(i);
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
    }
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  std::array<int, 2> pair{};
  POSTERN_HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
  UniqueFd front_end(pair[0]);
  {
    FuzzInput input(data, size);
    while (!input.AtEnd()) {
      const auto bytes = input.Take<uint16_t>();
      const auto descriptors = input.Take<uint8_t>();
      if (!SendPiece(front_end.get(), input.TakeBytes(bytes), descriptors % kMaxDescriptors)) break;
    }
  }
  // Nothing more will come; the replies are read by nobody, and fit the socket.
  POSTERN_HOLDS(shutdown(front_end.get(), SHUT_WR) == 0);
  IdleDevice device;
  {
    VhostUserSession session(UniqueFd(pair[1]), device, {.tag = "tag", .stop_fd = -1});
    (void)session.Run();
  }
  for (size_t i = 0; i < kQueues; ++i) POSTERN_HOLDS(device.queue(i).at_rest());
  return 0;
}
