#include "worker/vhost_user/config_space.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace postern {

static_assert(sizeof(virtio_fs_config) == 40);
static_assert(std::endian::native == std::endian::little);  // num_request_queues is le32.

ConfigSpace::ConfigSpace(std::string_view tag, uint32_t request_queues) {
  // Not NUL-terminated if it has all 36 bytes.
  if (!tag.empty()) std::memcpy(config_.tag, tag.data(), std::min(tag.size(), kMaxTagBytes));
  config_.num_request_queues = request_queues;
}

void ConfigSpace::Read(uint64_t offset, std::span<std::byte> to) const {
  const auto bytes = std::as_bytes(std::span(&config_, 1));
  std::fill(to.begin(), to.end(), std::byte{0});
  if (offset >= bytes.size()) return;
  const size_t length = std::min(to.size(), bytes.size() - static_cast<size_t>(offset));
  if (length > 0) std::memcpy(to.data(), bytes.data() + offset, length);
}

}  // namespace postern
