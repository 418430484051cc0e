// A whole front end: guest RAM, the rings of one virtio-fs device and the order of messages of a
// QEMU or of UML.
#ifndef POSTERN_TESTS_VMM_FRONT_END_H_
#define POSTERN_TESTS_VMM_FRONT_END_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "common/unique_fd.h"
#include "tests/vmm/driver_queue.h"
#include "tests/vmm/guest_memory.h"
#include "tests/vmm/vhost_user_client.h"

namespace postern::vmm {

// Queue 0 is hiprio, the others are request queues. Errors name the step that failed. Belongs to
// one thread; each queue() may be driven by another one between Start() and Stop(). Destroying it
// disconnects.
class FrontEnd {
 public:
  // Whose order of messages.
  enum class Style {
    kQemu,  // 10.0
    kUml,   // arch/um/drivers/virtio_uml.c of Linux 6.1: SET_MEM_TABLE of 72 bytes, an ack for each
            // message
  };
  enum class MemoryMessages { kAddMemReg, kSetMemTable };  // UML always uses the second.

  struct Options {
    Style style = Style::kQemu;
    MemoryMessages memory_messages = MemoryMessages::kAddMemReg;
    std::vector<GuestMemory::RegionLayout> regions = {GuestMemory::RegionLayout{}};
    size_t queues = 2;  // hiprio included; fewer if the back end offers fewer.
    DriverQueue::Options queue = {};
    // What the back end offers is masked with these.
    uint64_t features_mask = ~uint64_t{0};
    uint64_t protocol_features_mask = ~uint64_t{0};
  };

  // Everything up to a device that a guest could find: features, protocol features, queue count.
  // Takes the socket.
  static absl::StatusOr<std::unique_ptr<FrontEnd>> Connect(UniqueFd socket, const Options& options);
  ~FrontEnd();

  // What follows the driver's DRIVER_OK: memory (once per connection), then all rings from their
  // saved indices.
  absl::Status Start();
  // Stops all rings and saves their indices. Everything that the back end had taken is in the used
  // rings afterwards; what it hadn't is still available, and served after the next Start().
  absl::Status Stop();
  // One ring of these.
  absl::Status StartQueue(size_t index);
  absl::Status StopQueue(size_t index);
  absl::Status SetQueueEnabled(size_t index, bool enabled);
  // As at a guest's reset: stops, RESET_DEVICE (if negotiated), empties the rings. A new FUSE INIT
  // must follow Start().
  absl::Status Reset();
  // Closes the connection; the back end should end its session.
  void Disconnect() { client_.Disconnect(); }
  // Waits until the back end has seen all messages so far.
  absl::Status Barrier();

  VhostUserClient& client() { return client_; }
  GuestMemory& memory() { return *memory_; }
  size_t queue_count() const { return queues_.size(); }
  DriverQueue& queue(size_t index) { return *queues_[index]; }
  uint64_t features() const { return features_; }  // Negotiated.
  uint64_t protocol_features() const { return protocol_features_; }
  uint64_t offered_features() const { return offered_features_; }
  uint64_t offered_protocol_features() const { return offered_protocol_features_; }
  uint64_t offered_queues() const { return offered_queues_; }
  // The available index at which GET_VRING_BASE left the ring.
  uint16_t saved_base(size_t index) const { return bases_[index]; }

 private:
  FrontEnd(UniqueFd socket, const Options& options);
  absl::Status ConnectAsQemu();
  absl::Status ConnectAsUml();
  absl::Status CreateQueues();
  absl::Status SendMemory();
  absl::Status StartAsUml();
  absl::Status SetUpRing(size_t index);

  const Options options_;
  VhostUserClient client_;
  std::unique_ptr<GuestMemory> memory_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  std::vector<uint16_t> bases_;
  std::vector<bool> running_;
  UniqueFd backend_requests_;  // Our end of the back end's own requests; a virtio-fs back end sends
                               // none.
  bool memory_sent_ = false;
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
  uint64_t offered_features_ = 0;
  uint64_t offered_protocol_features_ = 0;
  uint64_t offered_queues_ = 0;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FRONT_END_H_
