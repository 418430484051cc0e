// A fresh daemon with a front end on it, and what attacks need to break the rules.
#ifndef POSTERN_TESTS_HOSTILE_GUEST_ATTACK_CONTEXT_H_
#define POSTERN_TESTS_HOSTILE_GUEST_ATTACK_CONTEXT_H_

#include <absl/status/status.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/hostile/guest/attack.h"
#include "tests/vmm/daemon_process.h"
#include "tests/vmm/front_end.h"
#include "tests/vmm/fuse_client.h"
#include "tests/vmm/fuse_queue.h"
#include "tests/vmm/temp_directory.h"

namespace postern::hostile {

struct RunOptions {
  std::vector<std::string> command;  // Of the daemon, without socket and directory.
  std::string directory = "/tmp";    // Where the shared directory is made.
  // How long to wait for what should happen. It only decides what is called hung.
  std::chrono::milliseconds patience = std::chrono::seconds(30);
};

// The queue that is attacked, and what else is in the shared directory's surroundings.
inline constexpr size_t kAttacked = 1;
inline constexpr char kCanary[] = "canary";           // A file in the shared directory,
inline constexpr char kCanaryContent[] = "intact\n";  // and what it holds.
inline constexpr char kSecret[] = "secret";           // A file beside it.

// What became of a chain.
enum class ChainEnd {
  kUsed,        // It came back.
  kStopped,     // The device has signalled that the queue is broken.
  kEnded,       // The connection is closed.
  kUnanswered,  // Nothing of these.
};

// Belongs to one thread. Attacks call what they like; after the first failure everything is a
// no-op, so that an attack needn't look at each result.
class AttackContext {
 public:
  AttackContext(const Attack& attack, const RunOptions& options);
  ~AttackContext();
  AttackContext(const AttackContext&) = delete;
  AttackContext& operator=(const AttackContext&) = delete;

  // Starts a daemon and goes as far as the attack's stage. Also for a second and third daemon, when
  // an attack uses them up.
  absl::Status Start();
  // From a socket (of which it uses a duplicate) to running rings, and FUSE_INIT if `init`.
  absl::Status Serve(bool init);
  // What a guest's reset does: rings from the beginning, a new session.
  bool ResetDevice();

  const Attack& attack() const { return attack_; }
  const RunOptions& options() const { return options_; }
  vmm::DaemonProcess& daemon() { return *daemon_; }
  bool serving() const { return front_end_ != nullptr; }
  vmm::FrontEnd& front_end() { return *front_end_; }
  // The connection, at any stage.
  vmm::VhostUserClient& client() { return front_end_ ? front_end_->client() : *raw_client_; }
  vmm::FuseQueue& queue(size_t index = kAttacked) { return *queues_[index]; }
  vmm::FuseClient& fuse(size_t index = kAttacked) { return *clients_[index]; }
  vmm::DriverQueue& ring(size_t index = kAttacked) { return front_end_->queue(index); }
  vmm::GuestMemory& memory() { return front_end_->memory(); }
  // Where good requests go when the attacked queue is gone.
  size_t other_queue() const { return queues_.size() > 2 ? 2 : 0; }
  std::string Host(std::string_view name) const { return share_ + "/" + std::string(name); }
  std::string Beside(std::string_view name) const { return scratch_.Path(name); }

  // ---- raw requests ----
  static constexpr int kNoReply = -1;  // Given back without a reply.
  static constexpr int kLost = -2;     // Not given back; the attack is over.
  // Sends these bytes as one readable buffer, with one writable one for the reply. The reply's
  // error (0: none), or one of the above. A reply that isn't one is a Fail().
  int Send(std::string_view request, size_t reply_bytes = 4096, size_t queue = kAttacked);
  // The bytes after the header of the last reply that Send() got.
  const std::string& reply() const { return reply_; }
  // Sends, and fails the attack unless the answer is an error or no reply at all.
  void ExpectRefusal(std::string_view what, std::string_view request, size_t reply_bytes = 4096);

  // ---- raw chains ----
  // Puts a chain into the attacked ring, unpublished; its head. Nothing if the attack is over.
  std::optional<uint16_t> AddChain(std::span<const vmm::Segment> readable,
                                   std::span<const vmm::Segment> writable);
  // Publishes, kicks, and waits until all chains have come back or never will.
  ChainEnd Await(size_t queue = kAttacked);
  // Waits until the used index is `index`, whatever the ring says, or the queue is stopped or lost.
  // For attacks that the driver's own record of the ring can't follow.
  void AwaitUsedIndex(uint16_t index);
  // Guest memory for the attack's use, the same in each round; 1 MiB, page-aligned.
  vmm::GuestBuffer scratch() const { return scratch_buffer_; }

  // ---- findings ----
  void Fail(std::string what);
  // Lost its queue or its connection, or failed.
  bool over() const { return stopped_ || ended_ || unanswered_ || !failure_.empty(); }
  // At least one queue was signalled broken, now or in an earlier round.
  bool said_broken() const { return said_broken_; }
  bool stopped() const { return stopped_; }
  void set_ended() { ended_ = true; }
  // It was the daemon that closed the connection, not the attack.
  bool closed_by_daemon() { return !disconnected_ && ConnectionClosed(); }
  bool unanswered() const { return unanswered_; }
  const std::string& failure() const { return failure_; }
  // The back end has closed the connection, or the daemon is gone.
  bool ConnectionClosed();
  // An attack that uses its daemon up disconnects and says with what status that must end.
  void DisconnectAndExpectExit(int status);
  // The log of all daemons so far.
  std::string Output() const;

 private:
  struct Pending;

  absl::Status StartDaemon();
  ChainEnd Look(size_t queue);
  ChainEnd LookAtEvents(size_t queue);
  void DropFrontEnd();

  const Attack& attack_;
  const RunOptions& options_;
  const vmm::TempDirectory scratch_;
  const std::string share_;
  std::unique_ptr<vmm::DaemonProcess> daemon_;
  std::unique_ptr<vmm::VhostUserClient> raw_client_;  // At stage kSocket.
  std::unique_ptr<vmm::FrontEnd> front_end_;
  std::vector<std::unique_ptr<vmm::FuseQueue>> queues_;
  std::vector<std::unique_ptr<vmm::FuseClient>> clients_;
  vmm::GuestBuffer scratch_buffer_;
  uint32_t used_length_ = 0;  // Of the chain that came back last.
  std::string reply_;
  std::string failure_;
  bool stopped_ = false;
  bool said_broken_ = false;
  bool ended_ = false;
  bool unanswered_ = false;
  bool disconnected_ = false;
};

// A request's bytes: a header that is right but for `length`, if given, and `body`.
struct RequestHeader {
  uint32_t opcode = 0;
  uint64_t node = 1;
  std::optional<uint32_t> length = std::nullopt;
  uint64_t unique = 0x4242;
  uint16_t extensions = 0;  // In units of 8 bytes.
};
std::string Request(const RequestHeader& header, std::string_view body = {});

// Sends requests while another thread calls `change` over and over; it must be granted each time.
void ChangeWhileServing(AttackContext& context, bool (*change)(AttackContext&));

// A structure's bytes.
template <typename T>
std::string Bytes(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace postern::hostile

#endif  // POSTERN_TESTS_HOSTILE_GUEST_ATTACK_CONTEXT_H_
