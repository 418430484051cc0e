// What /proc says of the processes while they serve: the promises of the jails, checked from
// outside.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "common/sanitized.h"
#include "sandbox/jail/capabilities.h"
#include "tests/integration/share/share_fixture.h"
#include "tests/suid_dumpable.h"

namespace postern {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using vmm::NamespaceOf;
using vmm::OpenDescriptors;
using vmm::RootListing;
using vmm::StatusField;

// Serving, with requests of every kind behind them, so that all threads have worked.
class JailFactsTest : public ShareTest {
 protected:
  void SetUp() override {
    POSTERN_ONLY("they are a single process");
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
    WriteHost("file", "content");
    ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created, fuse().Create(kRoot, "new", O_RDWR));
    ASSERT_OK(
        fuse().WriteString(vmm::NodeOf(created.entry), vmm::HandleOf(created.opened), 0, "x"));
    ASSERT_OK(fuse().Opendir(kRoot));
    launcher_ = daemon().pid();
    worker_ = daemon().ProcessNamed("postern-worker");
    broker_ = daemon().ProcessNamed("postern-broker");
    ASSERT_NE(worker_, 0) << "not exactly one process of that name";
    ASSERT_NE(broker_, 0) << "not exactly one process of that name";
  }
  void TearDown() override {
    if (daemon_) ShareTest::TearDown();
  }

  // A field of each of the process's threads: credentials and filters are per thread.
  static std::vector<std::string> EachThreads(pid_t process, std::string_view field) {
    std::vector<std::string> values;
    for (const pid_t thread : vmm::Threads(process)) values.push_back(StatusField(thread, field));
    EXPECT_THAT(values, Not(IsEmpty()));
    return values;
  }

  pid_t launcher_ = 0;
  pid_t worker_ = 0;
  pid_t broker_ = 0;
};

TEST_F(JailFactsTest, WorkerHasNoCapabilityInAnySet) {
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_THAT(EachThreads(worker_, set), Each("0000000000000000")) << set;
  }
}

TEST_F(JailFactsTest, WorkerHasIdsOfItsOwn) {
  if (geteuid() != 0) GTEST_SKIP() << "a plain user's worker keeps its uid";
  for (const char* field : {"Uid", "Gid"}) {
    for (const std::string& value : EachThreads(worker_, field)) {
      std::istringstream words(value);
      int real = 0, effective = 0, saved = 0, filesystem = 0;
      words >> real >> effective >> saved >> filesystem;
      EXPECT_NE(real, 0) << field;
      EXPECT_EQ(effective, real) << field;
      EXPECT_EQ(saved, real) << field;
      EXPECT_EQ(filesystem, real) << field;
    }
  }
  EXPECT_THAT(EachThreads(worker_, "Groups"), Each(""));
}

TEST_F(JailFactsTest, AllProcessesAreFiltered) {
  const pid_t sweeper = daemon().ProcessNamed("postern-sweeper");
  ASSERT_NE(sweeper, 0);
  for (const pid_t process : {worker_, broker_, launcher_, sweeper}) {
    EXPECT_THAT(EachThreads(process, "Seccomp"), Each("2")) << process;
    EXPECT_THAT(EachThreads(process, "Seccomp_filters"), Each("1")) << process;
    EXPECT_THAT(EachThreads(process, "NoNewPrivs"), Each("1")) << process;
  }
}

TEST_F(JailFactsTest, LauncherKeepsTheCapabilitiesOfAWatchman) {
  // DAC_OVERRIDE, KILL, SYS_NICE: bits 1, 5 and 23 of linux/capability.h.
  const uint64_t watchman = (uint64_t{1} << 1) | (uint64_t{1} << 5) | (uint64_t{1} << 23);
  for (const char* set : {"CapPrm", "CapEff"}) {
    EXPECT_EQ(std::stoull(StatusField(launcher_, set), nullptr, 16) & ~watchman, 0u) << set;
  }
  for (const char* set : {"CapInh", "CapAmb"}) {
    EXPECT_EQ(StatusField(launcher_, set), "0000000000000000") << set;
  }
  if (geteuid() == 0) {
    EXPECT_EQ(StatusField(launcher_, "CapBnd"), "0000000000000000");
  }
}

