// The device's configuration space.
#ifndef POSTERN_WORKER_VHOST_USER_CONFIG_SPACE_H_
#define POSTERN_WORKER_VHOST_USER_CONFIG_SPACE_H_

#include <linux/virtio_fs.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace postern {

// struct virtio_fs_config (VIRTIO 1.2, 5.11.4), without notify_buf_size, which only the
// notification queue's feature brings. QEMU makes its own from its own options; User-Mode Linux
// reads this one.
class ConfigSpace {
 public:
  static constexpr size_t kMaxTagBytes = sizeof(virtio_fs_config::tag);

  // A tag over kMaxTagBytes is cut: options check that.
  ConfigSpace(std::string_view tag, uint32_t request_queues);

  // Fills `to` with what is at `offset`; zeros where the space has ended.
  void Read(uint64_t offset, std::span<std::byte> to) const;

 private:
  virtio_fs_config config_{};
};

}  // namespace postern

#endif  // POSTERN_WORKER_VHOST_USER_CONFIG_SPACE_H_
