// Another filesystem mounted within the shared directory.
#include <sched.h>
#include <sys/mount.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

// With a tmpfs on "mounted", in a mount namespace of the test program's own.
class SubmountTest : public ShareFixture {
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
    ASSERT_NO_FATAL_FAILURE(Start({}));
    ASSERT_OK_AND_ASSIGN(submount_, fuse().Lookup(kRoot, "mounted"));
  }
  void TearDown() override {
    ShareFixture::TearDown();
    umount2(Host("mounted").c_str(), MNT_DETACH);
  }

  fuse_entry_out submount_{};
};

TEST_F(SubmountTest, MountPointIsMarked) {
  EXPECT_EQ(submount_.attr.flags & FUSE_ATTR_SUBMOUNT, static_cast<uint32_t>(FUSE_ATTR_SUBMOUNT));
  MakeHostDirectory("plain");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out plain, fuse().Lookup(kRoot, "plain"));
  EXPECT_EQ(plain.attr.flags & FUSE_ATTR_SUBMOUNT, 0u);
}

TEST_F(SubmountTest, FilesBelowAreServed) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out inner, fuse().Lookup(NodeOf(submount_), "inner"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(inner), O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(NodeOf(inner), HandleOf(opened), 0, 100));
  EXPECT_EQ(text, "inner");
}

TEST_F(SubmountTest, RenameAndLinkAcrossAreExdev) {
  EXPECT_ERRNO(fuse().Rename(kRoot, "file", NodeOf(submount_), "moved"), EXDEV);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(kRoot, "file"));
  EXPECT_ERRNO(fuse().Link(NodeOf(file), NodeOf(submount_), "linked"), EXDEV);
  EXPECT_TRUE(HostExists("file"));
}

TEST_F(SubmountTest, RmdirOfTheMountPointIsEbusy) {
  EXPECT_ERRNO(fuse().Rmdir(kRoot, "mounted"), EBUSY);
}

TEST_F(SubmountTest, StatfsIsThatOfTheSubmount) {
  ASSERT_OK_AND_ASSIGN(const fuse_kstatfs inner, fuse().Statfs(NodeOf(submount_)));
  ASSERT_OK_AND_ASSIGN(const fuse_kstatfs outer, fuse().Statfs(kRoot));
  EXPECT_EQ(inner.blocks * inner.bsize, 1u << 20);
  EXPECT_NE(inner.blocks, outer.blocks);
}

}  // namespace
}  // namespace postern
