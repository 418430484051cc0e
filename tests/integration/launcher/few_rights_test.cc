// A root that hasn't got all capabilities, as a container's: what it can't give up is no failure,
// and what is asked for and impossible is one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/integration/launcher/launcher_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using testing::HasSubstr;
using vmm::StatusField;

constexpr char kNone[] = "0000000000000000";

class FewRightsTest : public LauncherTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root has capabilities to drop";
  }
  // `dropped` as setpriv(1) has it: "-setpcap", "-all".
  void StartWithout(const std::string& dropped, const Words& options) {
    Words all = {"--shared-dir", share(), "--socket-path", socket_path()};
    all.insert(all.end(), options.begin(), options.end());
    StartRaw(all, {"/usr/bin/setpriv", "--bounding-set=" + dropped, "--inh-caps=" + dropped});
  }
  void ExpectServes() {
    ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
    for (const char* set : {"CapPrm", "CapEff", "CapInh", "CapAmb"}) {
      EXPECT_EQ(StatusField(ProcessNamed("postern-worker"), set), kNone) << set;
    }
    for (const char* set : {"CapInh", "CapAmb"}) {
      EXPECT_EQ(StatusField(ProcessNamed("postern-broker"), set), kNone) << set;
      EXPECT_EQ(StatusField(daemon().pid(), set), kNone) << set;
    }
    for (const pid_t pid : {daemon().pid(), ProcessNamed("postern-broker"),
                            ProcessNamed("postern-worker"), ProcessNamed("postern-sweeper")}) {
      EXPECT_EQ(StatusField(pid, "NoNewPrivs"), "1");
      EXPECT_EQ(StatusField(pid, "Seccomp"), "2");
    }
    Connect().Reset();
    EXPECT_EQ(daemon().WaitForExit(), 0);
    EXPECT_THAT(LogLines("error"), testing::IsEmpty()) << daemon().Output();
    ExpectNothingLeft();
  }
};

TEST_F(FewRightsTest, ServesWithoutTheRightToChangeTheBoundingSet) {
  StartWithout("-setpcap", {});
  ExpectServes();
}

TEST_F(FewRightsTest, ServesWithoutAnyCapability) {
  StartWithout("-all", {"--sandbox=none", "--readonly"});
  ExpectServes();
  EXPECT_THAT(LogLines("warning"),
              testing::Contains(testing::AllOf(
                  HasSubstr("The jail lacks namespaces and a root of its own (--sandbox=none)"),
                  HasSubstr("; a user of the worker's own (posternd hasn't got setgid setuid)"))));
}

TEST_F(FewRightsTest, ServesWithoutTheRightToSwitchUsers) {
  StartWithout("-setuid,-setgid", {"--readonly"});
  ExpectServes();
}

TEST_F(FewRightsTest, WorkerUserThatCannotBeBecomeIsAnError) {
  StartWithout("-setgid", {"--worker-user=daemon"});
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(daemon().Output(), HasSubstr("--worker-user: posternd hasn't got setgid"));
  ExpectNothingLeft();
}

TEST_F(FewRightsTest, NamespacesThatCannotBeMadeAreAnErrorWithAdvice) {
  StartWithout("-sys_admin", {});
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(daemon().Output(), HasSubstr("(--sandbox=namespace): Operation not permitted"));
  EXPECT_THAT(daemon().Output(), HasSubstr("or use --sandbox=chroot or --sandbox=none"));
  EXPECT_EQ(LogLines("error").size(), 1u) << daemon().Output();
  ExpectNothingLeft();
}

}  // namespace
}  // namespace postern