TEST_F(JailFactsTest, NeitherMayStartAProcessNorLeaveACore) {
  for (const pid_t process : {worker_, broker_}) {
    std::ifstream file("/proc/" + std::to_string(process) + "/limits");
    const std::string limits(std::istreambuf_iterator<char>(file), {});
    if (!kSanitized) {  // A report may start a symbolizer.
      EXPECT_THAT(limits, testing::ContainsRegex("Max processes +0 +0 "));
    }
    EXPECT_THAT(limits, testing::ContainsRegex("Max core file size +0 +0 "));
    // It would be the guest's files that are limited.
    EXPECT_THAT(limits, testing::ContainsRegex("Max file size +unlimited +unlimited "));
  }
}

// A worker that was taken over can't eat the host's memory; an honest one is far from the bound.
TEST_F(JailFactsTest, WorkersMemoryIsLimited) {
  if (kSanitized) GTEST_SKIP() << "not limited with sanitizers";
  std::ifstream file("/proc/" + std::to_string(worker_) + "/limits");
  const std::string limits(std::istreambuf_iterator<char>(file), {});
  std::smatch data;
  ASSERT_TRUE(std::regex_search(limits, data, std::regex("Max data size +(\\d+) +(\\d+) ")))
      << limits;
  EXPECT_EQ(data[1], data[2]);
  const uint64_t used = std::stoull(StatusField(worker_, "VmData")) << 10;
  // Both have the threads' stacks, all of them from the beginning.
  rlimit stack{};
  ASSERT_EQ(getrlimit(RLIMIT_STACK, &stack), 0);
  const uint64_t stacks = (vmm::Threads(worker_).size() - 1) * stack.rlim_cur;
  EXPECT_LT(used - stacks, (std::stoull(data[1]) - stacks) / 2);
}

TEST_F(JailFactsTest, BrokerHasFileCapabilitiesOnly) {
  if (geteuid() != 0) GTEST_SKIP() << "a plain user has none to give";
  // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, MKNOD: bits of
  // linux/capability.h. Not SETFCAP, which is for extended attributes.
  const uint64_t file_capabilities = (uint64_t{1} << 0) | (uint64_t{1} << 1) | (uint64_t{1} << 2) |
                                     (uint64_t{1} << 3) | (uint64_t{1} << 4) | (uint64_t{1} << 6) |
                                     (uint64_t{1} << 7) | (uint64_t{1} << 27);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    for (const std::string& value : EachThreads(broker_, set)) {
      EXPECT_EQ(std::stoull(value, nullptr, 16) & ~file_capabilities, 0u) << set << " " << value;
    }
  }
}

TEST_F(JailFactsTest, WorkersRootIsEmpty) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> names, RootListing(worker_));
  EXPECT_THAT(names, IsEmpty());
}

TEST_F(JailFactsTest, BrokersRootIsTheSharedDirectory) {
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> names, RootListing(broker_));
  EXPECT_THAT(names, testing::UnorderedElementsAre("file", "new"));
}

TEST_F(JailFactsTest, GuestMemoryIsMappedInTheWorkerAndNowhereElse) {
  EXPECT_THAT(vmm::Maps(worker_), HasSubstr(vmm::GuestMemory::kFileName));
  for (const pid_t process : {broker_, launcher_}) {
    EXPECT_THAT(vmm::Maps(process), Not(IsEmpty()));
    EXPECT_THAT(vmm::Maps(process), Not(HasSubstr(vmm::GuestMemory::kFileName)));
    ASSERT_OK_AND_ASSIGN(const std::vector<std::string> descriptors, OpenDescriptors(process));
    EXPECT_THAT(descriptors, Each(Not(HasSubstr(vmm::GuestMemory::kFileName))));
  }
}

