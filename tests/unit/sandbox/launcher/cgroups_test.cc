#include "sandbox/launcher/cgroups.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

constexpr char kMountinfo[] =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "33 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpuacct,cpu\n"
    "40 32 0:37 /docker/abc /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "41 32 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 master:7 - cgroup2 cgroup2 rw\n";

TEST(ParseCgroupsTest, ReadsBothVersions) {
  const auto cgroups = ParseCgroups(
      "5:cpu,cpuacct:/machine\n1:name=systemd:/machine.slice\n0::/machine.slice/qemu:1\n");
  ASSERT_EQ(cgroups.size(), 3u);
  EXPECT_EQ(cgroups[0], (Cgroup{"5", "cpu,cpuacct", "/machine"}));
  EXPECT_EQ(cgroups[1], (Cgroup{"1", "name=systemd", "/machine.slice"}));
  EXPECT_EQ(cgroups[2], (Cgroup{"0", "", "/machine.slice/qemu:1"}));
}

TEST(ParseCgroupsTest, PassesOverLinesOfAnotherShape) {
  EXPECT_TRUE(ParseCgroups("").empty());
  EXPECT_EQ(ParseCgroups("nonsense\n0::/\n").size(), 1u);
}

TEST(DifferingCgroupsTest, FindsTheGroupsToMoveInto) {
  const auto own = ParseCgroups("1:cpu:/machine\n0::/a\n");
  const auto other = ParseCgroups("1:cpu:/\n0::/a\n");
  const auto differing = DifferingCgroups(own, other);
  ASSERT_EQ(differing.size(), 1u);
  EXPECT_EQ(differing[0], (Cgroup{"1", "cpu", "/machine"}));
  EXPECT_TRUE(DifferingCgroups(own, own).empty());
}

TEST(CgroupDirectoryTest, FindsAVersion1HierarchyByItsControllers) {
  EXPECT_EQ(CgroupDirectory(kMountinfo, {"5", "cpu,cpuacct", "/machine"}),
            "/sys/fs/cgroup/cpu,cpuacct/machine");
}

TEST(CgroupDirectoryTest, FindsVersion2BehindOptionalFields) {
  EXPECT_EQ(CgroupDirectory(kMountinfo, {"0", "", "/a/b"}), "/sys/fs/cgroup/unified/a/b");
}

TEST(CgroupDirectoryTest, SubtractsTheRootOfTheMount) {
  EXPECT_EQ(CgroupDirectory(kMountinfo, {"1", "name=systemd", "/docker/abc/x"}),
            "/sys/fs/cgroup/systemd/x");
  EXPECT_EQ(CgroupDirectory(kMountinfo, {"1", "name=systemd", "/docker/abc"}),
            "/sys/fs/cgroup/systemd");
  EXPECT_EQ(CgroupDirectory(kMountinfo, {"1", "name=systemd", "/docker/abcd"}), std::nullopt);
}

TEST(CgroupDirectoryTest, NothingIfTheHierarchyIsNotMounted) {
  EXPECT_EQ(CgroupDirectory(kMountinfo, {"7", "memory", "/"}), std::nullopt);
  EXPECT_EQ(CgroupDirectory("", {"0", "", "/"}), std::nullopt);
  EXPECT_EQ(CgroupDirectory("cut line\n1 2 3 - cgroup2\n", {"0", "", "/"}), std::nullopt);
}

}  // namespace
}  // namespace postern
