#include "common/warm_up.h"

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <string_view>
#include <thread>

#include "common/mutex_lock.h"
#include "common/unique_fd.h"

namespace postern {
namespace {

// Heaps of glibc's allocator; more threads share them.
[[maybe_unused]] constexpr int kMaxArenas = 8;

void WarmUpAllocator() {
#ifdef __GLIBC__
  // Before glibc makes a ninth heap for yet another thread, it reads a file in /sys, unless it has
  // been given a limit.
  mallopt(M_ARENA_MAX, kMaxArenas);
  // And before it gives the end of a heap back, it reads the kernel's overcommit policy. Without a
  // threshold it gives back only what it had mapped on its own: blocks of 128 KiB and more.
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

// proc(5), /proc/PID/stat: the state follows the name, which stands in parentheses and may hold
// some of its own.
bool IsAsleep(int stat) {
  char text[256];
  const ssize_t size = pread(stat, text, sizeof(text), 0);
  if (size < 0) return true;  // Nothing to be seen: not waited for.
  const std::string_view line(text, static_cast<size_t>(size));
  const size_t name_end = line.rfind(')');
  return name_end != std::string_view::npos && line.substr(name_end).starts_with(") S");
}

// A thread that comes to sleep on a lock.
class Sleeper {
 public:
  // `held` is held by the caller.
  explicit Sleeper(absl::Mutex& held) : thread_([this, &held] { SleepOn(held); }) {}

  void AwaitSleep() const {
    int stat;
    do {
      sched_yield();
      stat = stat_.load();
    } while (stat == kNotStarted || !IsAsleep(stat));
  }
  // Precondition: the lock is free.
  void Join() { thread_.join(); }

 private:
  static constexpr int kNotStarted = -2;

  void SleepOn(absl::Mutex& held) {
    const UniqueFd stat(open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC));  // Linux 3.17
    stat_ = stat.get();
    const MutexLock lock(held);
  }

  std::atomic<int> stat_ = kNotStarted;
  std::thread thread_;  // Last: it uses the above.
};

// The first thread that has to wait for an absl::Mutex asks how many processors there are; the
// first that isn't alone in waiting asks how fast they tick. Both read files in /sys, and both
// answers are kept. No function of abseil's has them asked, so two threads do wait.
void WarmUpLocks() {
  // Distributions build abseil with its debug checks. This one takes a lock of the whole process at
  // each Lock(), and its report reads files to name the functions.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  absl::Mutex mutex;
  mutex.Lock();
  Sleeper first(mutex);
  first.AwaitSleep();
  Sleeper second(mutex);
  second.AwaitSleep();
  mutex.Unlock();
  first.Join();
  second.Join();
}

}  // namespace

void WarmUpLibraries() {
  WarmUpAllocator();
  WarmUpLocks();
  WarmUpThread();
}

void WarmUpThread() {
  // A contended absl::Mutex wants to know the thread's priority. glibc asks the kernel once and
  // keeps the answer with the thread.
  int policy = 0;
  sched_param parameters{};
  pthread_getschedparam(pthread_self(), &policy, &parameters);
  // What abseil keeps of a thread is made when it first waits. The memory comes in blocks for many
  // threads, and newer versions (2024) give each block a name by prctl(2).
  absl::Mutex mutex;
  const MutexLock lock(mutex);
  bool never = false;
  mutex.AwaitWithTimeout(absl::Condition(&never), absl::ZeroDuration());
}

}  // namespace postern
