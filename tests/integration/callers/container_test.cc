// Containers, from the outside: what they take away, where posternd starts all the same, and what
// its one line then says of the jail. It starts wherever virtiofsd 1.13.2 does.
#include <algorithm>
#include <string>

#include "tests/integration/callers/callers_fixture.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kNoNamespaces[] = "namespaces and a root of its own (--sandbox=none)";
constexpr char kNoUser[] = "a user of the worker's own";
constexpr char kNoLandlock[] = "Landlock (something refuses it";

struct Container {
  const char* name;
  Words surroundings;      // Words that end where posternd's begin.
  const char* sandbox;     // --sandbox
  uid_t root = 0;          // Whom it has on the host.
  Words lacks = {};        // Parts of the jail; none: there is no such line.
  const char* error = "";  // With which it fails.
};

Words operator+(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

const Words kRootWithoutRights = {"/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all"};
// What container runtimes leave to root without being asked.
const Words kUsualRoot = {"/usr/bin/setpriv",
                          "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,"
                          "+setuid,+setpcap,+sys_chroot,+mknod,+setfcap",
                          "--inh-caps=-all"};
const Words kUserWithoutRights = {"/usr/bin/setpriv", "--reuid=107",         "--regid=107",
                                  "--clear-groups",   "--bounding-set=-all", "--inh-caps=-all"};
const Words kUser = {"/usr/bin/setpriv", "--reuid=107", "--regid=107", "--clear-groups"};
const Words kRootOfOneId = kUser + Words{"SURROUNDINGS", "--ids=107:1"};
const Words kNoNewPrivileges = {"/usr/bin/setpriv", "--no-new-privs"};
const Words kFilter = {"SURROUNDINGS", "--filter"};

Words Proc(const std::string& kind) { return {"SURROUNDINGS", "--proc=" + kind}; }

const Container kStarting[] = {
    {.name = "RootWithoutRights",
     .surroundings = kRootWithoutRights,
     .sandbox = "none",
     .lacks = {kNoNamespaces, kNoUser}},
    {.name = "RootWithoutRightsOrNewOnes",
     .surroundings = kRootWithoutRights + kNoNewPrivileges,
     .sandbox = "none",
     .lacks = {kNoNamespaces, kNoUser}},
    {.name = "RootWithoutRightsBehindAFilter",
     .surroundings = kFilter + kRootWithoutRights + kNoNewPrivileges,
     .sandbox = "none",
     .lacks = {kNoNamespaces, kNoUser, kNoLandlock}},
    {.name = "RootWithoutRightsWithReadOnlyProc",
     .surroundings = Proc("read-only") + kRootWithoutRights,
     .sandbox = "none",
     .lacks = {kNoNamespaces, kNoUser}},
    {.name = "RootWithoutRightsWithHiddenProcesses",
     .surroundings = Proc("hidepid") + kRootWithoutRights,
     .sandbox = "none",
     .lacks = {kNoNamespaces, kNoUser}},
    {.name = "UsualRoot",
     .surroundings = kUsualRoot,
     .sandbox = "chroot",
     .lacks = {"namespaces (--sandbox=chroot)", "a broker that doesn't reach the rest of /proc"}},
    {.name = "UsualRootBehindAFilter",
     .surroundings = kFilter + kUsualRoot + kNoNewPrivileges,
     .sandbox = "none",
     .lacks = {kNoNamespaces, kNoLandlock}},
    {.name = "User",
     .surroundings = kUserWithoutRights,
     .sandbox = "namespace",
     .root = kContainerUser},
    {.name = "UserWithoutNewRights",
     .surroundings = kUserWithoutRights + kNoNewPrivileges,
     .sandbox = "namespace",
     .root = kContainerUser},
    {.name = "UserWithHiddenProcesses",
     .surroundings = Proc("hidepid") + kUserWithoutRights,
     .sandbox = "namespace",
     .root = kContainerUser},
    {.name = "UserWithoutNamespaces",
     .surroundings = kUserWithoutRights,
     .sandbox = "none",
     .root = kContainerUser,
     .lacks = {kNoNamespaces, kNoUser}},
    {.name = "UserBehindAFilter",
     .surroundings = kFilter + kUserWithoutRights + kNoNewPrivileges,
     .sandbox = "none",
     .root = kContainerUser,
     .lacks = {kNoNamespaces, kNoUser, kNoLandlock}},
    {.name = "UserBehindAFilterWithReadOnlyProc",
     .surroundings = Proc("read-only") + kFilter + kUserWithoutRights + kNoNewPrivileges,
     .sandbox = "none",
     .root = kContainerUser,
     .lacks = {kNoNamespaces, kNoUser, kNoLandlock}},
    {.name = "UserWithMaskedProc",
     .surroundings = Proc("masked") + kUserWithoutRights,
     .sandbox = "none",
     .root = kContainerUser,
     .lacks = {kNoNamespaces, kNoUser}},
    {.name = "RootOfOneId",
     .surroundings = kRootOfOneId,
     .sandbox = "namespace",
     .root = kContainerUser,
     .lacks = {kNoUser}},
    {.name = "RootOfOneIdWithoutNewRights",
     .surroundings = kRootOfOneId + kNoNewPrivileges,
     .sandbox = "chroot",
     .root = kContainerUser,
     .lacks = {"namespaces (--sandbox=chroot)", kNoUser}},
    {.name = "RootOfOneIdBehindAFilter",
     .surroundings = kRootOfOneId + kFilter,
     .sandbox = "none",
     .root = kContainerUser,
     .lacks = {kNoNamespaces, kNoUser, kNoLandlock}},
};

// Where virtiofsd fails as well.
const Container kFailing[] = {
    {.name = "RootWithoutRights",
     .surroundings = kRootWithoutRights,
     .sandbox = "namespace",
     .error = "can't start postern-broker in namespaces of its own (--sandbox=namespace): "
              "Operation not permitted (a container's root needs CAP_SYS_ADMIN for it"},
    {.name = "RootWithoutRightsInAChroot",
     .surroundings = kRootWithoutRights,
     .sandbox = "chroot",
     .error = "(--sandbox=chroot): Operation not permitted (it needs CAP_SYS_CHROOT"},
    {.name = "UserBehindAFilter",
     .surroundings = kFilter + kUserWithoutRights,
     .sandbox = "namespace",
     .root = kContainerUser,
     .error = "can't start postern-broker in namespaces of its own (--sandbox=namespace): "
              "Operation not permitted (plain users are kept from making user namespaces here"},
    {.name = "UserWithMaskedProc",
     .surroundings = Proc("masked") + kUserWithoutRights,
     .sandbox = "namespace",
     .root = kContainerUser,
     .error = "mounting /proc: Operation not permitted (parts of the /proc here are hidden"},
    {.name = "UserWithReadOnlyProc",
     .surroundings = Proc("read-only") + kUserWithoutRights,
     .sandbox = "namespace",
     .root = kContainerUser,
     .error = "Read-only file system (the /proc here is read-only"},
    {.name = "NoProc",
     .surroundings = Proc("none") + kUserWithoutRights,
     .sandbox = "none",
     .root = kContainerUser,
     .error = "reading /proc/self/exe (is /proc mounted?)"},
};

std::string NameOf(const testing::TestParamInfo<Container>& row) { return row.param.name; }

class ContainerTest : public CallersFixture, public testing::WithParamInterface<Container> {
 protected:
  void StartThere() {
    GiveFilesTo(GetParam().root);
    StartCommand(GetParam().surroundings + Words{"POSTERND", "--socket-path=SOCKET",
                                                 "--shared-dir=SHARE",
                                                 std::string("--sandbox=") + GetParam().sandbox});
  }
  // The lines that speak of the jail.
  Words JailLines() const {
    Words lines = LogLines("warning");
    std::erase_if(lines, [](const std::string& line) {
      return line.find("The jail lacks ") == std::string::npos;
    });
    return lines;
  }
};

class ContainerStartTest : public ContainerTest {};

INSTANTIATE_TEST_SUITE_P(, ContainerStartTest, testing::ValuesIn(kStarting), NameOf);

TEST_P(ContainerStartTest, WorksAndSaysOnceWhatTheJailLacks) {
  ASSERT_NO_FATAL_FAILURE(StartThere());
  ASSERT_NO_FATAL_FAILURE(WorkOnFiles(GetParam().root));
  for (const char* name : {"postern-broker", "postern-worker"}) {
    const pid_t pid = daemon().ProcessNamed(name);
    ASSERT_GT(pid, 0) << name;
    EXPECT_EQ(vmm::StatusField(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(vmm::StatusField(pid, "Seccomp"), "2");
  }
  EXPECT_EQ(vmm::StatusField(daemon().ProcessNamed("postern-worker"), "CapPrm"),
            "0000000000000000");
  Disconnect();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft(/*makes_files=*/true);
  EXPECT_THAT(LogLines("error"), IsEmpty());
  if (GetParam().lacks.empty()) {
    EXPECT_THAT(JailLines(), IsEmpty());
    return;
  }
  ASSERT_THAT(JailLines(), SizeIs(1));
  const std::string line = JailLines().front();
  for (const std::string& part : GetParam().lacks) EXPECT_THAT(line, HasSubstr(part));
  EXPECT_EQ(std::count(line.begin(), line.end(), ';') + 1,
            static_cast<ptrdiff_t>(GetParam().lacks.size()))
      << line;
}

class ContainerFailureTest : public ContainerTest {};

INSTANTIATE_TEST_SUITE_P(, ContainerFailureTest, testing::ValuesIn(kFailing), NameOf);

TEST_P(ContainerFailureTest, SaysWhatIsMissingAndWhatToDo) {
  ASSERT_NO_FATAL_FAILURE(StartThere());
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(LogLines("error"), testing::ElementsAre(HasSubstr(GetParam().error)));
  ExpectNothingLeft(/*makes_files=*/true);
}

}  // namespace
}  // namespace postern
