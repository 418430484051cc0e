// One vhost-user connection, front end's side: messages, and nothing that remembers what they mean.
#ifndef POSTERN_TESTS_VMM_VHOST_USER_CLIENT_H_
#define POSTERN_TESTS_VMM_VHOST_USER_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"
#include "tests/vmm/guest_memory.h"
#include "tests/vmm/vhost_user_protocol.h"

namespace postern::vmm {

// Sends messages and takes replies, and holds the back end to the rules of both: a reply bears its
// request's number and flags of exactly version | reply (QEMU compares both). Errors of every call:
//   EPROTO      the answer breaks the protocol
//   EREMOTEIO   the back end has refused (nack)
//   ECONNRESET  the connection has ended, EPIPE the same while sending
//   ETIMEDOUT   no answer within the time limit
// Belongs to one thread at a time.
class VhostUserClient {
 public:
  struct Message {
    VhostHeader header{};
    std::vector<std::byte> payload;
    std::vector<UniqueFd> descriptors;
  };
  // Whether a command without a natural reply asks for an ack; ignored until REPLY_ACK has been
  // negotiated.
  enum class Ack { kNo, kYes };

  // Takes a connected socket and limits how long it waits for an answer.
  explicit VhostUserClient(UniqueFd socket, int timeout_seconds = 10);

  int fd() const { return socket_.get(); }
  // As UML does: asks for an ack with every command.
  void set_always_ack(bool value) { always_ack_ = value; }
  bool reply_ack_negotiated() const { return reply_ack_; }
  // Closes the socket, which ends the session.
  void Disconnect() { socket_.Reset(); }

  ErrnoOr<uint64_t> GetFeatures();
  ErrnoOrVoid SetFeatures(uint64_t features, Ack ack = Ack::kNo);
  ErrnoOr<uint64_t> GetProtocolFeatures();
  // Switches acks on if `features` has REPLY_ACK; with `ack` for this very message, as UML does.
  ErrnoOrVoid SetProtocolFeatures(uint64_t features, Ack ack = Ack::kNo);
  ErrnoOrVoid SetOwner(Ack ack = Ack::kNo);
  ErrnoOr<uint64_t> GetQueueNum();
  ErrnoOr<uint64_t> GetMaxMemSlots();
  ErrnoOrVoid SetBackendReqFd(int fd, Ack ack = Ack::kYes);

  // All regions at once; `slots` above their number pads the message, as UML does (always 2 slots).
  ErrnoOrVoid SetMemTable(std::span<const GuestMemory::Region> regions, size_t slots = 0,
                          Ack ack = Ack::kYes);
  ErrnoOrVoid AddMemReg(const GuestMemory::Region& region, Ack ack = Ack::kYes);
  ErrnoOrVoid RemMemReg(const GuestMemory::Region& region, Ack ack = Ack::kYes);

  ErrnoOrVoid SetVringNum(uint32_t index, uint32_t size, Ack ack = Ack::kNo);
  ErrnoOrVoid SetVringBase(uint32_t index, uint32_t base, Ack ack = Ack::kNo);
  ErrnoOrVoid SetVringAddr(const VringAddr& address, Ack ack = Ack::kNo);
  // -1: no descriptor.
  ErrnoOrVoid SetVringKick(uint32_t index, int fd, Ack ack = Ack::kNo);
  ErrnoOrVoid SetVringCall(uint32_t index, int fd, Ack ack = Ack::kNo);
  ErrnoOrVoid SetVringErr(uint32_t index, int fd, Ack ack = Ack::kNo);
  ErrnoOrVoid SetVringEnable(uint32_t index, bool enabled, Ack ack = Ack::kNo);
  // Stops the ring; the available index that the back end would have taken next.
  ErrnoOr<uint32_t> GetVringBase(uint32_t index);
  ErrnoOrVoid ResetDevice(Ack ack = Ack::kNo);

  ErrnoOr<std::vector<std::byte>> GetConfig(uint32_t offset, uint32_t size);
  ErrnoOrVoid SetLogBase(int fd, const LogDescription& description);
  // The error bits of the reply must be 0; a descriptor that the back end returns instead is an
  // error here.
  ErrnoOrVoid SetDeviceStateFd(int fd, const DeviceStateTransfer& transfer);
  ErrnoOr<uint64_t> CheckDeviceState();

  // ---- one level down, also for hostile tests ----

  // Any message, well formed or not: `header.size` needn't be the payload's.
  ErrnoOrVoid SendMessage(const VhostHeader& header, std::span<const std::byte> payload,
                          std::span<const int> descriptors = {});
  // Any bytes; the descriptors go with the first.
  ErrnoOrVoid SendRaw(std::span<const std::byte> bytes, std::span<const int> descriptors = {});
  // The next message, whatever it is. EPROTO for a payload over 64 KiB.
  ErrnoOr<Message> Receive();
  // A message without natural reply: sends, and takes the ack if one is due.
  ErrnoOrVoid Command(VhostRequest request, std::span<const std::byte> payload,
                      std::span<const int> descriptors, Ack ack);
  // A message with natural reply: sends, and takes it.
  ErrnoOr<Message> Query(VhostRequest request, std::span<const std::byte> payload = {},
                         std::span<const int> descriptors = {});

 private:
  ErrnoOr<Message> ReceiveReply(VhostRequest request);
  ErrnoOr<uint64_t> QueryNumber(VhostRequest request);
  ErrnoOrVoid CommandNumber(VhostRequest request, uint64_t value, Ack ack);
  ErrnoOrVoid VringFd(VhostRequest request, uint32_t index, int fd, Ack ack);

  UniqueFd socket_;
  bool reply_ack_ = false;
  bool always_ack_ = false;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_VHOST_USER_CLIENT_H_
