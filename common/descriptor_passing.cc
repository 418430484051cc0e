#include "common/descriptor_passing.h"

#include <cstring>

namespace postern {

bool AdoptDescriptors(msghdr& header, std::vector<UniqueFd>& descriptors) {
  bool only_descriptors = true;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      only_descriptors = false;
      continue;
    }
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      descriptors.emplace_back(fd);
    }
  }
  return only_descriptors;
}

}  // namespace postern
