#include "tests/vmm/vhost_user_client.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "common/checked.h"
#include "tests/vmm/send_message.h"

namespace postern::vmm {
namespace {

constexpr size_t kMaxPayload = 64 * 1024;
constexpr size_t kMaxDescriptors = 64;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

ErrnoOr<uint64_t> NumberIn(const VhostUserClient::Message& message) {
  uint64_t value = 0;
  if (message.payload.size() != sizeof(value)) return Errno(EPROTO);
  std::memcpy(&value, message.payload.data(), sizeof(value));
  return value;
}

MemoryRegion Describe(const GuestMemory::Region& region) {
  return {.guest_address = region.guest_base,
          .size = region.size,
          .user_address = region.user_address,
          .mmap_offset = region.file_offset};
}

// EAGAIN is what SO_RCVTIMEO and SO_SNDTIMEO end with.
Errno SocketError() { return errno == EAGAIN ? Errno(ETIMEDOUT) : Errno::Last(); }

// Receives exactly bytes.size() bytes, and adds the descriptors that come with them to
// `descriptors`.
ErrnoOrVoid ReceiveExactly(int socket, std::span<std::byte> bytes,
                           std::vector<UniqueFd>& descriptors) {
  while (!bytes.empty()) {
    iovec data{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return SocketError();
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(part) + (at - CMSG_LEN(0)), sizeof(fd));
        descriptors.emplace_back(fd);
      }
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0) return Errno(EPROTO);
    if (received == 0) return Errno(ECONNRESET);
    bytes = bytes.subspan(static_cast<size_t>(received));
  }
  return {};
}

}  // namespace

