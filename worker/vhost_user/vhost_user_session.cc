#include "worker/vhost_user/vhost_user_session.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "common/logging.h"

namespace postern {
namespace {

// After so many, a connection's refused messages are no longer logged.
constexpr uint32_t kMaxRefusedLogged = 16;

uint64_t OfferedProtocolFeatures(bool config) {
  uint64_t features = FeatureBit(kVhostUserProtocolMq) | FeatureBit(kVhostUserProtocolReplyAck) |
                      FeatureBit(kVhostUserProtocolBackendReq) |
                      FeatureBit(kVhostUserProtocolResetDevice) |
                      FeatureBit(kVhostUserProtocolConfigureMemSlots);
  // Only on request: QEMU 7.1 to 8.0 crash while they warn that they don't use it.
  if (config) features |= FeatureBit(kVhostUserProtocolConfig);
  return features;
}

uint32_t RequestQueues(const Device& device) {
  const size_t queues = device.queue_count();  // hiprio and the request queues
  return queues > 1 ? static_cast<uint32_t>(queues - 1) : 0;
}

}  // namespace

struct VhostUserSession::Operation {
  enum class Answer {
    kNone,     // An ack if it is asked for.
    kNatural,  // reply_, always.
  };
  // Who may have chosen the values in it. What the guest's driver wrote into its device's registers
  // comes to us unchecked, at least by some front ends: it must not be able to end the connection
  // with it.
  enum class Author { kFrontEnd, kGuest };

