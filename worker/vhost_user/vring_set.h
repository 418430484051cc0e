// The vrings of the device as the front end knows them.
#ifndef POSTERN_WORKER_VHOST_USER_VRING_SET_H_
#define POSTERN_WORKER_VHOST_USER_VRING_SET_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"
#include "worker/vhost_user/device_queue.h"
#include "worker/vhost_user/vhost_user_protocol.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/virtqueue_settings.h"

namespace postern {

// The state machine of "Ring states": collects each ring's settings, makes them into a Virtqueue
// when the ring is started, and moves the rings of the Device between stopped and started, disabled
// and enabled. Also owns the memory table, since no ring may run on another one than the current.
//
// All indices come from the wire; EINVAL for one that the device doesn't have. EBUSY: not while the
// ring is started. Used by one thread. `device` must outlive it, and must come with all queues
// stopped and disabled.
class VringSet {
 public:
  explicit VringSet(Device& device);
  // Leaves the device as it came: all queues stopped, disabled, without descriptors.
  ~VringSet();
  VringSet(const VringSet&) = delete;
  VringSet& operator=(const VringSet&) = delete;

  // The acknowledged feature word. Rings that are started keep theirs until started again; without
  // kVhostUserFeatureProtocolFeatures all rings are enabled, for good.
  void SetFeatures(uint64_t features);
  // Moves all started rings to `memory`, without waiting for what they have in flight: that keeps
  // the memory that it was taken with. One whose addresses aren't in `memory` is broken until it is
  // stopped and started again.
  void SetMemory(std::shared_ptr<const MemoryTable> memory);
  const MemoryTable& memory() const { return *memory_; }

  ErrnoOrVoid SetSize(uint32_t index, uint32_t size);
  ErrnoOrVoid SetBase(uint32_t index, uint32_t next_avail);
  // On a started ring the same addresses are accepted, and change nothing.
  ErrnoOrVoid SetAddresses(const VhostUserVringAddresses& addresses);
  // Starts the ring, or gives one that is started another kick descriptor. EINVAL, EFAULT:
  // Virtqueue::Activate().
  ErrnoOrVoid Start(uint32_t index, UniqueFd kick);
  // Stops it, drops its kick and call descriptors, and returns the next available index.
  ErrnoOr<uint16_t> Stop(uint32_t index);
  // Only 0 and 1.
  ErrnoOrVoid SetEnabled(uint32_t index, uint32_t enabled);
  ErrnoOrVoid SetCall(uint32_t index, UniqueFd call);
  ErrnoOrVoid SetError(uint32_t index, UniqueFd error);

  void DisableAll();
  void StopAndDisableAll();

 private:
  struct Vring {
    VirtqueueSettings settings;
    bool started = false;  // The DeviceQueue has it.
  };

  ErrnoOr<Vring*> Find(uint32_t index);
  // Takes the ring back from its queue, which waits for what it has in flight.
  void StopQueue(size_t index);

  Device& device_;
  std::shared_ptr<const MemoryTable> memory_;
  uint64_t features_ = 0;
  std::vector<Vring> vrings_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VHOST_USER_VRING_SET_H_
