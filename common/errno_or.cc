#include "common/errno_or.h"

#include <cstring>

namespace postern {

std::string Errno::Message() const {
  char buffer[128];
  return strerror_r(value_, buffer,
                    sizeof(buffer));  // GNU's strerror_r: may return a static string instead.
}

}  // namespace postern
