// libvirt moves posternd, and only posternd, into another control group before the front end
// connects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "sandbox/launcher/cgroups.h"
#include "tests/integration/launcher/launcher_fixture.h"

namespace postern {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string CgroupsOf(pid_t pid) { return Read("/proc/" + std::to_string(pid) + "/cgroup"); }

// A new group below one of ours, in the first hierarchy where one can be made.
std::optional<std::string> CreateCgroup() {
  const std::string mountinfo = Read("/proc/self/mountinfo");
  for (const Cgroup& cgroup : ParseCgroups(CgroupsOf(getpid()))) {
    if (cgroup.controllers.find("cpuset") != std::string::npos) continue;  // Needs settings first.
    const auto directory = CgroupDirectory(mountinfo, cgroup);
    if (!directory) continue;
    const std::string path = *directory + "/postern-test-" + std::to_string(getpid());
    std::error_code error;
    if (std::filesystem::create_directory(path, error)) return path;
  }
  return std::nullopt;
}

class CgroupTest : public LauncherTest {
 protected:
  void SetUp() override {
    const auto created = CreateCgroup();
    if (!created) GTEST_SKIP() << "can't make a control group here";
    cgroup_ = *created;
  }
  void TearDown() override {
    if (cgroup_.empty()) return;
    daemon().Signal(SIGKILL);
    daemon().WaitForExit();
    ExpectNothingLeft();
    EXPECT_TRUE(RemoveGroup()) << std::strerror(errno);
  }

  // Only an empty group can be removed. A process leaves its group a moment after its end was told.
  bool RemoveGroup() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (rmdir(cgroup_.c_str()) < 0) {
      if (errno != EBUSY || std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::string cgroup_;
};

TEST_F(CgroupTest, ChildrenFollowPosterndWhenTheFrontEndConnects) {
  StartAndWait();
  const pid_t broker = ProcessNamed("postern-broker");
  const pid_t worker = ProcessNamed("postern-worker");
  std::ofstream(cgroup_ + "/cgroup.procs") << daemon().pid() << std::flush;
  ASSERT_NE(CgroupsOf(daemon().pid()), CgroupsOf(worker));
  const UniqueFd connection = Connect();
  EXPECT_EQ(CgroupsOf(daemon().pid()), CgroupsOf(worker));
  EXPECT_EQ(CgroupsOf(daemon().pid()), CgroupsOf(broker));
}

}  // namespace
}  // namespace postern
