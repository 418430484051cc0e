#include "tests/bench/native.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace postern::bench {

void MustSucceed(bool success, const char* call) {
  if (success) return;
  std::fprintf(stderr, "native %s: %s\n", call, std::strerror(errno));
  std::exit(1);
}

int NativeLane::Directory(const char* name) {
  if (!directory) {
    directory.Reset(openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    MustSucceed(static_cast<bool>(directory), "open");
  }
  return directory.get();
}

int NativeLane::File(const char* name) {
  if (!file) {
    file.Reset(openat(root, name, O_RDWR | O_CLOEXEC));
    MustSucceed(static_cast<bool>(file), "open");
  }
  return file.get();
}

}  // namespace postern::bench
