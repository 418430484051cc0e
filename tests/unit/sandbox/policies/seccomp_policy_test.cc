#include "sandbox/policies/seccomp_policy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <csignal>
#include <cstring>
#include <iostream>
#include <set>
#include <string>
#include <thread>

#include "common/sanitized.h"
#include "sandbox/jail/hardening.h"
#include "sandbox/policies/seccomp_policies.h"
#include "tests/unit/sandbox/forked.h"

namespace postern {
namespace {

using Arguments = std::array<uint64_t, 6>;
using PolicyFunction = SeccompPolicy (*)();

// All ones: no valid descriptor, pointer, size or flag.
constexpr Arguments kHarmless = {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL};
// Beyond the newest call of any kernel.
constexpr int kCallsEnd = 600;

#ifdef __x86_64__
// uretprobe and uprobe: the kernel exempts them from seccomp, and raises SIGILL if it isn't its own
// trampoline that calls.
const std::set<int> kBeforeTheFilter = {335, 336};
#else
const std::set<int> kBeforeTheFilter;
#endif

std::string NameOf(int number) {
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  const std::string text = name != nullptr ? name : std::to_string(number);
  free(name);
  return text;
}

// Makes one call in a process that has loaded the policy. Whether the filter killed it; what else
// becomes of it is no matter.
bool IsKilled(PolicyFunction policy, int number, const Arguments& a) {
  const int end = ExitOfForked([&] {
    // If the loading fails, nothing kills: a test for killing fails, and those for living are told
    // by this.
    if (!ForbidNewPrivileges().ok() ||
        !LoadSeccompPolicy(policy(), config::SECCOMP_ACTION_KILL).ok()) {
      return 99;
    }
    syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return 0;
  });
  EXPECT_NE(end, 99);
  return end == 1000 + SIGSYS;
}

Arguments Fulfil(const SeccompRow& row) {
  Arguments arguments = kHarmless;
  for (const auto& condition : {row.first, row.second}) {
    if (!condition) continue;
    uint64_t& argument = arguments[condition->index];
    argument = (argument & ~condition->mask) | condition->value;
  }
  return arguments;
}

struct NamedPolicy {
  const char* name;
  PolicyFunction function;
};

class EveryPolicyTest : public testing::TestWithParam<NamedPolicy> {};
INSTANTIATE_TEST_SUITE_P(, EveryPolicyTest,
                         testing::Values(NamedPolicy{"worker", &WorkerPolicy},
                                         NamedPolicy{"broker", &BrokerPolicy},
                                         NamedPolicy{"launcher", &LauncherPolicy},
                                         NamedPolicy{"sweeper", &SweeperPolicy}),
                         [](const auto& row) { return row.param.name; });

TEST_P(EveryPolicyTest, AllowsEachOfItsRows) {
  for (const SeccompRow& row : GetParam().function()) {
    if (row.syscall < 0) continue;            // Not on this architecture.
    if (row.syscall == SYS_tgkill) continue;  // Its process is this one, not the child.
    EXPECT_FALSE(IsKilled(GetParam().function, row.syscall, Fulfil(row)))
        << NameOf(row.syscall) << ": " << row.reason;
  }
}

TEST_P(EveryPolicyTest, KillsOnEachConditionChanged) {
  const SeccompPolicy policy = GetParam().function();
  for (const SeccompRow& row : policy) {
    if (row.syscall < 0) continue;
    for (const auto& condition : {row.first, row.second}) {
      if (!condition) continue;
      Arguments arguments = Fulfil(row);
      const uint64_t lowest_bit = condition->mask & (~condition->mask + 1);
      arguments[condition->index] ^= lowest_bit;
      if (Allows(policy, row.syscall, arguments)) continue;  // Another row's.
      EXPECT_TRUE(IsKilled(GetParam().function, row.syscall, arguments))
          << NameOf(row.syscall) << ": " << row.reason;
    }
  }
}

TEST_P(EveryPolicyTest, KillsEveryOtherCall) {
  const SeccompPolicy policy = GetParam().function();
  std::set<int> allowed;
  for (const SeccompRow& row : policy) allowed.insert(row.syscall);
  for (int number = 0; number < kCallsEnd; ++number) {
    if (allowed.contains(number) || kBeforeTheFilter.contains(number)) continue;
    EXPECT_TRUE(IsKilled(GetParam().function, number, kHarmless)) << NameOf(number);
  }
}

TEST_P(EveryPolicyTest, EveryRowHasAReason) {
  for (const SeccompRow& row : GetParam().function()) {
    EXPECT_GT(std::strlen(row.reason), 2u) << NameOf(row.syscall);
  }
}

// The others have no fcntl.
class FcntlPolicyTest : public EveryPolicyTest {};
INSTANTIATE_TEST_SUITE_P(, FcntlPolicyTest,
                         testing::Values(NamedPolicy{"worker", &WorkerPolicy},
                                         NamedPolicy{"broker", &BrokerPolicy}),
                         [](const auto& row) { return row.param.name; });

TEST_P(FcntlPolicyTest, UpperHalfOf32BitArgumentsDoesNotMatter) {
  // The kernel takes fcntl's command as 32 bits: what lies above must neither forbid nor allow.
  Arguments arguments = kHarmless;
  arguments[1] = 0xdead00000000ULL | F_DUPFD_CLOEXEC;
  EXPECT_FALSE(IsKilled(GetParam().function, SYS_fcntl, arguments));
  arguments[1] = 0xdead00000000ULL | F_SETOWN;
  EXPECT_TRUE(IsKilled(GetParam().function, SYS_fcntl, arguments));
}

// What a taken-over process would try first, spelled out: a row too many must not slip through
// unnoticed.
class ForbiddenToBothTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(
    , ForbiddenToBothTest,
    testing::Values(SYS_execve, SYS_execveat, SYS_clone, SYS_clone3, SYS_ptrace,
                    SYS_process_vm_writev, SYS_socket, SYS_socketpair, SYS_connect, SYS_bind,
                    SYS_accept4, SYS_kill, SYS_tkill, SYS_pidfd_open, SYS_pidfd_getfd, SYS_mount,
                    SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_open_tree,
                    SYS_move_mount, SYS_fsopen, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
                    SYS_io_uring_setup, SYS_keyctl, SYS_add_key, SYS_init_module, SYS_kexec_load,
                    SYS_memfd_create, SYS_seccomp, SYS_personality, SYS_ioctl),
    [](const auto& row) { return NameOf(row.param); });

TEST_P(ForbiddenToBothTest, Dies) {
  if (kSanitized && GetParam() == SYS_ioctl) GTEST_SKIP() << "sanitizers need it";
  EXPECT_TRUE(IsKilled(&WorkerPolicy, GetParam(), kHarmless));
  EXPECT_TRUE(IsKilled(&BrokerPolicy, GetParam(), kHarmless));
}

// posternd has started what there is to start.
class ForbiddenToTheLauncherTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(, ForbiddenToTheLauncherTest,
                         testing::Values(SYS_execve, SYS_execveat, SYS_clone, SYS_clone3,
                                         SYS_ptrace, SYS_process_vm_writev, SYS_socket, SYS_connect,
                                         SYS_bind, SYS_kill, SYS_pidfd_open, SYS_pidfd_getfd,
                                         SYS_mount, SYS_open_tree, SYS_chroot, SYS_unshare,
                                         SYS_setns, SYS_openat2, SYS_renameat2, SYS_mkdirat,
                                         SYS_fchmodat, SYS_fchownat, SYS_setresuid, SYS_capset,
                                         SYS_bpf, SYS_keyctl, SYS_memfd_create),
                         [](const auto& row) { return NameOf(row.param); });

TEST_P(ForbiddenToTheLauncherTest, Dies) {
  EXPECT_TRUE(IsKilled(&LauncherPolicy, GetParam(), kHarmless));
}

std::set<int> DistinctCalls(PolicyFunction policy) {
  std::set<int> calls;
  for (const SeccompRow& row : policy()) {
    if (row.syscall >= 0) calls.insert(row.syscall);
  }
  return calls;
}

// THREATS.md says how many. The broker's last is fchmodat2, which libseccomp knows from 2.5.5.
TEST(PolicySizeTest, EachProcessHasFewCalls) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have their own";
  const struct {
    const char* process;
    PolicyFunction policy;
    size_t most;
  } sizes[] = {{"worker", &WorkerPolicy, 31},
               {"broker", &BrokerPolicy, 66},
               {"launcher", &LauncherPolicy, 30},
               {"sweeper", &SweeperPolicy, 10}};
  for (const auto& [process, policy, most] : sizes) {
    const size_t count = DistinctCalls(policy).size();
    std::cout << process << ": " << count << " system calls\n";
    EXPECT_LE(count, most) << process;
  }
}

// No call that takes a path.
class ForbiddenToTheWorkerTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(, ForbiddenToTheWorkerTest,
                         testing::Values(SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_openat2,
                                         SYS_statx, SYS_unlinkat, SYS_linkat, SYS_symlinkat,
                                         SYS_mkdirat, SYS_mknodat, SYS_renameat2, SYS_fchmodat,
                                         SYS_fchownat, SYS_utimensat, SYS_chdir, SYS_fchdir,
                                         SYS_ftruncate, SYS_fchmod, SYS_fchown, SYS_getdents64,
                                         SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_capset),
                         [](const auto& row) { return NameOf(row.param); });

TEST_P(ForbiddenToTheWorkerTest, Dies) {
  EXPECT_TRUE(IsKilled(&WorkerPolicy, GetParam(), kHarmless));
}

TEST(WorkerPolicyTest, OpeningDies) {
  if (kSanitized) GTEST_SKIP() << "sanitizers open files";
  EXPECT_TRUE(IsKilled(&WorkerPolicy, SYS_openat, kHarmless));
  EXPECT_TRUE(IsKilled(&WorkerPolicy, SYS_newfstatat, kHarmless));
  EXPECT_TRUE(IsKilled(&WorkerPolicy, SYS_newfstatat, {0, 0, 0, AT_EMPTY_PATH, 0, 0}));
}

TEST(RuntimePolicyTest, ExecutableMemoryDies) {
  if (kSanitized) GTEST_SKIP() << "sanitizers map their own";
  const Arguments map = {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0};
  Arguments plain = map;
  plain[2] = PROT_READ | PROT_WRITE;
  for (const PolicyFunction policy : {&WorkerPolicy, &BrokerPolicy}) {
    EXPECT_TRUE(IsKilled(policy, SYS_mmap, map));
    EXPECT_FALSE(IsKilled(policy, SYS_mmap, plain));
    EXPECT_TRUE(IsKilled(policy, SYS_mprotect, {0, 4096, PROT_EXEC, 0, 0, 0}));
    EXPECT_TRUE(IsKilled(policy, SYS_pkey_mprotect, {0, 4096, PROT_EXEC, 0, 0, 0}));
  }
}

// sched_getcpu(3), where neither glibc nor the vDSO can tell.
TEST(RuntimePolicyTest, ProcessorOneRunsOnMayBeAskedFor) {
  for (const PolicyFunction policy : {&WorkerPolicy, &BrokerPolicy}) {
    EXPECT_FALSE(IsKilled(policy, SYS_getcpu, kHarmless));
  }
  EXPECT_TRUE(IsKilled(&LauncherPolicy, SYS_getcpu, kHarmless));
}

TEST(BrokerPolicyTest, OfPrctlOnlyToForbidInspection) {
  if (kSanitized) GTEST_SKIP() << "sanitizers name threads";
  EXPECT_FALSE(IsKilled(&BrokerPolicy, SYS_prctl, {PR_SET_DUMPABLE, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(IsKilled(&BrokerPolicy, SYS_prctl, {PR_SET_DUMPABLE, 1, 0, 0, 0, 0}));
  EXPECT_TRUE(IsKilled(&BrokerPolicy, SYS_prctl, {PR_SET_SECCOMP, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(IsKilled(&WorkerPolicy, SYS_prctl, {PR_SET_DUMPABLE, 0, 0, 0, 0, 0}));
}

TEST(RuntimePolicyTest, OnlyTheProcessItselfCanBeSignalled) {
  // SIGCONT to oneself does nothing; the parent is another process.
  const int own = ExitOfForked([] {
    if (!ForbidNewPrivileges().ok() ||
        !LoadSeccompPolicy(WorkerPolicy(), config::SECCOMP_ACTION_KILL).ok()) {
      return 99;
    }
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGCONT);
    return 0;
  });
  EXPECT_EQ(own, 0);
  const auto parent = static_cast<uint64_t>(getpid());
  EXPECT_TRUE(IsKilled(&WorkerPolicy, SYS_tgkill, {parent, parent, SIGCONT, 0, 0, 0}));
}

TEST(LoadSeccompPolicyTest, BindsThreadsThatExist) {
  const int end = ExitOfForked([] {
    int gate[2];
    if (pipe(gate) != 0) return 98;
    std::thread thread([&gate] {
      char byte;
      if (read(gate[0], &byte, 1) == 1) syscall(SYS_execve, nullptr, nullptr, nullptr);
    });
    if (!ForbidNewPrivileges().ok() ||
        !LoadSeccompPolicy(WorkerPolicy(), config::SECCOMP_ACTION_KILL).ok()) {
      return 99;
    }
    if (write(gate[1], "", 1) != 1) return 97;
    thread.join();
    return 0;
  });
  EXPECT_EQ(end, 1000 + SIGSYS);
}

TEST(LoadSeccompPolicyTest, NoThreadCanBeMadeAfterwards) {
  const int end = ExitOfForked([] {
    if (!ForbidNewPrivileges().ok() ||
        !LoadSeccompPolicy(WorkerPolicy(), config::SECCOMP_ACTION_KILL).ok()) {
      return 99;
    }
    std::thread([] {}).join();
    return 0;
  });
  EXPECT_EQ(end, 1000 + SIGSYS);
}

int EndWithAction(config::SeccompAction action) {
  return ExitOfForked([action] {
    if (!ForbidNewPrivileges().ok() || !LoadSeccompPolicy(WorkerPolicy(), action).ok()) return 99;
    errno = 0;
    syscall(SYS_chroot, nullptr);
    return errno == EFAULT || errno == EPERM ? 7 : 8;
  });
}

TEST(LoadSeccompPolicyTest, TrapRaisesTheSignal) {
  EXPECT_EQ(EndWithAction(config::SECCOMP_ACTION_TRAP), 1000 + SIGSYS);
}

TEST(LoadSeccompPolicyTest, LogAndNoneLetTheCallThrough) {
  EXPECT_EQ(EndWithAction(config::SECCOMP_ACTION_LOG), 7);
  EXPECT_EQ(EndWithAction(config::SECCOMP_ACTION_NONE), 7);
}

TEST(LoadSeccompPolicyTest, UnknownActionFails) {
  EXPECT_EQ(EndWithAction(config::SECCOMP_ACTION_UNSPECIFIED), 99);
}

TEST(LoadSeccompPolicyTest, FailsWithoutNoNewPrivsForAPlainUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody without rights";
  const int end = ExitOfForked([] {
    if (!SwitchUser(12345, 12345).ok()) return 98;
    return LoadSeccompPolicy(WorkerPolicy(), config::SECCOMP_ACTION_KILL).ok() ? 0 : 99;
  });
  EXPECT_EQ(end, 99);
}

#ifdef __x86_64__
TEST(LoadSeccompPolicyTest, OtherArchitecturesDie) {
  // x32: the same numbers with bit 30.
  EXPECT_TRUE(IsKilled(&WorkerPolicy, 0x40000000 | SYS_getpid, kHarmless));
}
#endif

}  // namespace
}  // namespace postern
