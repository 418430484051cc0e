// What the front end said of a vring.
#ifndef POSTERN_WORKER_VIRTIO_VIRTQUEUE_SETTINGS_H_
#define POSTERN_WORKER_VIRTIO_VIRTQUEUE_SETTINGS_H_

#include <cstdint>

#include "worker/virtio/memory_region.h"

namespace postern {

// Nothing of it is believed before Virtqueue::Activate().
struct VirtqueueSettings {
  uint32_t size = 0;                    // SET_VRING_NUM
  uint16_t next_avail = 0;              // SET_VRING_BASE
  FrontEndAddress descriptor_table{0};  // SET_VRING_ADDR
  FrontEndAddress available_ring{0};
  FrontEndAddress used_ring{0};
  bool indirect_descriptors = false;  // VIRTIO_RING_F_INDIRECT_DESC negotiated
  bool event_index = false;           // VIRTIO_RING_F_EVENT_IDX negotiated
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_VIRTQUEUE_SETTINGS_H_
