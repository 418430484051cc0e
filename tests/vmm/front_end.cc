#include "tests/vmm/front_end.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/checked.h"

namespace postern::vmm {
namespace {

using Ack = VhostUserClient::Ack;

// The transport features of a virtio device that a guest's driver takes (QEMU masks with more;
// nobody else offers them).
constexpr uint64_t kDriverFeatures =
    kFeatureIndirect | kFeatureEventIndex | kFeatureProtocolFeatures | kFeatureVersion1;
// What QEMU 10.0 acknowledges, of what is offered.
constexpr uint64_t kQemuProtocolFeatures = kProtocolMq | kProtocolLogShmfd | kProtocolReplyAck |
                                           kProtocolBackendReq | kProtocolBackendSendFd |
                                           kProtocolResetDevice | kProtocolConfigureMemSlots |
                                           kProtocolDeviceState;
constexpr uint64_t kUmlProtocolFeatures =
    kProtocolReplyAck | kProtocolBackendReq | kProtocolConfig | kProtocolInbandNotifications;
constexpr size_t kUmlMemorySlots = 2;
constexpr uint32_t kConfigBytes = 40;  // sizeof(struct virtio_fs_config)

absl::Status Step(std::string_view name, Errno error) {
  return absl::InternalError(absl::StrCat(std::string(name), ": ", error.Message()));
}

// Returns from the caller, with the step's name, if `result` is a failure. Lvalues stay usable.
#define POSTERN_VMM_STEP(name, result)                             \
  do {                                                             \
    if (const auto& step_result_ = (result); !step_result_.ok()) { \
      return Step(name, step_result_.error());                     \
    }                                                              \
  } while (false)

}  // namespace

FrontEnd::FrontEnd(UniqueFd socket, const Options& options)
    : options_(options), client_(std::move(socket)) {}

FrontEnd::~FrontEnd() = default;

absl::StatusOr<std::unique_ptr<FrontEnd>> FrontEnd::Connect(UniqueFd socket,
                                                            const Options& options) {
  std::unique_ptr<FrontEnd> front_end(new FrontEnd(std::move(socket), options));
  auto memory = GuestMemory::Create(options.regions);
  if (!memory.ok()) return Step("guest memory", memory.error());
  front_end->memory_ = std::move(memory).value();
  const absl::Status connected =
      options.style == Style::kQemu ? front_end->ConnectAsQemu() : front_end->ConnectAsUml();
  if (!connected.ok()) return connected;
  return front_end;
}

absl::Status FrontEnd::ConnectAsQemu() {
  auto features = client_.GetFeatures();
  POSTERN_VMM_STEP("GET_FEATURES", features);
  offered_features_ = *features;
  features_ = *features & kDriverFeatures & options_.features_mask;
  if ((*features & kFeatureProtocolFeatures) != 0) {
    auto protocol = client_.GetProtocolFeatures();
    POSTERN_VMM_STEP("GET_PROTOCOL_FEATURES", protocol);
    offered_protocol_features_ = *protocol;
    protocol_features_ = *protocol & kQemuProtocolFeatures & options_.protocol_features_mask;
    if (options_.memory_messages == MemoryMessages::kSetMemTable) {
      protocol_features_ &= ~kProtocolConfigureMemSlots;
    }
    POSTERN_VMM_STEP("SET_PROTOCOL_FEATURES", client_.SetProtocolFeatures(protocol_features_));
  }
  offered_queues_ = options_.queues;
  if ((protocol_features_ & kProtocolMq) != 0) {
    auto count = client_.GetQueueNum();
    POSTERN_VMM_STEP("GET_QUEUE_NUM", count);
    offered_queues_ = *count;
  }
  if ((protocol_features_ & kProtocolConfigureMemSlots) != 0) {
    auto slots = client_.GetMaxMemSlots();
    POSTERN_VMM_STEP("GET_MAX_MEM_SLOTS", slots);
    if (*slots < options_.regions.size()) return Step("GET_MAX_MEM_SLOTS", Errno(ENOSPC));
  }
  if ((protocol_features_ & kProtocolBackendReq) != 0) {
    int ends[2];
    POSTERN_VMM_STEP("socketpair",
                     CheckSyscall(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)));
    backend_requests_.Reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    POSTERN_VMM_STEP("SET_BACKEND_REQ_FD", client_.SetBackendReqFd(theirs.get()));
  }
  POSTERN_VMM_STEP("SET_OWNER", client_.SetOwner());
  POSTERN_VMM_STEP("GET_FEATURES", client_.GetFeatures());
  if (const absl::Status created = CreateQueues(); !created.ok()) return created;
  for (size_t i = 0; i < queues_.size(); ++i) {
    const uint32_t index = Narrow<uint32_t>(i);
    POSTERN_VMM_STEP("SET_VRING_CALL", client_.SetVringCall(index, queues_[i]->call_fd()));
    POSTERN_VMM_STEP("SET_VRING_ERR", client_.SetVringErr(index, queues_[i]->error_fd()));
  }
  return Barrier();
}