  VhostUserRequest request;
  std::string_view name;
  size_t min_payload;
  size_t max_payload;
  size_t min_descriptors;
  size_t max_descriptors;  // More are closed.
  Answer answer;
  Author author;
  ErrnoOrVoid (VhostUserSession::*handler)(VhostUserMessage&);
};

const VhostUserSession::Operation* VhostUserSession::FindOperation(uint32_t request) {
  using R = VhostUserRequest;
  using S = VhostUserSession;
  using enum Operation::Answer;
  using enum Operation::Author;
  constexpr size_t kState = sizeof(VhostUserVringState);
  constexpr size_t kTable = sizeof(VhostUserMemoryTableHeader);
  constexpr size_t kRegion = sizeof(VhostUserSingleRegion);
  constexpr size_t kConfig = sizeof(VhostUserConfigHeader);
  constexpr size_t kAddresses = sizeof(VhostUserVringAddresses);
  constexpr size_t kMax = kMaxVhostUserPayload;
  constexpr size_t kFds = kMaxVhostUserDescriptors;
  // clang-format off
  static constexpr Operation kOperations[] = {
      {R::kGetFeatures, "GET_FEATURES", 0, 0, 0, 0, kNatural, kFrontEnd, &S::GetFeatures},
      {R::kSetFeatures, "SET_FEATURES", 8, 8, 0, 0, kNone, kFrontEnd, &S::SetFeatures},
      {R::kSetOwner, "SET_OWNER", 0, 0, 0, 0, kNone, kFrontEnd, &S::SetOwner},
      {R::kResetOwner, "RESET_OWNER", 0, 0, 0, 0, kNone, kFrontEnd, &S::ResetOwner},
      // The payload may be longer than the regions need: User-Mode Linux always sends room for two.
      {R::kSetMemTable, "SET_MEM_TABLE", kTable, kMax, 0, kFds, kNone, kFrontEnd, &S::SetMemTable},
      {R::kSetVringNum, "SET_VRING_NUM", kState, kState, 0, 0, kNone, kGuest, &S::SetVringNum},
      {R::kSetVringAddr, "SET_VRING_ADDR", kAddresses, kAddresses, 0, 0, kNone, kGuest,
       &S::SetVringAddr},
      {R::kSetVringBase, "SET_VRING_BASE", kState, kState, 0, 0, kNone, kGuest, &S::SetVringBase},
      {R::kGetVringBase, "GET_VRING_BASE", kState, kState, 0, 0, kNatural, kFrontEnd,
       &S::GetVringBase},
      {R::kSetVringKick, "SET_VRING_KICK", 8, 8, 0, 1, kNone, kGuest, &S::SetVringKick},
      {R::kSetVringCall, "SET_VRING_CALL", 8, 8, 0, 1, kNone, kFrontEnd, &S::SetVringCall},
      {R::kSetVringErr, "SET_VRING_ERR", 8, 8, 0, 1, kNone, kFrontEnd, &S::SetVringErr},
      {R::kGetProtocolFeatures, "GET_PROTOCOL_FEATURES", 0, 0, 0, 0, kNatural, kFrontEnd,
       &S::GetProtocolFeatures},
      {R::kSetProtocolFeatures, "SET_PROTOCOL_FEATURES", 8, 8, 0, 0, kNone, kFrontEnd,
       &S::SetProtocolFeatures},
      {R::kGetQueueNum, "GET_QUEUE_NUM", 0, 0, 0, 0, kNatural, kFrontEnd, &S::GetQueueNum},
      {R::kSetVringEnable, "SET_VRING_ENABLE", kState, kState, 0, 0, kNone, kFrontEnd,
       &S::SetVringEnable},
      {R::kSetBackendReqFd, "SET_BACKEND_REQ_FD", 0, 0, 1, 1, kNone, kFrontEnd,
       &S::SetBackendReqFd},
      {R::kGetConfig, "GET_CONFIG", kConfig, kMax, 0, 0, kNatural, kFrontEnd, &S::GetConfig},
      {R::kSetConfig, "SET_CONFIG", kConfig, kMax, 0, 0, kNone, kGuest, &S::SetConfig},
      {R::kResetDevice, "RESET_DEVICE", 0, 0, 0, 0, kNone, kFrontEnd, &S::ResetDevice},
      {R::kGetMaxMemSlots, "GET_MAX_MEM_SLOTS", 0, 0, 0, 0, kNatural, kFrontEnd,
       &S::GetMaxMemSlots},
      {R::kAddMemReg, "ADD_MEM_REG", kRegion, kRegion, 1, 1, kNone, kFrontEnd, &S::AddMemReg},
      {R::kRemMemReg, "REM_MEM_REG", kRegion, kRegion, 0, 0, kNone, kFrontEnd, &S::RemMemReg},
  };
  // clang-format on
  static_assert(
      [] {
        for (size_t i = 1; i < std::size(kOperations); ++i) {
          if (kOperations[i - 1].request >= kOperations[i].request) return false;
        }
        return true;
      }(),
      "one row for each request, ascending");

  const auto* const found = std::find_if(
      std::begin(kOperations), std::end(kOperations),
      [&](const Operation& row) { return static_cast<uint32_t>(row.request) == request; });
  return found == std::end(kOperations) ? nullptr : found;
}

VhostUserSession::VhostUserSession(UniqueFd socket, Device& device, const Options& options)
    : connection_(std::move(socket), options.stop_fd),
      device_(device),
      config_space_(options.tag, RequestQueues(device)),
      offered_protocol_features_(OfferedProtocolFeatures(!options.tag.empty())),
      vrings_(device) {}

ErrnoOrVoid VhostUserSession::Run() {
  VhostUserMessage message;
  ErrnoOrVoid result;
  while (result.ok()) {
    result = connection_.Receive(message);
    if (result.ok()) result = Serve(message);
  }
  vrings_.StopAndDisableAll();
  device_.Reset();

  // The regular ends: the virtual machine's, and ours.
  if (result.error() == Errno(ECONNRESET) || result.error() == Errno(ECANCELED)) return {};
  const std::string_view reason = connection_.reason();
  LOG(ERROR) << "vhost-user: connection given up: "
             << (reason.empty() ? result.error().Message() : std::string(reason));
  return result;
}

ErrnoOrVoid VhostUserSession::Serve(VhostUserMessage& message) {
  const Operation* const operation = FindOperation(message.request);
  VLOG(1) << "vhost-user: " << (operation != nullptr ? operation->name : "unknown request") << " ("
          << message.request << "), " << message.payload.size() << " bytes, "
          << message.descriptors.size() << " descriptors"
          << (message.need_reply ? ", need_reply" : "");
  reply_.clear();
  const ErrnoOrVoid result = operation != nullptr ? Handle(*operation, message) : Errno(EOPNOTSUPP);
  message.descriptors.clear();  // What the handler had no use for.
  if (!result.ok()) LogRefused(message, result.error());

  if (operation != nullptr && operation->answer == Operation::Answer::kNatural) {
    // There is no way to say no in such a reply, and whatever else we say would be taken for the
    // answer.
    if (!result.ok()) return Errno(EPROTO);
    return connection_.Reply(message.request, reply_);
  }
  // Asked after the handler: SET_PROTOCOL_FEATURES is itself acknowledged if it says so.
  if (message.need_reply && (protocol_features_ & FeatureBit(kVhostUserProtocolReplyAck))) {
    SetReply(static_cast<uint64_t>(result.errno_value()));
    return connection_.Reply(message.request, reply_);
  }
  const bool guest = operation != nullptr && operation->author == Operation::Author::kGuest;
  if (!result.ok() && !guest) return Errno(EPROTO);
  return {};
}

ErrnoOrVoid VhostUserSession::Handle(const Operation& operation, VhostUserMessage& message) {
  const size_t payload = message.payload.size();
  if (payload < operation.min_payload || payload > operation.max_payload) return Errno(EBADMSG);
  if (message.descriptors.size() < operation.min_descriptors) return Errno(EBADF);
  if (message.descriptors.size() > operation.max_descriptors) {
    message.descriptors.resize(operation.max_descriptors);
  }
  return (this->*operation.handler)(message);
}

void VhostUserSession::LogRefused(const VhostUserMessage& message, Errno error) {
  if (++refused_ > kMaxRefusedLogged) return;
  const Operation* const operation = FindOperation(message.request);
  LOG(WARNING) << "vhost-user: " << (operation != nullptr ? operation->name : "unknown request")
               << " (" << message.request << ") refused: " << error.Message()
               << (refused_ == kMaxRefusedLogged ? "; no more of these are logged" : "");
}

}  // namespace postern
