#include "sandbox/jail/capabilities.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sandbox/jail/hardening.h"
#include "tests/unit/sandbox/forked.h"

namespace postern {
namespace {

TEST(CapabilitySetTest, HoldsWhatWasPutIn) {
  constexpr CapabilitySet set = {CAP_CHOWN, CAP_SETFCAP, CAP_CHECKPOINT_RESTORE};
  EXPECT_TRUE(set.Contains(CAP_CHOWN));
  EXPECT_TRUE(set.Contains(CAP_SETFCAP));
  EXPECT_TRUE(set.Contains(CAP_CHECKPOINT_RESTORE));
  EXPECT_FALSE(set.Contains(CAP_SYS_ADMIN));
  EXPECT_FALSE(set.empty());
  EXPECT_TRUE(CapabilitySet().empty());
}

TEST(CapabilitySetTest, IntersectsAndSubtracts) {
  constexpr CapabilitySet a = {CAP_CHOWN, CAP_MKNOD};
  constexpr CapabilitySet b = {CAP_MKNOD, CAP_SETUID};
  EXPECT_EQ(a & b, CapabilitySet{CAP_MKNOD});
  EXPECT_EQ(a - b, CapabilitySet{CAP_CHOWN});
}

TEST(CapabilitySetTest, NamesItsMembers) {
  EXPECT_EQ((CapabilitySet{CAP_SETUID, CAP_CHOWN}).ToString(), "chown setuid");
  EXPECT_EQ(CapabilitySet().ToString(), "");
}

TEST(BrokerCapabilitiesTest, AreTheFileOnes) {
  EXPECT_EQ(kReadingCapabilities.ToString(), "dac_override");
  EXPECT_EQ(kWritingCapabilities.ToString(), "chown fowner fsetid setgid setuid mknod");
}

// Permitted and effective become `kept`, the bounding set stays: a container's root. Not through
// the library, which is tested.
void GiveUp(CapabilitySet kept) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const auto low = static_cast<uint32_t>(kept.bits());
  const auto high = static_cast<uint32_t>(kept.bits() >> 32);
  const __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  if (syscall(SYS_capset, &header, data) != 0) _exit(96);
}

class ProcessCapabilitiesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root has capabilities to drop";
  }
};

TEST_F(ProcessCapabilitiesTest, KeepsExactlyTheGivenOnes) {
  EXPECT_EQ(0, ExitOfForked([] {
              constexpr CapabilitySet kept = {CAP_CHOWN, CAP_SETUID};
              if (!KeepOnlyCapabilities(kept).ok()) return 1;
              const auto state = CurrentCapabilities();
              if (!state.ok()) return 2;
              return state->permitted == kept && state->effective == kept &&
                             state->inheritable.empty() && state->ambient.empty() &&
                             state->bounding.empty()
                         ? 0
                         : 3;
            }));
}

// What is left of it, as ExitOfForked() takes it: 0 if exactly `kept` is, and no bounding set has
// changed.
int KeepWithoutSetpcap(CapabilitySet kept) {
  const auto before = CurrentCapabilities();
  if (!before.ok() || before->bounding.empty()) return 1;
  if (!KeepOnlyCapabilities(kept).ok()) return 2;
  const auto state = CurrentCapabilities();
  if (!state.ok()) return 3;
  return state->permitted == kept && state->effective == kept && state->inheritable.empty() &&
                 state->ambient.empty() && state->bounding == before->bounding
             ? 0
             : 4;
}

TEST_F(ProcessCapabilitiesTest, APlainUserKeepsNoneAndItsBoundingSet) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (syscall(SYS_setresuid, 12345, 12345, 12345) != 0) return 97;
              return KeepWithoutSetpcap({});
            }));
}

TEST_F(ProcessCapabilitiesTest, ARootWithoutAnyKeepsNoneAndItsBoundingSet) {
  EXPECT_EQ(0, ExitOfForked([] {
              GiveUp({});
              return KeepWithoutSetpcap({});
            }));
}

TEST_F(ProcessCapabilitiesTest, ARootWithoutSetpcapKeepsTheGivenOnesAndItsBoundingSet) {
  EXPECT_EQ(0, ExitOfForked([] {
              GiveUp({CAP_CHOWN, CAP_SETUID, CAP_SYS_ADMIN});
              return KeepWithoutSetpcap({CAP_CHOWN, CAP_SETUID});
            }));
}

TEST_F(ProcessCapabilitiesTest, WithoutSetpcapAmbientOnesAreGone) {
  EXPECT_EQ(0, ExitOfForked([] {
              GiveUp({CAP_CHOWN, CAP_SETUID});
              if (!KeepCapabilitiesAcrossExec().ok()) return 97;
              return KeepWithoutSetpcap({CAP_CHOWN});
            }));
}

TEST_F(ProcessCapabilitiesTest, WhatIsNotPermittedCannotBeKept) {
  EXPECT_EQ(0, ExitOfForked([] {
              GiveUp({CAP_CHOWN});
              return KeepOnlyCapabilities({CAP_CHOWN, CAP_SETUID}).ok() ? 1 : 0;
            }));
}

TEST_F(ProcessCapabilitiesTest, CannotComeBack) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!KeepOnlyCapabilities({}).ok()) return 1;
              return KeepOnlyCapabilities({CAP_CHOWN}).ok() ? 2 : 0;
            }));
}

TEST_F(ProcessCapabilitiesTest, ComeBackToAThreadThatReturnsFromAnotherUser) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!KeepOnlyCapabilities(kWritingCapabilities).ok()) return 1;
              if (syscall(SYS_setresuid, -1, 12345, -1) != 0) return 2;
              auto state = CurrentCapabilities();
              if (!state.ok() || !state->effective.empty()) return 3;
              if (syscall(SYS_setresuid, -1, 0, -1) != 0) return 4;
              state = CurrentCapabilities();
              return state.ok() && state->effective == kWritingCapabilities ? 0 : 5;
            }));
}

TEST_F(ProcessCapabilitiesTest, LockedSecurebitsCannotBeChanged) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (!LockSecurebits().ok()) return 1;
              const int bits = prctl(PR_GET_SECUREBITS);
              if ((bits & SECBIT_NOROOT) == 0 || (bits & SECBIT_NOROOT_LOCKED) == 0) return 2;
              return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0 ? 3 : 0;
            }));
}

TEST_F(ProcessCapabilitiesTest, SurviveAnExecIfAsked) {
  EXPECT_EQ(0, ExitOfForked([] {
              if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return 1;
              if (syscall(SYS_setresuid, 12345, 12345, 12345) != 0) return 2;
              if (!KeepCapabilitiesAcrossExec().ok()) return 3;
              execl("/bin/grep", "grep", "-qE", "CapEff:\\s*0*[1-9a-f]", "/proc/self/status",
                    nullptr);
              return 4;
            }));
}

TEST_F(ProcessCapabilitiesTest, DoNotSurviveAnExecByAnotherUserOtherwise) {
  EXPECT_EQ(1, ExitOfForked([] {
              if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return 2;
              if (syscall(SYS_setresuid, 12345, 12345, 12345) != 0) return 3;
              execl("/bin/grep", "grep", "-qE", "CapEff:\\s*0*[1-9a-f]", "/proc/self/status",
                    nullptr);
              return 4;
            }));
}

}  // namespace
}  // namespace postern