absl::Status FrontEnd::ConnectAsUml() {
  client_.set_always_ack(true);
  POSTERN_VMM_STEP("SET_OWNER", client_.SetOwner());
  auto features = client_.GetFeatures();
  POSTERN_VMM_STEP("GET_FEATURES", features);
  offered_features_ = *features;
  features_ = *features & kDriverFeatures & options_.features_mask;
  auto protocol = client_.GetProtocolFeatures();
  POSTERN_VMM_STEP("GET_PROTOCOL_FEATURES", protocol);
  offered_protocol_features_ = *protocol;
  protocol_features_ = *protocol & kUmlProtocolFeatures & options_.protocol_features_mask;
  POSTERN_VMM_STEP("SET_PROTOCOL_FEATURES", client_.SetProtocolFeatures(protocol_features_));
  if ((protocol_features_ & kProtocolBackendReq) != 0) {
    int ends[2];  // UML hands over the write end of a pipe, not a socket.
    POSTERN_VMM_STEP("pipe2", CheckSyscall(pipe2(ends, O_CLOEXEC)));
    backend_requests_.Reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    POSTERN_VMM_STEP("SET_BACKEND_REQ_FD", client_.SetBackendReqFd(theirs.get()));
  }
  POSTERN_VMM_STEP("SET_FEATURES", client_.SetFeatures(features_));
  if ((protocol_features_ & kProtocolConfig) != 0) {
    // The driver reads the space in growing pieces from offset 0: 1 byte, 2 bytes, … 36, then
    // all 40.
    for (uint32_t size = 1; size <= kConfigBytes; size = size < 36 ? size + 1 : size + 4) {
      POSTERN_VMM_STEP(absl::StrCat("GET_CONFIG of ", size), client_.GetConfig(0, size));
    }
  }
  offered_queues_ = options_.queues;
  return CreateQueues();
}

absl::Status FrontEnd::CreateQueues() {
  DriverQueue::Options ring = options_.queue;
  ring.indirect = ring.indirect && (features_ & kFeatureIndirect) != 0;
  ring.event_index = ring.event_index && (features_ & kFeatureEventIndex) != 0;
  if (!ring.indirect) features_ &= ~kFeatureIndirect;
  if (!ring.event_index) features_ &= ~kFeatureEventIndex;
  const size_t count = std::min<size_t>(options_.queues, offered_queues_);
  for (size_t i = 0; i < count; ++i) {
    auto queue = DriverQueue::Create(*memory_, ring);
    POSTERN_VMM_STEP("ring", queue);
    queues_.push_back(std::move(queue).value());
  }
  bases_.assign(count, 0);
  running_.assign(count, false);
  return absl::OkStatus();
}

absl::Status FrontEnd::SendMemory() {
  // The back end keeps the table until the end of the connection, across stops and RESET_DEVICE.
  if (std::exchange(memory_sent_, true)) return absl::OkStatus();
  if ((protocol_features_ & kProtocolConfigureMemSlots) != 0) {
    for (const GuestMemory::Region& region : memory_->regions()) {
      POSTERN_VMM_STEP("ADD_MEM_REG", client_.AddMemReg(region));
    }
    return absl::OkStatus();
  }
  const size_t slots = options_.style == Style::kUml ? kUmlMemorySlots : 0;
  POSTERN_VMM_STEP("SET_MEM_TABLE", client_.SetMemTable(memory_->regions(), slots));
  return absl::OkStatus();
}

absl::Status FrontEnd::SetUpRing(size_t i) {
  const uint32_t index = Narrow<uint32_t>(i);
  const DriverQueue& queue = *queues_[i];
  const VringAddr address{.index = index,
                          .flags = 0,
                          .descriptor = memory_->ToUserAddress(queue.descriptor_address()).value(),
                          .used = memory_->ToUserAddress(queue.used_address()).value(),
                          .available = memory_->ToUserAddress(queue.available_address()).value(),
                          // UML sends ~0; flags say that it isn't meant.
                          .log = options_.style == Style::kUml ? ~uint64_t{0} : 0};
  POSTERN_VMM_STEP("SET_VRING_NUM", client_.SetVringNum(index, queue.size()));
  POSTERN_VMM_STEP("SET_VRING_BASE", client_.SetVringBase(index, bases_[i]));
  POSTERN_VMM_STEP("SET_VRING_ADDR", client_.SetVringAddr(address));
  return absl::OkStatus();
}

