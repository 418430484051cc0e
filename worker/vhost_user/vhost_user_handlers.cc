// What each message does: the second half of VhostUserSession. When a handler runs, the payload's
// size is within the row's limits, and the descriptors are at least and at most as many as it says.
#include <linux/virtio_config.h>

#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "worker/vhost_user/vhost_user_session.h"
#include "worker/virtio/virtio_ring.h"

namespace postern {
namespace {

// Not offered: VHOST_F_LOG_ALL (26), packed rings (34), VIRTIO_FS_F_NOTIFICATION (0; no driver uses
// it).
constexpr uint64_t kOfferedFeatures =
    FeatureBit(VIRTIO_RING_F_INDIRECT_DESC) | FeatureBit(VIRTIO_RING_F_EVENT_IDX) |
    FeatureBit(kVhostUserFeatureProtocolFeatures) | FeatureBit(VIRTIO_F_VERSION_1);
static_assert(kOfferedFeatures == 0x1'7000'0000);

// The T at `offset` of the payload.
template <typename T>
ErrnoOr<T> Parse(const VhostUserMessage& message, size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::span<const std::byte> payload(message.payload);
  if (offset > payload.size() || sizeof(T) > payload.size() - offset) return Errno(EBADMSG);
  T value;
  std::memcpy(&value, payload.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void Append(std::vector<std::byte>& bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto raw = std::as_bytes(std::span(&value, 1));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

struct VringDescriptor {
  uint32_t index;
  UniqueFd descriptor;  // None: the message says so.
};

// The payload and descriptor of SET_VRING_KICK, _CALL and _ERR.
ErrnoOr<VringDescriptor> TakeVringDescriptor(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const uint64_t word, Parse<uint64_t>(message));
  if (word & ~(kVhostUserVringIndexMask | kVhostUserVringNoDescriptor)) return Errno(EINVAL);
  VringDescriptor taken{static_cast<uint32_t>(word & kVhostUserVringIndexMask), UniqueFd()};
  if (word & kVhostUserVringNoDescriptor) return taken;
  if (message.descriptors.empty()) return Errno(EBADF);
  taken.descriptor = std::move(message.descriptors.front());
  return taken;
}

MemoryRegionSettings ToSettings(const VhostUserRegion& region) {
  return {.guest_address = GuestAddress(region.guest_address),
          .size = region.size,
          .front_end_address = FrontEndAddress(region.front_end_address),
          .mmap_offset = region.mmap_offset};
}

}  // namespace

void VhostUserSession::SetReply(uint64_t value) { Append(reply_, value); }

ErrnoOrVoid VhostUserSession::GetFeatures(VhostUserMessage&) {
  SetReply(kOfferedFeatures);
  return {};
}

ErrnoOrVoid VhostUserSession::SetFeatures(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const uint64_t features, Parse<uint64_t>(message));
  if (features & ~kOfferedFeatures) return Errno(EINVAL);
  vrings_.SetFeatures(features);
  return {};
}

ErrnoOrVoid VhostUserSession::SetOwner(VhostUserMessage&) { return {}; }

ErrnoOrVoid VhostUserSession::ResetOwner(VhostUserMessage&) {
  vrings_.DisableAll();  // "Deprecated. It was used to disable all rings"
  return {};
}

ErrnoOrVoid VhostUserSession::SetMemTable(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto header, Parse<VhostUserMemoryTableHeader>(message));
  if (header.count > kMaxVhostUserDescriptors) return Errno(EINVAL);
  if (message.descriptors.size() < header.count) return Errno(EBADF);
  std::vector<MemoryTable::NewRegion> regions;
  for (size_t i = 0; i < header.count; ++i) {
    POSTERN_ASSIGN_OR_RETURN(
        const auto region,
        Parse<VhostUserRegion>(message, sizeof(header) + i * sizeof(VhostUserRegion)));
    regions.push_back({ToSettings(region), message.descriptors[i].get()});
  }
  POSTERN_ASSIGN_OR_RETURN(auto memory, MemoryTable::Of(regions));
  vrings_.SetMemory(std::move(memory));
  return {};
}

ErrnoOrVoid VhostUserSession::SetVringNum(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto state, Parse<VhostUserVringState>(message));
  return vrings_.SetSize(state.index, state.num);
}

