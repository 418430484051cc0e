#include "broker/identity/credentials.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <thread>

#include "tests/suid_dumpable.h"
#include "tests/unit/broker/filesystem_fixture.h"

namespace postern {
namespace {

uint64_t Effective() { return ProcessCredentials::Capture()->effective(); }
constexpr uint64_t Bit(int capability) { return uint64_t{1} << capability; }

std::vector<gid_t> Groups() { return ProcessCredentials::Capture()->groups(); }

class CredentialsTest : public testing::Test {
 protected:
  void SetUp() override { POSTERN_SKIP_UNLESS_ROOT(); }

  ErrnoOr<ScopedCredentials> Enter(uint32_t uid, uint32_t gid, std::vector<gid_t> groups = {}) {
    HostCredentials wanted{HostUid(uid), HostGid(gid), {}};
    wanted.groups.assign(groups.begin(), groups.end());
    return ScopedCredentials::Enter(own_, wanted);
  }

  ProcessCredentials own_ = *ProcessCredentials::Capture();
};

TEST_F(CredentialsTest, OtherUserHasItsIdsAndDacOverrideAloneUntilTheEnd) {
  {
    const auto guard = Enter(1234, 2345);
    ASSERT_TRUE(guard.ok());
    EXPECT_EQ(geteuid(), 1234u);
    EXPECT_EQ(getegid(), 2345u);
    EXPECT_EQ(getuid(), 0u);
    EXPECT_EQ(Effective(), Bit(CAP_DAC_OVERRIDE));
    EXPECT_TRUE(Groups().empty()) << "the daemon's groups stayed";
  }
  EXPECT_EQ(geteuid(), own_.uid().value());
  EXPECT_EQ(getegid(), own_.gid().value());
  EXPECT_EQ(Effective(), own_.effective());
  EXPECT_EQ(Groups(), own_.groups());
}

TEST_F(CredentialsTest, RootAndOwnIdsAreNotSwitchedTo) {
  const auto guard = Enter(0, own_.gid().value());
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(geteuid(), own_.uid().value());
  EXPECT_EQ(Effective(), own_.effective());
  EXPECT_EQ(Groups(), own_.groups());
}

TEST_F(CredentialsTest, GroupAloneIsSwitchedAndCapabilitiesStay) {
  {
    const auto guard = Enter(0, 2345);
    ASSERT_TRUE(guard.ok());
    EXPECT_EQ(getegid(), 2345u);
    EXPECT_EQ(Effective(), own_.effective());
  }
  EXPECT_EQ(getegid(), own_.gid().value());
}

TEST_F(CredentialsTest, SupplementaryGroupsAreSetAndGivenBackEvenForRoot) {
  {
    const auto guard = Enter(0, 0, {777});
    ASSERT_TRUE(guard.ok());
    EXPECT_EQ(Groups(), std::vector<gid_t>{777});
  }
  EXPECT_EQ(Groups(), own_.groups());
}

TEST_F(CredentialsTest, OtherThreadsKeepTheirCredentials) {
  std::atomic<bool> entered{false}, looked{false};
  std::thread other([&] {
    entered.wait(false);
    EXPECT_EQ(geteuid(), own_.uid().value());
    EXPECT_EQ(getegid(), own_.gid().value());
    EXPECT_EQ(Effective(), own_.effective());
    EXPECT_EQ(Groups(), own_.groups());
    looked = true;
    looked.notify_one();
  });
  const auto guard = Enter(1234, 2345, {777});
  EXPECT_TRUE(guard.ok());
  entered = true;
  entered.notify_one();
  looked.wait(false);
  other.join();
}

TEST_F(CredentialsTest, MovedGuardRestoresOnce) {
  {
    auto first = Enter(1234, 2345);
    ASSERT_TRUE(first.ok());
    const ScopedCredentials second = std::move(*first);
    EXPECT_EQ(geteuid(), 1234u);
  }
  EXPECT_EQ(geteuid(), 0u);
}

TEST_F(CredentialsTest, FsetidIsDroppedOnlyWhenWanted) {
  {
    const ScopedNoFsetid guard(own_, true);
    EXPECT_EQ(Effective(), own_.effective() & ~Bit(CAP_FSETID));
  }
  EXPECT_EQ(Effective(), own_.effective());
  {
    const ScopedNoFsetid guard(own_, false);
    EXPECT_EQ(Effective(), own_.effective());
  }
}

// In a child, since a process can't leave a namespace or get its capabilities back. The body
// returns what failed, or null.
void ExpectInChild(const char* (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    const char* failed = body();
    if (failed != nullptr) {
      [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, failed, strlen(failed));
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

bool WriteFile(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return !file.fail();
}

// A plain user's jail: user id 1000 in a namespace that maps nothing else, with all capabilities.
const char* EnterPlainUsersNamespace() {
  if (syscall(SYS_setresgid, 1000, 1000, 1000) < 0) return "setresgid\n";
  if (syscall(SYS_setresuid, 1000, 1000, 1000) < 0) return "setresuid\n";
  prctl(PR_SET_DUMPABLE, 1);
  if (unshare(CLONE_NEWUSER) < 0) return "unshare\n";
  if (!WriteFile("/proc/self/uid_map", "1000 1000 1")) return "uid_map\n";
  if (!WriteFile("/proc/self/setgroups", "deny")) return "setgroups\n";
  if (!WriteFile("/proc/self/gid_map", "1000 1000 1")) return "gid_map\n";
  return nullptr;
}

int EnterError(const ProcessCredentials& own, uint32_t uid, uint32_t gid,
               std::initializer_list<gid_t> groups = {}) {
  const HostCredentials wanted{HostUid(uid), HostGid(gid), groups};
  return ScopedCredentials::Enter(own, wanted).errno_value();
}

TEST_F(CredentialsTest, PlainUsersJailServesItselfAndGuestRootAndRefusesOthers) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer has a thread of its own, and unshare(2) wants none";
#endif
  ExpectInChild([]() -> const char* {
    if (const char* failed = EnterPlainUsersNamespace()) return failed;
    const ProcessCredentials own = *ProcessCredentials::Capture();
    if (EnterError(own, 1000, 1000) != 0) return "own ids\n";
    if (EnterError(own, 0, 0) != 0) return "guest's root\n";
    if (EnterError(own, 1000, 1000, {1000}) != 0) return "own group as a supplementary one\n";
    if (EnterError(own, 1001, 1000) != EPERM) return "another uid\n";
    if (EnterError(own, 1000, 1001) != EPERM) return "another gid\n";
    if (EnterError(own, 1000, 1000, {1001}) != EPERM) return "another supplementary group\n";
    if (geteuid() != 1000 || getegid() != 1000) return "left behind\n";
    return nullptr;
  });
}

TEST_F(CredentialsTest, FailureHalfWayIsUndone) {
  ExpectInChild([]() -> const char* {
    // Without CAP_SETUID the gid can be switched and the uid can't.
    if (prctl(PR_SET_KEEPCAPS, 0) < 0) return "keepcaps\n";
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    data[0].effective = data[0].permitted = 1u << CAP_SETGID;
    if (syscall(SYS_capset, &header, data) < 0) return "capset\n";
    const std::vector<gid_t> groups = Groups();
    const ProcessCredentials own = *ProcessCredentials::Capture();
    if (EnterError(own, 1234, 2345, {777}) != EPERM) return "no error\n";
    if (geteuid() != 0 || getegid() != 0 || Groups() != groups) return "left behind\n";
    return nullptr;
  });
}

// A namespace whose maps, for users and for groups, are `map`. Only a process outside may write any
// but the simplest.
const char* EnterNamespaceThatMaps(const std::string& map) {
  const std::string process = "/proc/" + std::to_string(getpid());
  int entered[2];
  if (pipe(entered) < 0) return "pipe\n";
  const pid_t outside = fork();
  if (outside == 0) {
    char byte;
    const bool written = read(entered[0], &byte, 1) == 1 &&
                         WriteFile((process + "/uid_map").c_str(), map) &&
                         WriteFile((process + "/gid_map").c_str(), map);
    _exit(written ? 0 : 1);
  }
  if (unshare(CLONE_NEWUSER) < 0) return "unshare\n";
  if (write(entered[1], "", 1) != 1) return "write\n";
  int status = 1;
  if (waitpid(outside, &status, 0) != outside || status != 0) return "maps\n";
  return nullptr;
}

TEST_F(CredentialsTest, OwnIdsThatCouldNotBeHadAgainAreNotTaken) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer has a thread of its own, and unshare(2) wants none";
#endif
  ExpectInChild([]() -> const char* {
    if (const char* failed = EnterNamespaceThatMaps("5 100000 10")) return failed;
    return ProcessCredentials::Capture().errno_value() == EINVAL ? nullptr : "taken\n";
  });
}

TEST_F(CredentialsTest, OwnGroupsThatCouldNotBeHadAgainAreNotTaken) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer has a thread of its own, and unshare(2) wants none";
#endif
  ExpectInChild([]() -> const char* {
    const gid_t group = 777;
    if (syscall(SYS_setgroups, 1, &group) < 0) return "setgroups\n";
    if (const char* failed = EnterNamespaceThatMaps("0 0 10")) return failed;
    return ProcessCredentials::Capture().errno_value() == EINVAL ? nullptr : "taken\n";
  });
}

// Where another process can look inside, it can take what the broker has.
TEST_F(CredentialsTest, NoSwitchMakesTheProcessDumpable) {
  const SuidDumpableHost host;
  if (!host.ok()) GTEST_SKIP() << "the host's fs.suid_dumpable can't be changed here";
  ExpectInChild([]() -> const char* {
    const ProcessCredentials own = *ProcessCredentials::Capture();
    prctl(PR_SET_DUMPABLE, 0);
    if (EnterError(own, 1234, 2345) != 0) return "enter\n";  // And leaves again.
    if (prctl(PR_GET_DUMPABLE) != 0) return "dumpable after a user\n";
    if (EnterError(own, 0, 2345) != 0) return "enter\n";
    if (prctl(PR_GET_DUMPABLE) != 0) return "dumpable after a group\n";
    const auto guard = ScopedCredentials::Enter(own, {HostUid(1234), HostGid(2345), {}});
    return prctl(PR_GET_DUMPABLE) == 0 ? nullptr : "dumpable as a user\n";
  });
}

using CredentialsDeathTest = CredentialsTest;

TEST_F(CredentialsDeathTest, UserThatCannotBeRestoredAborts) {
  EXPECT_DEATH(
      {
        const auto guard = Enter(1234, 2345);
        // Now even the saved ids are the guest user's.
        syscall(SYS_setresuid, 1234, 1234, 1234);
      },
      "can't restore");
}

}  // namespace
}  // namespace postern