VhostUserClient::VhostUserClient(UniqueFd socket, int timeout_seconds)
    : socket_(std::move(socket)) {
  const timeval limit{.tv_sec = timeout_seconds, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

ErrnoOrVoid VhostUserClient::SendRaw(std::span<const std::byte> bytes,
                                     std::span<const int> descriptors) {
  if (descriptors.size() > kMaxDescriptors) return Errno(E2BIG);
  while (!bytes.empty()) {
    const ssize_t sent = vmm::SendMessage(socket_.get(), bytes, descriptors);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return SocketError();
    bytes = bytes.subspan(static_cast<size_t>(sent));
    descriptors = {};
  }
  return {};
}

ErrnoOrVoid VhostUserClient::SendMessage(const VhostHeader& header,
                                         std::span<const std::byte> payload,
                                         std::span<const int> descriptors) {
  std::vector<std::byte> bytes(sizeof(header) + payload.size());
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::ranges::copy(payload, bytes.begin() + sizeof(header));
  return SendRaw(bytes, descriptors);
}

ErrnoOr<VhostUserClient::Message> VhostUserClient::Receive() {
  Message message;
  const auto header = std::as_writable_bytes(std::span(&message.header, 1));
  POSTERN_RETURN_IF_ERROR(ReceiveExactly(socket_.get(), header, message.descriptors));
  if (message.header.size > kMaxPayload) return Errno(EPROTO);
  message.payload.resize(message.header.size);
  POSTERN_RETURN_IF_ERROR(ReceiveExactly(socket_.get(), message.payload, message.descriptors));
  return message;
}

ErrnoOr<VhostUserClient::Message> VhostUserClient::ReceiveReply(VhostRequest request) {
  POSTERN_ASSIGN_OR_RETURN(Message message, Receive());
  if (message.header.request != static_cast<uint32_t>(request)) return Errno(EPROTO);
  if (message.header.flags != (kVhostVersion | kVhostReply)) return Errno(EPROTO);
  return message;
}

ErrnoOr<VhostUserClient::Message> VhostUserClient::Query(VhostRequest request,
                                                         std::span<const std::byte> payload,
                                                         std::span<const int> descriptors) {
  const VhostHeader header{static_cast<uint32_t>(request), kVhostVersion,
                           static_cast<uint32_t>(payload.size())};
  POSTERN_RETURN_IF_ERROR(SendMessage(header, payload, descriptors));
  return ReceiveReply(request);
}

ErrnoOrVoid VhostUserClient::Command(VhostRequest request, std::span<const std::byte> payload,
                                     std::span<const int> descriptors, Ack ack) {
  const bool wants_ack = reply_ack_ && (always_ack_ || ack == Ack::kYes);
  const VhostHeader header{static_cast<uint32_t>(request),
                           kVhostVersion | (wants_ack ? kVhostNeedReply : 0),
                           static_cast<uint32_t>(payload.size())};
  POSTERN_RETURN_IF_ERROR(SendMessage(header, payload, descriptors));
  if (!wants_ack) return {};
  POSTERN_ASSIGN_OR_RETURN(const Message reply, ReceiveReply(request));
  POSTERN_ASSIGN_OR_RETURN(const uint64_t result, NumberIn(reply));
  if (result != 0) return Errno(EREMOTEIO);
  return {};
}

ErrnoOr<uint64_t> VhostUserClient::QueryNumber(VhostRequest request) {
  POSTERN_ASSIGN_OR_RETURN(const Message reply, Query(request));
  return NumberIn(reply);
}

ErrnoOrVoid VhostUserClient::CommandNumber(VhostRequest request, uint64_t value, Ack ack) {
  return Command(request, BytesOf(value), {}, ack);
}

ErrnoOr<uint64_t> VhostUserClient::GetFeatures() { return QueryNumber(VhostRequest::kGetFeatures); }

ErrnoOrVoid VhostUserClient::SetFeatures(uint64_t features, Ack ack) {
  return CommandNumber(VhostRequest::kSetFeatures, features, ack);
}

ErrnoOr<uint64_t> VhostUserClient::GetProtocolFeatures() {
  return QueryNumber(VhostRequest::kGetProtocolFeatures);
}

ErrnoOrVoid VhostUserClient::SetProtocolFeatures(uint64_t features, Ack ack) {
  reply_ack_ = (features & kProtocolReplyAck) != 0;
  return CommandNumber(VhostRequest::kSetProtocolFeatures, features, ack);
}

ErrnoOrVoid VhostUserClient::SetOwner(Ack ack) {
  return Command(VhostRequest::kSetOwner, {}, {}, ack);
}

ErrnoOr<uint64_t> VhostUserClient::GetQueueNum() { return QueryNumber(VhostRequest::kGetQueueNum); }

ErrnoOr<uint64_t> VhostUserClient::GetMaxMemSlots() {
  return QueryNumber(VhostRequest::kGetMaxMemSlots);
}

ErrnoOrVoid VhostUserClient::SetBackendReqFd(int fd, Ack ack) {
  return Command(VhostRequest::kSetBackendReqFd, {}, std::span(&fd, 1), ack);
}

ErrnoOrVoid VhostUserClient::SetMemTable(std::span<const GuestMemory::Region> regions, size_t slots,
                                         Ack ack) {
  const size_t count = std::max(slots, regions.size());
  std::vector<std::byte> payload(8 + count * sizeof(MemoryRegion));
  const uint32_t used = Narrow<uint32_t>(regions.size());
  std::memcpy(payload.data(), &used, sizeof(used));
  std::vector<int> descriptors;
  for (size_t i = 0; i < regions.size(); ++i) {
    const MemoryRegion region = Describe(regions[i]);
    std::memcpy(payload.data() + 8 + i * sizeof(region), &region, sizeof(region));
    descriptors.push_back(regions[i].fd.get());
  }
  return Command(VhostRequest::kSetMemTable, payload, descriptors, ack);
}

ErrnoOrVoid VhostUserClient::AddMemReg(const GuestMemory::Region& region, Ack ack) {
  const SingleMemoryRegion payload{.padding = 0, .region = Describe(region)};
  const int fd = region.fd.get();
  return Command(VhostRequest::kAddMemReg, BytesOf(payload), std::span(&fd, 1), ack);
}

ErrnoOrVoid VhostUserClient::RemMemReg(const GuestMemory::Region& region, Ack ack) {
  const SingleMemoryRegion payload{.padding = 0, .region = Describe(region)};
  return Command(VhostRequest::kRemMemReg, BytesOf(payload), {}, ack);
}

ErrnoOrVoid VhostUserClient::SetVringNum(uint32_t index, uint32_t size, Ack ack) {
  return Command(VhostRequest::kSetVringNum, BytesOf(VringState{index, size}), {}, ack);
}

ErrnoOrVoid VhostUserClient::SetVringBase(uint32_t index, uint32_t base, Ack ack) {
  return Command(VhostRequest::kSetVringBase, BytesOf(VringState{index, base}), {}, ack);
}

ErrnoOrVoid VhostUserClient::SetVringAddr(const VringAddr& address, Ack ack) {
  return Command(VhostRequest::kSetVringAddr, BytesOf(address), {}, ack);
}

ErrnoOrVoid VhostUserClient::VringFd(VhostRequest request, uint32_t index, int fd, Ack ack) {
  const uint64_t payload = index | (fd < 0 ? kVringFdInvalid : 0);
  return Command(request, BytesOf(payload), std::span(&fd, fd < 0 ? 0 : 1), ack);
}

ErrnoOrVoid VhostUserClient::SetVringKick(uint32_t index, int fd, Ack ack) {
  return VringFd(VhostRequest::kSetVringKick, index, fd, ack);
}

ErrnoOrVoid VhostUserClient::SetVringCall(uint32_t index, int fd, Ack ack) {
  return VringFd(VhostRequest::kSetVringCall, index, fd, ack);
}

ErrnoOrVoid VhostUserClient::SetVringErr(uint32_t index, int fd, Ack ack) {
  return VringFd(VhostRequest::kSetVringErr, index, fd, ack);
}

ErrnoOrVoid VhostUserClient::SetVringEnable(uint32_t index, bool enabled, Ack ack) {
  return Command(VhostRequest::kSetVringEnable, BytesOf(VringState{index, enabled ? 1u : 0u}), {},
                 ack);
}

ErrnoOr<uint32_t> VhostUserClient::GetVringBase(uint32_t index) {
  POSTERN_ASSIGN_OR_RETURN(const Message reply,
                           Query(VhostRequest::kGetVringBase, BytesOf(VringState{index, 0})));
  VringState state;
  if (reply.payload.size() != sizeof(state)) return Errno(EPROTO);
  std::memcpy(&state, reply.payload.data(), sizeof(state));
  if (state.index != index) return Errno(EPROTO);
  return state.num;
}

ErrnoOrVoid VhostUserClient::ResetDevice(Ack ack) {
  return Command(VhostRequest::kResetDevice, {}, {}, ack);
}

ErrnoOr<std::vector<std::byte>> VhostUserClient::GetConfig(uint32_t offset, uint32_t size) {
  const ConfigHeader header{.offset = offset, .size = size, .flags = 0};
  std::vector<std::byte> payload(sizeof(header) + size);
  std::memcpy(payload.data(), &header, sizeof(header));
  POSTERN_ASSIGN_OR_RETURN(const Message reply, Query(VhostRequest::kGetConfig, payload));
  if (reply.payload.empty()) return Errno(EREMOTEIO);  // How a back end refuses this one.
  ConfigHeader answered{};
  if (reply.payload.size() != payload.size()) return Errno(EPROTO);
  std::memcpy(&answered, reply.payload.data(), sizeof(answered));
  if (answered.offset != offset || answered.size != size) return Errno(EPROTO);
  return std::vector<std::byte>(reply.payload.begin() + sizeof(header), reply.payload.end());
}

ErrnoOrVoid VhostUserClient::SetLogBase(int fd, const LogDescription& description) {
  POSTERN_ASSIGN_OR_RETURN(
      [[maybe_unused]] const Message reply,
      Query(VhostRequest::kSetLogBase, BytesOf(description), std::span(&fd, 1)));
  return {};
}

ErrnoOrVoid VhostUserClient::SetDeviceStateFd(int fd, const DeviceStateTransfer& transfer) {
  POSTERN_ASSIGN_OR_RETURN(const Message reply, Query(VhostRequest::kSetDeviceStateFd,
                                                      BytesOf(transfer), std::span(&fd, 1)));
  POSTERN_ASSIGN_OR_RETURN(const uint64_t result, NumberIn(reply));
  if ((result & 0xff) != 0) return Errno(EREMOTEIO);
  if (result != kVringFdInvalid || !reply.descriptors.empty()) return Errno(EPROTO);
  return {};
}

ErrnoOr<uint64_t> VhostUserClient::CheckDeviceState() {
  return QueryNumber(VhostRequest::kCheckDeviceState);
}

}  // namespace postern::vmm
