// A message with descriptors, past whatever checks the sender's own code has.
#ifndef POSTERN_TESTS_VMM_SEND_MESSAGE_H_
#define POSTERN_TESTS_VMM_SEND_MESSAGE_H_

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace postern::vmm {

// As sendmsg(2), whose result it returns.
inline ssize_t SendMessage(int socket, std::span<const std::byte> bytes,
                           std::span<const int> descriptors, int flags = MSG_NOSIGNAL) {
  // Safe because sendmsg(2) only reads through iov_base.
  iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(descriptors.size_bytes()));
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  return sendmsg(socket, &header, flags);
}

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_SEND_MESSAGE_H_
