// On whose behalf things are made.
#include <unistd.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::Credentials;
using vmm::NodeOf;

constexpr Credentials kUser{.uid = GuestUid(1234), .gid = GuestGid(5678)};

class CredentialsTest : public ShareTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can act for others";
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
  }
  // Not even started if skipped.
  void TearDown() override {
    if (daemon_) ShareTest::TearDown();
  }

  void MakeDirectoryOf(std::string_view name, uid_t uid, gid_t gid, mode_t mode) {
    MakeHostDirectory(name);
    ASSERT_EQ(chown(Host(name).c_str(), uid, gid), 0);
    ASSERT_EQ(chmod(Host(name).c_str(), mode), 0);
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, name));
    directory_ = NodeOf(entry);
  }

  NodeId directory_{0};
};

TEST_F(CredentialsTest, WhatIsMadeBelongsToTheCaller) {
  fuse().set_credentials(kUser);
  ASSERT_OK(fuse().Create(kRoot, "created", O_RDWR));
  ASSERT_OK(fuse().Mkdir(kRoot, "directory"));
  ASSERT_OK(fuse().Mknod(kRoot, "node", S_IFIFO | 0600));
  ASSERT_OK(fuse().Symlink(kRoot, "symlink", "target"));
  for (const char* name : {"created", "directory", "node", "symlink"}) {
    EXPECT_EQ(StatHost(name).st_uid, 1234u) << name;
    EXPECT_EQ(StatHost(name).st_gid, 5678u) << name;
  }
}

TEST_F(CredentialsTest, OneCallersIdsDontStickToTheNext) {
  fuse().set_credentials(kUser);
  ASSERT_OK(fuse().Mkdir(kRoot, "users"));
  fuse().set_credentials({});
  ASSERT_OK(fuse().Mkdir(kRoot, "roots"));
  EXPECT_EQ(StatHost("roots").st_uid, 0u);
  EXPECT_EQ(StatHost("roots").st_gid, 0u);
}

// The guest's kernel has checked, and knows what it doesn't tell: an ACL's named groups, who is
// root of a user namespace in the guest and makes something in a directory of its own without write
// permission, or in one of a subordinate id.
TEST_F(CredentialsTest, WhatTheGuestsKernelHasAllowedIsDone) {
  ASSERT_NO_FATAL_FAILURE(MakeDirectoryOf("roots", 0, 0, 0555));
  fuse().set_credentials(kUser);
  EXPECT_OK(fuse().Mkdir(directory_, "made"));
  EXPECT_OK(fuse().Create(directory_, "created", O_RDWR));
  EXPECT_OK(fuse().Tmpfile(directory_, O_RDWR));
  EXPECT_OK(fuse().Symlink(directory_, "symlink", "target"));
  EXPECT_OK(fuse().Mknod(directory_, "node", S_IFREG | 0600));
  for (const char* name : {"made", "created", "symlink", "node"}) {
    EXPECT_EQ(StatHost(std::string("roots/") + name).st_uid, 1234u) << name;
    EXPECT_EQ(StatHost(std::string("roots/") + name).st_gid, 5678u) << name;
  }
}

TEST_F(CredentialsTest, SupplementaryGroupsKeepTheSetgidBit) {
  ASSERT_NO_FATAL_FAILURE(MakeDirectoryOf("groups", 0, 4000, 02775));
  Credentials member = kUser;
  member.supplementary_group = GuestGid(4000);
  fuse().set_credentials(member);
  ASSERT_OK(fuse().Create(directory_, "kept", O_RDWR, 02775));
  EXPECT_EQ(StatHost("groups/kept").st_mode & S_ISGID, mode_t{S_ISGID});
  // And it doesn't stick.
  fuse().set_credentials(kUser);
  ASSERT_OK(fuse().Create(directory_, "lost", O_RDWR, 02775));
  EXPECT_EQ(StatHost("groups/lost").st_mode & S_ISGID, 0u);
}

TEST_F(CredentialsTest, SetgidDirectoryHandsItsGroupDown) {
  ASSERT_NO_FATAL_FAILURE(MakeDirectoryOf("setgid", 1234, 4000, 02775));
  fuse().set_credentials(kUser);
  ASSERT_OK(fuse().Mkdir(directory_, "sub"));
  ASSERT_OK(fuse().Create(directory_, "file", O_RDWR));
  EXPECT_EQ(StatHost("setgid/sub").st_gid, 4000u);
  EXPECT_TRUE((StatHost("setgid/sub").st_mode & S_ISGID) != 0);
  EXPECT_EQ(StatHost("setgid/file").st_gid, 4000u);
}

TEST_F(CredentialsTest, StrangersSetgidFileLosesTheBit) {
  // The host's kernel clears S_ISGID where the maker isn't in the directory's group: it must judge
  // by the caller.
  ASSERT_NO_FATAL_FAILURE(MakeDirectoryOf("setgid", 1234, 4000, 02777));
  fuse().set_credentials(kUser);
  ASSERT_OK(fuse().Create(directory_, "file", O_RDWR, 02775));
  EXPECT_EQ(StatHost("setgid/file").st_mode & S_ISGID, 0u);
}

TEST_F(CredentialsTest, UmaskIsTheGuestsBusinessUnlessNegotiated) {
  ASSERT_OK(fuse().Mkdir(kRoot, "directory", 0777, /*umask=*/077));
  ASSERT_OK(fuse().Create(kRoot, "file", O_RDWR, 0666, /*umask=*/077));
  EXPECT_EQ(StatHost("directory").st_mode & 07777, 0777u);
  EXPECT_EQ(StatHost("file").st_mode & 07777, 0666u);
}

}  // namespace
}  // namespace postern
