// What the vhost-user connection does to one virtqueue of the device.
#ifndef POSTERN_WORKER_VHOST_USER_DEVICE_QUEUE_H_
#define POSTERN_WORKER_VHOST_USER_DEVICE_QUEUE_H_

#include <memory>

#include "common/unique_fd.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/virtqueue.h"

namespace postern {

// Served by a thread of its own; the connection's thread commands it through these. A queue
// processes requests while it is both started and enabled (vhost-user: "Ring states"). All calls
// come from the connection's thread.
class DeviceQueue {
 public:
  // A queue at rest: what Start() took.
  struct Ring {
    std::unique_ptr<Virtqueue> virtqueue;
    UniqueFd kick;  // An eventfd that the driver signals; none: the ring is polled.
  };

  virtual ~DeviceQueue() = default;

  // Takes a ring; returns at once. Looks at the ring without waiting for a kick, as soon as it is
  // enabled too. Precondition: stopped.
  virtual void Start(Ring ring) = 0;
  // Stops: fetches nothing more, waits until all that was fetched is in the used ring, and gives
  // the ring back. What takes longer than some seconds and moves no data in guest memory is
  // answered before it is done. From then on neither guest memory nor the call descriptor is
  // touched. Null `virtqueue` if it wasn't started.
  virtual Ring Stop() = 0;
  // Flips the other bit; returns at once. A disabled queue fetches nothing more, and answers what
  // it has fetched.
  virtual void SetEnabled(bool enabled) = 0;
  // Virtqueue::UseMemory() of a started ring; returns at once. Else nothing.
  virtual void SetMemory(std::shared_ptr<const MemoryTable> memory) = 0;
  // Another Ring::kick for a started ring, which is looked at without waiting for a kick. Else
  // nothing.
  virtual void SetKick(UniqueFd kick) = 0;
  // Where to write a notification (an eventfd, or a pipe under User-Mode Linux; made non-blocking);
  // none: the driver polls. At any time.
  virtual void SetCall(UniqueFd call) = 0;
  // Signalled when the ring is found broken.
  virtual void SetError(UniqueFd error) = 0;
};

// What the connection does to the device as a whole.
class Device {
 public:
  virtual ~Device() = default;

  // Number of virtqueues: hiprio and the request queues.
  virtual size_t queue_count() const = 0;
  // Precondition: index < queue_count().
  virtual DeviceQueue& queue(size_t index) = 0;
  // RESET_DEVICE, and the end of the connection: ends the FUSE session. All queues are stopped.
  virtual void Reset() = 0;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VHOST_USER_DEVICE_QUEUE_H_