absl::Status FrontEnd::StartQueue(size_t i) {
  const uint32_t index = Narrow<uint32_t>(i);
  if (const absl::Status ready = SetUpRing(i); !ready.ok()) return ready;
  POSTERN_VMM_STEP("SET_VRING_KICK", client_.SetVringKick(index, queues_[i]->kick_fd()));
  POSTERN_VMM_STEP("SET_VRING_ENABLE", client_.SetVringEnable(index, true, Ack::kYes));
  POSTERN_VMM_STEP("SET_VRING_CALL", client_.SetVringCall(index, queues_[i]->call_fd()));
  running_[i] = true;
  return absl::OkStatus();
}

absl::Status FrontEnd::Start() {
  if (options_.style == Style::kUml) return StartAsUml();
  for (size_t i = 0; i < queues_.size(); ++i) {
    POSTERN_VMM_STEP("SET_VRING_CALL",
                     client_.SetVringCall(Narrow<uint32_t>(i), queues_[i]->call_fd()));
  }
  POSTERN_VMM_STEP("SET_FEATURES", client_.SetFeatures(features_));
  if (const absl::Status sent = SendMemory(); !sent.ok()) return sent;
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (const absl::Status ready = SetUpRing(i); !ready.ok()) return ready;
    POSTERN_VMM_STEP("SET_VRING_KICK",
                     client_.SetVringKick(Narrow<uint32_t>(i), queues_[i]->kick_fd()));
  }
  for (size_t i = 0; i < queues_.size(); ++i) {
    // Without the protocol-features bit rings are enabled as soon as they are started, and the
    // message isn't allowed.
    if ((features_ & kFeatureProtocolFeatures) != 0) {
      POSTERN_VMM_STEP("SET_VRING_ENABLE",
                       client_.SetVringEnable(Narrow<uint32_t>(i), true, Ack::kYes));
    }
    running_[i] = true;
  }
  for (size_t i = 0; i < queues_.size(); ++i) {
    POSTERN_VMM_STEP("SET_VRING_CALL",
                     client_.SetVringCall(Narrow<uint32_t>(i), queues_[i]->call_fd()));
  }
  return Barrier();
}

absl::Status FrontEnd::StartAsUml() {
  if (const absl::Status sent = SendMemory(); !sent.ok()) return sent;
  for (size_t i = 0; i < queues_.size(); ++i) {
    POSTERN_VMM_STEP("SET_VRING_CALL",
                     client_.SetVringCall(Narrow<uint32_t>(i), queues_[i]->call_fd()));
    if (const absl::Status ready = SetUpRing(i); !ready.ok()) return ready;
  }
  for (size_t i = 0; i < queues_.size(); ++i) {
    const uint32_t index = Narrow<uint32_t>(i);
    POSTERN_VMM_STEP("SET_VRING_KICK", client_.SetVringKick(index, queues_[i]->kick_fd()));
    POSTERN_VMM_STEP("SET_VRING_ENABLE", client_.SetVringEnable(index, true));
    running_[i] = true;
  }
  return absl::OkStatus();
}

absl::Status FrontEnd::StopQueue(size_t i) {
  const uint32_t index = Narrow<uint32_t>(i);
  if ((features_ & kFeatureProtocolFeatures) != 0) {
    POSTERN_VMM_STEP("SET_VRING_ENABLE", client_.SetVringEnable(index, false, Ack::kYes));
  }
  auto base = client_.GetVringBase(index);
  POSTERN_VMM_STEP("GET_VRING_BASE", base);
  bases_[i] = static_cast<uint16_t>(*base);
  running_[i] = false;
  POSTERN_VMM_STEP("SET_VRING_CALL", client_.SetVringCall(index, queues_[i]->call_fd()));
  return absl::OkStatus();
}

absl::Status FrontEnd::SetQueueEnabled(size_t i, bool enabled) {
  POSTERN_VMM_STEP("SET_VRING_ENABLE",
                   client_.SetVringEnable(Narrow<uint32_t>(i), enabled, Ack::kYes));
  return absl::OkStatus();
}

absl::Status FrontEnd::Stop() {
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (!running_[i]) continue;
    if (const absl::Status stopped = StopQueue(i); !stopped.ok()) return stopped;
  }
  return absl::OkStatus();
}

absl::Status FrontEnd::Reset() {
  if (const absl::Status stopped = Stop(); !stopped.ok()) return stopped;
  if ((protocol_features_ & kProtocolResetDevice) != 0) {
    POSTERN_VMM_STEP("RESET_DEVICE", client_.ResetDevice());
  }
  for (size_t i = 0; i < queues_.size(); ++i) {
    queues_[i]->Reset();
    bases_[i] = 0;
  }
  return Barrier();
}

absl::Status FrontEnd::Barrier() {
  POSTERN_VMM_STEP("GET_FEATURES", client_.GetFeatures());
  return absl::OkStatus();
}

}  // namespace postern::vmm