TEST_F(JailFactsTest, WorkerHoldsNoDirectory) {
  // A directory's descriptor would be a way to name things.
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> numbers, vmm::ListDescriptors(worker_));
  for (const std::string& number : numbers) {
    struct stat status;
    ASSERT_EQ(stat(("/proc/" + std::to_string(worker_) + "/fd/" + number).c_str(), &status), 0);
    EXPECT_FALSE(S_ISDIR(status.st_mode)) << number;
  }
}

TEST_F(JailFactsTest, LogOfWorkerAndBrokerIsAPipeToWriteInto) {
  for (const pid_t process : {worker_, broker_}) {
    const std::string number = std::to_string(process);
    char link[100] = {};
    ASSERT_GT(readlink(("/proc/" + number + "/fd/2").c_str(), link, sizeof(link) - 1), 0);
    EXPECT_THAT(link, testing::StartsWith("pipe:"));
    std::ifstream file("/proc/" + number + "/fdinfo/2");
    const std::string info(std::istreambuf_iterator<char>(file), {});
    EXPECT_THAT(info, testing::ContainsRegex("flags:\t[0-7]*1\n")) << "not for writing only";
  }
}

TEST_F(JailFactsTest, WorkerAndBrokerLeftOurNamespaces) {
  for (const pid_t process : {worker_, broker_}) {
    for (const char* name : {"net", "pid", "mnt", "ipc", "uts", "cgroup"}) {
      ASSERT_OK_AND_ASSIGN(const std::string theirs, NamespaceOf(process, name));
      ASSERT_OK_AND_ASSIGN(const std::string ours, NamespaceOf(getpid(), name));
      EXPECT_NE(theirs, ours) << process << " " << name;
    }
  }
}

TEST_F(JailFactsTest, WorkerAndBrokerDontShareThePidAndMountNamespaces) {
  for (const char* name : {"pid", "mnt"}) {
    ASSERT_OK_AND_ASSIGN(const std::string worker, NamespaceOf(worker_, name));
    ASSERT_OK_AND_ASSIGN(const std::string broker, NamespaceOf(broker_, name));
    EXPECT_NE(worker, broker) << name;
  }
}

TEST_F(JailFactsTest, WorkerCantBeDebuggedOrDumped) {
  // A non-dumpable process's /proc files belong to root, whatever its uid.
  struct stat status;
  ASSERT_EQ(stat(("/proc/" + std::to_string(worker_) + "/maps").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0u);
}

// Whether a process with the broker's ids and no more capabilities may look inside it.
bool PeerMayLookInside(pid_t broker) {
  const auto capabilities = std::stoull(StatusField(broker, "CapPrm"), nullptr, 16);
  const pid_t peer = fork();
  if (peer == 0) {
    char link[4096];
    if (!KeepOnlyCapabilities(CapabilitySet::FromBits(capabilities)).ok()) _exit(2);
    const std::string path = "/proc/" + std::to_string(broker) + "/exe";
    _exit(readlink(path.c_str(), link, sizeof(link)) >= 0 ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(peer, &status, 0), peer);
  EXPECT_NE(WEXITSTATUS(status), 2);
  return WEXITSTATUS(status) == 1;
}

// Each change of its ids asks the host anew how dumpable it is to be.
TEST_F(JailFactsTest, BrokerCantBeDebuggedAfterActingForAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "a plain user's broker acts for nobody else";
  const SuidDumpableHost host;
  if (!host.ok()) GTEST_SKIP() << "the host's fs.suid_dumpable can't be changed here";
  fuse().set_credentials({.uid = GuestUid(1234), .gid = GuestGid(5678)});
  ASSERT_OK(fuse().Mkdir(kRoot, "users"));
  EXPECT_EQ(StatHost("users").st_uid, 1234u);
  EXPECT_FALSE(PeerMayLookInside(broker_));
}

}  // namespace
}  // namespace postern
