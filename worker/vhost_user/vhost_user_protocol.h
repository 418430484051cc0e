// The vhost-user wire format: numbers and layouts of QEMU's docs/interop/vhost-user.rst ("the
// specification"), in the host's byte order. Section names below are that document's.
#ifndef POSTERN_WORKER_VHOST_USER_VHOST_USER_PROTOCOL_H_
#define POSTERN_WORKER_VHOST_USER_VHOST_USER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

namespace postern {

// "Front-end message types": what a virtio-fs device without migration can be asked. Others are
// refused by number.
enum class VhostUserRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kSetBackendReqFd = 21,
  kGetConfig = 24,
  kSetConfig = 25,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
};

// The feature word's bit that isn't virtio's.
inline constexpr int kVhostUserFeatureProtocolFeatures = 30;

// "Protocol features": bit numbers.
inline constexpr int kVhostUserProtocolMq = 0;
inline constexpr int kVhostUserProtocolReplyAck = 3;
inline constexpr int kVhostUserProtocolBackendReq = 5;
inline constexpr int kVhostUserProtocolConfig = 9;
inline constexpr int kVhostUserProtocolResetDevice = 13;
inline constexpr int kVhostUserProtocolConfigureMemSlots = 15;

constexpr uint64_t FeatureBit(int bit) { return uint64_t{1} << bit; }

// "Header"
struct VhostUserHeader {
  uint32_t request;
  uint32_t flags;
  uint32_t size;  // Of the payload alone.
};
static_assert(sizeof(VhostUserHeader) == 12);

inline constexpr uint32_t kVhostUserVersionMask = 0x3;
inline constexpr uint32_t kVhostUserVersion = 0x1;
inline constexpr uint32_t kVhostUserReply = 0x4;
inline constexpr uint32_t kVhostUserNeedReply = 0x8;

// Limits of our own, the same as the Rust crates': the specification names none.
inline constexpr size_t kMaxVhostUserPayload = 4096;
inline constexpr size_t kMaxVhostUserDescriptors = 32;

// Payloads. "A vring state description"
struct VhostUserVringState {
  uint32_t index;
  uint32_t num;
};
static_assert(sizeof(VhostUserVringState) == 8);

// "A vring address description". Used comes before available.
struct VhostUserVringAddresses {
  uint32_t index;
  uint32_t flags;  // Bit 0: log writes to the used ring.
  uint64_t descriptor_table;
  uint64_t used_ring;
  uint64_t available_ring;
  uint64_t log;  // User-Mode Linux sends ~0 here: not to be looked at unless flags say so.
};
static_assert(sizeof(VhostUserVringAddresses) == 40);

// "Memory region description"
struct VhostUserRegion {
  uint64_t guest_address;
  uint64_t size;
  uint64_t front_end_address;
  uint64_t mmap_offset;
};
static_assert(sizeof(VhostUserRegion) == 32);

// "Multiple memory regions description": this, then the regions.
struct VhostUserMemoryTableHeader {
  uint32_t count;
  uint32_t padding;
};
static_assert(sizeof(VhostUserMemoryTableHeader) == 8);

// "Single memory region description"
struct VhostUserSingleRegion {
  uint64_t padding;
  VhostUserRegion region;
};
static_assert(sizeof(VhostUserSingleRegion) == 40);

// "Virtio device config space": this, then `size` bytes.
struct VhostUserConfigHeader {
  uint32_t offset;
  uint32_t size;
  uint32_t flags;
};
static_assert(sizeof(VhostUserConfigHeader) == 12);

// SET_VRING_KICK, _CALL, _ERR: a u64.
inline constexpr uint64_t kVhostUserVringIndexMask = 0xff;
inline constexpr uint64_t kVhostUserVringNoDescriptor = 0x100;

}  // namespace postern

#endif  // POSTERN_WORKER_VHOST_USER_VHOST_USER_PROTOCOL_H_
