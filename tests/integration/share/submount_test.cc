// Another filesystem mounted within the shared directory.
#include <sched.h>
#include <sys/mount.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

// For each way to know inodes, with a tmpfs on "mounted", in a mount namespace of the test
// program's own.
class SubmountTest : public ShareFixture, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    MakeHostDirectory("mounted");
    WriteHost("file", "content");
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", Host("mounted").c_str(), "tmpfs", 0, "size=1m") != 0) {
      GTEST_SKIP() << "needs CAP_SYS_ADMIN";
    }
    WriteHost("mounted/inner", "inner");
    Setup setup;
    setup.daemon_options = {std::string("--inode-file-handles=") + GetParam()};
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(submount_, fuse().Lookup(kRoot, "mounted"));
  }
  void TearDown() override {
    ShareFixture::TearDown();
    umount2(Host("mounted").c_str(), MNT_DETACH);
  }

  fuse_entry_out submount_{};
};

INSTANTIATE_TEST_SUITE_P(, SubmountTest, testing::Values("never", "prefer", "mandatory"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(SubmountTest, MountPointIsMarked) {
  EXPECT_EQ(submount_.attr.flags & FUSE_ATTR_SUBMOUNT, static_cast<uint32_t>(FUSE_ATTR_SUBMOUNT));
  MakeHostDirectory("plain");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out plain, fuse().Lookup(kRoot, "plain"));
  EXPECT_EQ(plain.attr.flags & FUSE_ATTR_SUBMOUNT, 0u);
}

TEST_P(SubmountTest, FilesBelowAreServed) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out inner, fuse().Lookup(NodeOf(submount_), "inner"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(inner), O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(NodeOf(inner), HandleOf(opened), 0, 100));
  EXPECT_EQ(text, "inner");
}

TEST_P(SubmountTest, RenameAndLinkAcrossAreExdev) {
  EXPECT_ERRNO(fuse().Rename(kRoot, "file", NodeOf(submount_), "moved"), EXDEV);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(kRoot, "file"));
  EXPECT_ERRNO(fuse().Link(NodeOf(file), NodeOf(submount_), "linked"), EXDEV);
  EXPECT_TRUE(HostExists("file"));
}

TEST_P(SubmountTest, RmdirOfTheMountPointIsEbusy) {
  EXPECT_ERRNO(fuse().Rmdir(kRoot, "mounted"), EBUSY);
}

TEST_P(SubmountTest, SyncfsSucceedsOnEachFilesystem) {
  EXPECT_OK(fuse().Syncfs(kRoot));
  EXPECT_OK(fuse().Syncfs(NodeOf(submount_)));
}

TEST_P(SubmountTest, MountPointIsFoundAgainAfterAllOfItWasForgotten) {
  ASSERT_OK(fuse().Forget(NodeOf(submount_), 1));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out again, fuse().Lookup(kRoot, "mounted"));
  EXPECT_NE(again.nodeid, submount_.nodeid);
  EXPECT_EQ(again.attr.flags & FUSE_ATTR_SUBMOUNT, static_cast<uint32_t>(FUSE_ATTR_SUBMOUNT));
  EXPECT_OK(fuse().Lookup(NodeOf(again), "inner"));
}

TEST_P(SubmountTest, StatfsIsThatOfTheSubmount) {
  ASSERT_OK_AND_ASSIGN(const fuse_kstatfs inner, fuse().Statfs(NodeOf(submount_)));
  ASSERT_OK_AND_ASSIGN(const fuse_kstatfs outer, fuse().Statfs(kRoot));
  EXPECT_EQ(inner.blocks * inner.bsize, 1u << 20);
  EXPECT_NE(inner.blocks, outer.blocks);
}

}  // namespace
}  // namespace postern
