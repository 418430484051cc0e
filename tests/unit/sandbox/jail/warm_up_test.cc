// What the libraries do on threads of a warmed-up process, behind the worker's filter: nothing of
// it may end the process.
#include "common/warm_up.h"

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "common/errno_or.h"
#include "common/logging.h"
#include "common/mutex_lock.h"
#include "common/sanitized.h"
#include "common/unique_fd.h"
#include "sandbox/jail/hardening.h"
#include "sandbox/policies/seccomp_policies.h"
#include "tests/unit/sandbox/forked.h"

namespace postern {
namespace {

constexpr int kThreads = 20;
constexpr int kRounds = 200;

// What the threads share.
struct Scene {
  absl::BlockingCounter ready{kThreads};
  absl::Notification sealed;
  absl::BlockingCounter done{kThreads};
  absl::Mutex mutex;
  absl::CondVar changed;
  int count = 0;  // Guarded by mutex.
};

void ContendForLocks(Scene& scene) {
  for (int i = 0; i < kRounds; ++i) {
    MutexLock lock(scene.mutex);
    ++scene.count;
    scene.changed.SignalAll();
    // Held for a while, so that others come to sleep on it.
    if (i % 50 == 0) absl::SleepFor(absl::Milliseconds(1));
  }
}

void WaitWithTimeouts(Scene& scene) {
  MutexLock lock(scene.mutex);
  scene.changed.WaitWithTimeout(&scene.mutex, absl::Milliseconds(1));
  const auto never = [](int* count) { return *count < 0; };
  scene.mutex.AwaitWithTimeout(absl::Condition(+never, &scene.count), absl::Milliseconds(1));
  absl::SleepFor(absl::Microseconds(10));
}

// Sizes on both sides of what the allocator maps on its own, and enough for it to grow its heaps.
void Allocate() {
  std::vector<std::vector<char>> blocks;
  for (size_t size = 16; size <= size_t{4} << 20; size *= 2) blocks.emplace_back(size, 'x');
  for (int i = 0; i < 1000; ++i) blocks.emplace_back(1000, 'x');
}

void Work(Scene& scene) {
  ContendForLocks(scene);
  WaitWithTimeouts(scene);
  Allocate();
  char text[100];
  LOG(INFO) << "a line with a time stamp: " << strerror_r(ENOENT, text, sizeof(text));
  PLOG(WARNING) << "and " << Errno(EACCES).Message();
}

using PolicyFunction = SeccompPolicy (*)();

// `broken`: an end that the filter must bring about, which shows that it is there.
int Play(PolicyFunction policy, bool broken) {
  const UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (dup2(null.get(), STDERR_FILENO) < 0) return 97;
  WarmUpLibraries();
  InitializeLogging("warm-up");
  auto* scene = new Scene;  // The threads never end.
  for (int i = 0; i < kThreads; ++i) {
    std::thread([scene, broken] {
      WarmUpThread();
      scene->ready.DecrementCount();
      scene->sealed.WaitForNotification();
      if (broken) open("/", O_PATH);
      Work(*scene);
      scene->done.DecrementCount();
      absl::Notification().WaitForNotification();
    }).detach();
  }
  scene->ready.Wait();
  if (!ForbidNewPrivileges().ok()) return 98;
  if (!LoadSeccompPolicy(policy(), config::SECCOMP_ACTION_KILL).ok()) return 99;
  scene->sealed.Notify();
  scene->done.Wait();
  return 0;
}

TEST(WarmUpTest, LibrariesWorkBehindTheWorkersFilter) {
  EXPECT_EQ(ExitOfForked([] { return Play(&WorkerPolicy, false); }), 0);
}

TEST(WarmUpTest, LibrariesWorkBehindTheBrokersFilter) {
  EXPECT_EQ(ExitOfForked([] { return Play(&BrokerPolicy, false); }), 0);
}

TEST(WarmUpTest, FilterIsInForceMeanwhile) {
  if (kSanitized) GTEST_SKIP() << "sanitizers open files";
  EXPECT_EQ(ExitOfForked([] { return Play(&WorkerPolicy, true); }), 1000 + SIGSYS);
}

// More threads than abseil's first block of memory for them has room for.
constexpr int kManyThreads = 400;

// Each waits for the first time behind the filter.
int WaitOnManyThreads(PolicyFunction policy) {
  WarmUpLibraries();
  auto* ready = new absl::BlockingCounter(kManyThreads);  // The threads never end.
  auto* done = new absl::BlockingCounter(kManyThreads);
  auto* sealed = new std::atomic<bool>(false);
  auto* mutex = new absl::Mutex;
  for (int i = 0; i < kManyThreads; ++i) {
    std::thread([ready, done, sealed, mutex] {
      WarmUpThread();
      ready->DecrementCount();
      sealed->wait(false);
      {
        const MutexLock lock(*mutex);
        bool never = false;
        mutex->AwaitWithTimeout(absl::Condition(&never), absl::Microseconds(100));
      }
      done->DecrementCount();
      absl::Notification().WaitForNotification();
    }).detach();
  }
  ready->Wait();
  if (!ForbidNewPrivileges().ok()) return 98;
  if (!LoadSeccompPolicy(policy(), config::SECCOMP_ACTION_KILL).ok()) return 99;
  *sealed = true;
  sealed->notify_all();
  done->Wait();
  return 0;
}

TEST(WarmUpTest, ManyThreadsMayWaitForTheFirstTimeBehindTheWorkersFilter) {
  EXPECT_EQ(ExitOfForked([] { return WaitOnManyThreads(&WorkerPolicy); }), 0);
}

TEST(WarmUpTest, ManyThreadsMayWaitForTheFirstTimeBehindTheBrokersFilter) {
  EXPECT_EQ(ExitOfForked([] { return WaitOnManyThreads(&BrokerPolicy); }), 0);
}

TEST(WarmUpTest, LeavesNoDescriptorOpen) {
  EXPECT_EQ(ExitOfForked([] {
              const int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
              close(before);
              WarmUpLibraries();
              const int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
              return before >= 0 && after == before ? 0 : 1;
            }),
            0);
}

// A broken invariant of ours must be seen as that, not as a call that was forbidden.
struct NamedPolicy {
  const char* name;
  PolicyFunction function;
};

class FailedCheckTest : public testing::TestWithParam<NamedPolicy> {};
INSTANTIATE_TEST_SUITE_P(, FailedCheckTest,
                         testing::Values(NamedPolicy{"worker", &WorkerPolicy},
                                         NamedPolicy{"broker", &BrokerPolicy},
                                         NamedPolicy{"launcher", &LauncherPolicy}),
                         [](const auto& row) { return row.param.name; });

TEST_P(FailedCheckTest, AbortsBehindTheFilter) {
  const int end = ExitOfForked([] {
    const UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (dup2(null.get(), STDERR_FILENO) < 0) return 97;
    InitializeLogging("failed-check");
    if (!ForbidNewPrivileges().ok()) return 98;
    if (!LoadSeccompPolicy(GetParam().function(), config::SECCOMP_ACTION_KILL).ok()) return 99;
    LOG(FATAL) << "broken";
    return 0;
  });
  EXPECT_EQ(end, 1000 + SIGABRT);
}

}  // namespace
}  // namespace postern
