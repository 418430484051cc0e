#include "sandbox/jail/hardening.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <csignal>

#include "common/rpc/channel.h"
#include "tests/unit/sandbox/forked.h"

namespace postern {
namespace {

TEST(HardeningTest, NoNewPrivsIsSet) {
  EXPECT_EQ(1, ExitOfForked([] {
              if (!ForbidNewPrivileges().ok()) return 9;
              return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
            }));
}

TEST(HardeningTest, InspectionIsForbidden) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!ForbidInspection().ok()) return 9;
              rlimit core{1, 1};
              if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) return 8;
              return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
            }));
}

TEST(HardeningTest, PrivateMemoryEndsAtItsLimitAndSharedMemoryDoesNot) {
#ifdef POSTERN_SANITIZED
  GTEST_SKIP() << "not limited with sanitizers";
#endif
  constexpr size_t kLimit = size_t{256} << 20;
  EXPECT_EQ(0, ExitOfForked([] {
              const UniqueFd guest_memory(memfd_create("guest", MFD_CLOEXEC));
              if (ftruncate(guest_memory.get(), 2 * kLimit) != 0) return 1;
              if (!LimitMemory(kLimit).ok()) return 2;
              if (mmap(nullptr, 2 * kLimit, PROT_READ | PROT_WRITE, MAP_SHARED, guest_memory.get(),
                       0) == MAP_FAILED) {
                return 3;
              }
              const auto map = [](size_t size) {
                return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                            0) != MAP_FAILED;
              };
              if (!map(kLimit / 2)) return 4;
              return map(kLimit / 2 + 1) || errno != ENOMEM ? 5 : 0;
            }));
}

TEST(HardeningTest, MemoryLimitOfTheCallersIsKeptIfLower) {
#ifdef POSTERN_SANITIZED
  GTEST_SKIP() << "not limited with sanitizers";
#endif
  EXPECT_EQ(0, ExitOfForked([] {
              constexpr rlim_t kCallers = rlim_t{1} << 28;
              const rlimit callers{kCallers, kCallers};
              if (setrlimit(RLIMIT_DATA, &callers) != 0) return 1;
              if (!LimitMemory(uint64_t{1} << 30).ok()) return 2;
              rlimit now{};
              getrlimit(RLIMIT_DATA, &now);
              return now.rlim_cur == kCallers && now.rlim_max == kCallers ? 0 : 3;
            }));
}

TEST(DieWithPeerTest, SetsTheSignalWhileThePeerLives) {
  auto pair = Channel::CreatePair();
  ASSERT_TRUE(pair.ok());
  EXPECT_EQ(SIGKILL, ExitOfForked([&] {
              if (!DieWithPeer(pair->first.fd()).ok()) return 1;
              int signal = 0;
              prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
              return signal;
            }));
}

TEST(DieWithPeerTest, FailsIfThePeerHasGone) {
  auto pair = Channel::CreatePair();
  ASSERT_TRUE(pair.ok());
  pair->second.TakeSocket().Reset();
  EXPECT_EQ(7, ExitOfForked([&] { return DieWithPeer(pair->first.fd()).ok() ? 0 : 7; }));
}

class RootHardeningTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(RootHardeningTest, SwitchedUserCannotComeBack) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!SwitchUser(12345, 23456).ok()) return 1;
              if (getuid() != 12345 || getegid() != 23456) return 2;
              return setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0 ? 3 : 0;
            }));
}

TEST_F(RootHardeningTest, SwitchUserFailsWithoutTheRight) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!SwitchUser(12345, 12345).ok()) return 1;
              return SwitchUser(0, 0).ok() ? 2 : 0;
            }));
}

TEST_F(RootHardeningTest, SupplementaryGroupsAreDropped) {
  EXPECT_EQ(0, ExitOfForked([] {
              const gid_t groups[] = {10, 20};
              if (setgroups(2, groups) != 0) return 1;
              if (!DropSupplementaryGroups().ok()) return 2;
              return getgroups(0, nullptr);
            }));
}

// A plain user's broker whose id in the user namespace isn't 0: it couldn't set again those groups
// that aren't mapped.
TEST_F(RootHardeningTest, WhoMaySetGroupsKeepsNoneWhateverItsId) {
  EXPECT_EQ(0, ExitOfForked([] {
              const gid_t groups[] = {10, 20};
              if (setgroups(2, groups) != 0) return 1;
              if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0) return 2;
              if (!SwitchUser(12345, 12345).ok()) return 3;
              if (!DropSupplementaryGroups().ok()) return 4;
              return getgroups(0, nullptr);
            }));
}

TEST_F(RootHardeningTest, PlainUserKeepsItsGroups) {
  EXPECT_EQ(2, ExitOfForked([] {
              const gid_t groups[] = {10, 20};
              if (setgroups(2, groups) != 0) return 11;
              if (!SwitchUser(12345, 12345).ok()) return 13;
              if (!DropSupplementaryGroups().ok()) return 14;
              return getgroups(0, nullptr);
            }));
}

TEST_F(RootHardeningTest, RootIsNowhere) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!ChangeRootToNowhere().ok()) return 1;
              if (access("/proc", F_OK) == 0 || access("/etc", F_OK) == 0) return 2;
              if (access("/../etc", F_OK) == 0 || access("etc", F_OK) == 0) return 3;
              return open("/new", O_CREAT | O_WRONLY, 0600) >= 0 ? 4 : 0;
            }));
}

TEST_F(RootHardeningTest, UnprivilegedProcessCannotForkAfterTheLimit) {
#ifdef POSTERN_SANITIZED
  GTEST_SKIP() << "not limited with sanitizers";
#endif
  EXPECT_EQ(0, ExitOfForked([] {
              if (!SwitchUser(12345, 12345).ok()) return 1;
              if (!ForbidProcesses().ok()) return 2;
              const pid_t pid = fork();
              if (pid == 0) _exit(0);
              return pid < 0 && errno == EAGAIN ? 0 : 3;
            }));
}

}  // namespace
}  // namespace postern
