#include "common/warm_up.h"

#include <absl/base/internal/sysinfo.h>
#include <absl/synchronization/mutex.h>
#include <malloc.h>
#include <pthread.h>

#include <limits>

namespace postern {
namespace {

// Heaps of glibc's allocator; more threads share them.
constexpr int kMaxArenas = 8;

}  // namespace

void WarmUpLibraries() {
  // The first contended absl::Mutex or spin lock asks how many processors there are, which reads a
  // file in /sys, and keeps the answer. There is no public way to have it asked earlier.
  absl::base_internal::NumCPUs();
  // The first wait with a time-out asks how fast they tick: another file in /sys.
  absl::base_internal::NominalCPUFrequency();
  // Distributions build abseil with its debug checks. This one takes a lock of the whole process at
  // each Lock(), and its report reads files to name the functions.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // So does glibc before it makes a ninth heap for yet another thread, unless it has been given a
  // limit.
  mallopt(M_ARENA_MAX, kMaxArenas);
  // And before it gives the end of a heap back, it reads the kernel's overcommit policy. Without a
  // threshold it gives back only what it had mapped on its own: blocks of 128 KiB and more.
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  WarmUpThread();
}

void WarmUpThread() {
  // A contended absl::Mutex wants to know the thread's priority. glibc asks the kernel once and
  // keeps the answer with the thread.
  int policy = 0;
  sched_param parameters{};
  pthread_getschedparam(pthread_self(), &policy, &parameters);
}

}  // namespace postern
