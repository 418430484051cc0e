#include "common/errno_or.h"

#include <cstring>

namespace postern {

namespace {

// What strerror_r returns: GNU's a text, which may be another than the buffer; POSIX's 0.
[[maybe_unused]] const char* TextOf(const char* text, const char*) { return text; }
[[maybe_unused]] const char* TextOf(int result, const char* buffer) {
  return result == 0 ? buffer : "Unknown error";
}

}  // namespace

std::string Errno::Message() const {
  char buffer[128];
  return TextOf(strerror_r(value_, buffer, sizeof(buffer)), buffer);
}

}  // namespace postern
