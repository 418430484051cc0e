// The vhost-user protocol as its specification writes it down (QEMU: docs/interop/vhost-user.rst):
// numbers and layouts.
#ifndef POSTERN_TESTS_VMM_VHOST_USER_PROTOCOL_H_
#define POSTERN_TESTS_VMM_VHOST_USER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

namespace postern::vmm {

// "Front-end message types".
enum class VhostRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetLogBase = 6,
  kSetLogFd = 7,
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
  kGetInflightFd = 31,
  kSetInflightFd = 32,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
  kSetStatus = 39,
  kGetStatus = 40,
  kSetDeviceStateFd = 42,
  kCheckDeviceState = 43,
};

// "Header". Flags: version 1 in bits 0 and 1, reply, need_reply.
struct VhostHeader {
  uint32_t request;
  uint32_t flags;
  uint32_t size;  // Of the payload.
};
static_assert(sizeof(VhostHeader) == 12);
inline constexpr uint32_t kVhostVersion = 0x1;
inline constexpr uint32_t kVhostReply = 0x4;
inline constexpr uint32_t kVhostNeedReply = 0x8;

// Virtio and vhost feature bits.
inline constexpr uint64_t kFeatureLogAll = uint64_t{1} << 26;
inline constexpr uint64_t kFeatureIndirect = uint64_t{1} << 28;
inline constexpr uint64_t kFeatureEventIndex = uint64_t{1} << 29;
inline constexpr uint64_t kFeatureProtocolFeatures = uint64_t{1} << 30;
inline constexpr uint64_t kFeatureVersion1 = uint64_t{1} << 32;

// "Protocol features".
inline constexpr uint64_t kProtocolMq = uint64_t{1} << 0;
inline constexpr uint64_t kProtocolLogShmfd = uint64_t{1} << 1;
inline constexpr uint64_t kProtocolReplyAck = uint64_t{1} << 3;
inline constexpr uint64_t kProtocolBackendReq = uint64_t{1} << 5;
inline constexpr uint64_t kProtocolConfig = uint64_t{1} << 9;
inline constexpr uint64_t kProtocolBackendSendFd = uint64_t{1} << 10;
inline constexpr uint64_t kProtocolInflightShmfd = uint64_t{1} << 12;
inline constexpr uint64_t kProtocolResetDevice = uint64_t{1} << 13;
inline constexpr uint64_t kProtocolInbandNotifications = uint64_t{1} << 14;
inline constexpr uint64_t kProtocolConfigureMemSlots = uint64_t{1} << 15;
inline constexpr uint64_t kProtocolDeviceState = uint64_t{1} << 19;

// "A vring state description".
struct VringState {
  uint32_t index;
  uint32_t num;
};
static_assert(sizeof(VringState) == 8);

// "A vring address description". Used comes before available.
struct VringAddr {
  uint32_t index;
  uint32_t flags;  // Bit 0: log writes to the used ring.
  uint64_t descriptor;
  uint64_t used;
  uint64_t available;
  uint64_t log;
};
static_assert(sizeof(VringAddr) == 40);

// "Memory region description".
struct MemoryRegion {
  uint64_t guest_address;
  uint64_t size;
  uint64_t user_address;
  uint64_t mmap_offset;
};
static_assert(sizeof(MemoryRegion) == 32);

// "Single memory region description".
struct SingleMemoryRegion {
  uint64_t padding;
  MemoryRegion region;
};
static_assert(sizeof(SingleMemoryRegion) == 40);

// "Virtio device config space", without its bytes.
struct ConfigHeader {
  uint32_t offset;
  uint32_t size;
  uint32_t flags;
};
static_assert(sizeof(ConfigHeader) == 12);

// "Log description".
struct LogDescription {
  uint64_t mmap_size;
  uint64_t mmap_offset;
};
static_assert(sizeof(LogDescription) == 16);

// "Device state transfer parameters".
struct DeviceStateTransfer {
  uint32_t direction;  // 0 save, 1 load.
  uint32_t phase;      // 0 stopped.
};
static_assert(sizeof(DeviceStateTransfer) == 8);

// In the payload of SET_VRING_KICK, CALL and ERR: no descriptor comes with the message.
inline constexpr uint64_t kVringFdInvalid = uint64_t{1} << 8;

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_VHOST_USER_PROTOCOL_H_
