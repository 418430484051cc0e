// linux/virtio_ring.h for C++: its helpers for legacy layouts aren't, and nobody needs them.
#ifndef POSTERN_WORKER_VIRTIO_VIRTIO_RING_H_
#define POSTERN_WORKER_VIRTIO_VIRTIO_RING_H_

#ifndef VIRTIO_RING_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#endif
#include <linux/virtio_ring.h>

#endif  // POSTERN_WORKER_VIRTIO_VIRTIO_RING_H_