ErrnoOrVoid VhostUserSession::SetVringAddr(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto addresses, Parse<VhostUserVringAddresses>(message));
  return vrings_.SetAddresses(addresses);
}

ErrnoOrVoid VhostUserSession::SetVringBase(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto state, Parse<VhostUserVringState>(message));
  return vrings_.SetBase(state.index, state.num);
}

ErrnoOrVoid VhostUserSession::GetVringBase(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto state, Parse<VhostUserVringState>(message));
  POSTERN_ASSIGN_OR_RETURN(const uint16_t next_avail, vrings_.Stop(state.index));
  Append(reply_, VhostUserVringState{state.index, next_avail});
  return {};
}

ErrnoOrVoid VhostUserSession::SetVringKick(VhostUserMessage& message) {
  // The specification starts a ring with the first kick; every back end starts it here, since after
  // a pause nobody need kick.
  POSTERN_ASSIGN_OR_RETURN(VringDescriptor kick, TakeVringDescriptor(message));
  return vrings_.Start(kick.index, std::move(kick.descriptor));
}

ErrnoOrVoid VhostUserSession::SetVringCall(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(VringDescriptor call, TakeVringDescriptor(message));
  return vrings_.SetCall(call.index, std::move(call.descriptor));
}

ErrnoOrVoid VhostUserSession::SetVringErr(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(VringDescriptor error, TakeVringDescriptor(message));
  return vrings_.SetError(error.index, std::move(error.descriptor));
}

ErrnoOrVoid VhostUserSession::GetProtocolFeatures(VhostUserMessage&) {
  SetReply(offered_protocol_features_);
  return {};
}

ErrnoOrVoid VhostUserSession::SetProtocolFeatures(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const uint64_t features, Parse<uint64_t>(message));
  if (features & ~offered_protocol_features_) return Errno(EINVAL);
  protocol_features_ = features;
  return {};
}

ErrnoOrVoid VhostUserSession::GetQueueNum(VhostUserMessage&) {
  SetReply(device_.queue_count());
  return {};
}

ErrnoOrVoid VhostUserSession::SetVringEnable(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto state, Parse<VhostUserVringState>(message));
  return vrings_.SetEnabled(state.index, state.num);
}

ErrnoOrVoid VhostUserSession::SetBackendReqFd(VhostUserMessage& message) {
  backend_channel_ = std::move(message.descriptors.front());
  return {};
}

ErrnoOrVoid VhostUserSession::GetConfig(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto header, Parse<VhostUserConfigHeader>(message));
  // "Zero-length payload indicates an error": this one message can be refused in its natural reply.
  if (!(offered_protocol_features_ & FeatureBit(kVhostUserProtocolConfig))) return {};
  if (header.size > kMaxVhostUserPayload - sizeof(header)) return {};
  Append(reply_, header);  // Offset and size exactly as asked.
  reply_.resize(sizeof(header) + header.size);
  config_space_.Read(header.offset, std::span(reply_).subspan(sizeof(header)));
  return {};
}

ErrnoOrVoid VhostUserSession::SetConfig(VhostUserMessage&) {
  return Errno(EPERM);  // VIRTIO 1.2, 5.11.4: every field is read-only for the driver.
}

ErrnoOrVoid VhostUserSession::ResetDevice(VhostUserMessage&) {
  vrings_.StopAndDisableAll();
  device_.Reset();
  return {};
}

ErrnoOrVoid VhostUserSession::GetMaxMemSlots(VhostUserMessage&) {
  SetReply(MemoryTable::kMaxRegions);
  return {};
}

ErrnoOrVoid VhostUserSession::AddMemReg(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto single, Parse<VhostUserSingleRegion>(message));
  POSTERN_ASSIGN_OR_RETURN(auto memory, vrings_.memory().With({ToSettings(single.region),
                                                               message.descriptors.front().get()}));
  vrings_.SetMemory(std::move(memory));
  return {};
}

ErrnoOrVoid VhostUserSession::RemMemReg(VhostUserMessage& message) {
  POSTERN_ASSIGN_OR_RETURN(const auto single, Parse<VhostUserSingleRegion>(message));
  POSTERN_ASSIGN_OR_RETURN(auto memory, vrings_.memory().Without(ToSettings(single.region)));
  vrings_.SetMemory(std::move(memory));
  return {};
}

}  // namespace postern
