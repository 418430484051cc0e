#include "tests/hostile/guest/daemon_watch.h"

#include <absl/strings/str_cat.h>
#include <poll.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>

#include "tests/vmm/process_info.h"

namespace postern::hostile {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWindowMilliseconds = 20;

// The time for which the daemon's threads have run so far, in ns, and whether one of them is
// running or about to.
struct Activity {
  uint64_t run_time = 0;
  bool running = false;
};

Activity ReadActivity(const vmm::DaemonProcess& daemon) {
  Activity activity;
  for (const vmm::ProcessInfo& process : daemon.Processes()) {
    for (const pid_t thread : vmm::Threads(process.pid)) {
      // Its first number is the time spent on a processor (Linux: Documentation/scheduler/
      // sched-stats).
      std::ifstream file(absl::StrCat("/proc/", thread, "/schedstat"));
      uint64_t run_time = 0;
      file >> run_time;
      activity.run_time += run_time;
      if (vmm::StatusField(thread, "State").starts_with("R")) activity.running = true;
    }
  }
  return activity;
}

}  // namespace

std::vector<Holdings> Measure(const vmm::DaemonProcess& daemon) {
  std::vector<Holdings> all;
  for (const vmm::ProcessInfo& process : daemon.Processes()) {
    const auto descriptors = vmm::ListDescriptors(process.pid);
    all.push_back({.process = process.name,
                   .descriptors = descriptors.ok() ? descriptors->size() : 0,
                   .anonymous_kib = std::strtoull(vmm::StatusField(process.pid, "RssAnon").c_str(),
                                                  nullptr, 10)});
  }
  return all;
}

std::string Growth(const std::vector<Holdings>& before, const std::vector<Holdings>& after) {
  std::string text;
  if (before.size() != after.size()) return "not the same processes";
  for (size_t i = 0; i < after.size(); ++i) {
    const Holdings& old = before[i];
    const Holdings& now = after[i];
    if (now.descriptors > old.descriptors) {
      absl::StrAppend(&text, now.process, ": ", old.descriptors, " to ", now.descriptors,
                      " descriptors; ");
    }
    if (now.anonymous_kib > old.anonymous_kib + kMemorySlackKib) {
      absl::StrAppend(&text, now.process, ": ", old.anonymous_kib, " to ", now.anonymous_kib,
                      " KiB; ");
    }
  }
  return text;
}

bool ComesToRest(const vmm::DaemonProcess& daemon, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  Activity before = ReadActivity(daemon);
  do {
    poll(nullptr, 0, kWindowMilliseconds);
    const Activity now = ReadActivity(daemon);
    if (!now.running && now.run_time == before.run_time) return true;
    before = now;
  } while (Clock::now() < deadline);
  return false;
}

}  // namespace postern::hostile
