// What a daemon's processes hold and whether they rest, seen through /proc.
#ifndef POSTERN_TESTS_HOSTILE_GUEST_DAEMON_WATCH_H_
#define POSTERN_TESTS_HOSTILE_GUEST_DAEMON_WATCH_H_

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "tests/vmm/daemon_process.h"

namespace postern::hostile {

// What one process holds.
struct Holdings {
  std::string process;
  size_t descriptors = 0;
  size_t anonymous_kib = 0;  // RssAnon: without the guest's memory and the page cache.
};
std::vector<Holdings> Measure(const vmm::DaemonProcess& daemon);

// What an allocator's caches explain. Hundreds of rounds lie between two measurements, so that what
// is lost in each adds up to more. A sanitizer keeps what was freed for a long time, to see it
// used.
#ifdef POSTERN_SANITIZED
inline constexpr size_t kMemorySlackKib = size_t{1} << 20;
#else
inline constexpr size_t kMemorySlackKib = 3072;
#endif

// What has grown from `before` to `after`: any descriptor, or memory by more than the
// slack. Empty if nothing has.
std::string Growth(const std::vector<Holdings>& before, const std::vector<Holdings>& after);

// Waits until no thread of the daemon runs, for the length of a short window. False if that doesn't
// come within `limit`.
bool ComesToRest(const vmm::DaemonProcess& daemon, std::chrono::milliseconds limit);

}  // namespace postern::hostile

#endif  // POSTERN_TESTS_HOSTILE_GUEST_DAEMON_WATCH_H_
