// Taking over the descriptors that came with a message.
#ifndef POSTERN_COMMON_DESCRIPTOR_PASSING_H_
#define POSTERN_COMMON_DESCRIPTOR_PASSING_H_

#include <sys/socket.h>

#include <vector>

#include "common/unique_fd.h"

namespace postern {

// Appends every descriptor in the control data of `header`, which recvmsg(2) has filled. Call it
// before any check of the message, so that no refusal leaves one open. False if there is control
// data of another kind, too.
bool AdoptDescriptors(msghdr& header, std::vector<UniqueFd>& descriptors);

}  // namespace postern

#endif  // POSTERN_COMMON_DESCRIPTOR_PASSING_H_
