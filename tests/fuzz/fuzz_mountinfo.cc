// What the kernel says of mounts and control groups: the texts hold names that other users of the
// host chose. The input is /proc/PID/cgroup, a NUL, /proc/self/mountinfo.
#include <string_view>

#include "sandbox/launcher/cgroups.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  // Safe because bytes may be seen as characters.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\0'), text.size());
  const std::string_view mountinfo = text.substr(std::min(end + 1, text.size()));
  const std::vector<Cgroup> cgroups = ParseCgroups(text.substr(0, end));
  POSTERN_HOLDS(DifferingCgroups(cgroups, cgroups).empty());
  for (const Cgroup& cgroup : cgroups) {
    const auto directory = CgroupDirectory(mountinfo, cgroup);
    // It is made of one line each of both texts.
    POSTERN_HOLDS(!directory || directory->find('\n') == std::string::npos);
  }
  return 0;
}
