// GETATTR, SETATTR, STATFS, ACCESS.
#include <sys/statvfs.h>
#include <unistd.h>

#include <ctime>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

class AttributesTest : public ShareTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
    WriteHost("file", "0123456789", 0644);
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
    node_ = NodeOf(entry);
  }

  NodeId node_{0};
};

TEST_F(AttributesTest, RootIsTheSharedDirectory) {
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(kRoot));
  EXPECT_EQ(attributes.ino, StatHost("").st_ino);
  EXPECT_EQ(attributes.mode, static_cast<uint32_t>(S_IFDIR | 0777));
}

TEST_F(AttributesTest, GetattrFollowsTheHost) {
  WriteHost("file", "longer than it was");
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(node_));
  EXPECT_EQ(attributes.size, 18u);
}

TEST_F(AttributesTest, ModeIsSetAndReturned) {
  fuse_setattr_in set{};
  set.valid = FATTR_MODE;
  set.mode = S_IFREG | 04711;
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Setattr(node_, set));
  EXPECT_EQ(attributes.mode, static_cast<uint32_t>(S_IFREG | 04711));
  EXPECT_EQ(StatHost("file").st_mode, static_cast<mode_t>(S_IFREG | 04711));
}

TEST_F(AttributesTest, ModeIsSetThroughAnOpenFile) {
  ASSERT_OK_AND_ASSIGN(const auto opened, fuse().Open(node_, O_RDONLY));
  fuse_setattr_in set{};
  set.valid = FATTR_MODE | FATTR_FH;
  set.fh = opened.fh;
  set.mode = S_IFREG | 0604;
  ASSERT_OK(fuse().Setattr(node_, set));
  EXPECT_EQ(StatHost("file").st_mode, static_cast<mode_t>(S_IFREG | 0604));
}

TEST_F(AttributesTest, OwnerAndGroupAreSetApart) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_CHOWN";
  fuse_setattr_in set{};
  set.valid = FATTR_UID;
  set.uid = 1234;
  set.gid = 99;  // Not valid: must not be used.
  ASSERT_OK(fuse().Setattr(node_, set));
  EXPECT_EQ(StatHost("file").st_uid, 1234u);
  EXPECT_EQ(StatHost("file").st_gid, getegid());
  set.valid = FATTR_GID;
  set.uid = 77;
  set.gid = 5678;
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Setattr(node_, set));
  EXPECT_EQ(attributes.uid, 1234u);
  EXPECT_EQ(attributes.gid, 5678u);
  EXPECT_EQ(StatHost("file").st_uid, 1234u);
}

TEST_F(AttributesTest, SizeShrinksAndGrows) {
  fuse_setattr_in set{};
  set.valid = FATTR_SIZE;
  set.size = 4;
  ASSERT_OK_AND_ASSIGN(const fuse_attr shrunk, fuse().Setattr(node_, set));
  EXPECT_EQ(shrunk.size, 4u);
  set.size = 6;
  ASSERT_OK(fuse().Setattr(node_, set));
  EXPECT_EQ(ReadHost("file"), std::string("0123\0\0", 6));
}

TEST_F(AttributesTest, SizeIsSetThroughAHandleOfAnUnlinkedFile) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node_, O_RDWR));
  ASSERT_OK(fuse().Unlink(kRoot, "file"));
  fuse_setattr_in set{};
  set.valid = FATTR_SIZE | FATTR_FH;
  set.fh = opened.fh;
  set.size = 3;
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Setattr(node_, set));
  EXPECT_EQ(attributes.size, 3u);
}

TEST_F(AttributesTest, SizeOfADirectoryIsRefused) {
  MakeHostDirectory("directory");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Lookup(kRoot, "directory"));
  fuse_setattr_in set{};
  set.valid = FATTR_SIZE;
  EXPECT_NE(fuse().Setattr(NodeOf(directory), set).errno_value(), 0);
}

TEST_F(AttributesTest, InventedHandleIsEbadf) {
  fuse_setattr_in set{};
  set.valid = FATTR_SIZE | FATTR_FH;
  set.fh = 0x123456789;
  EXPECT_ERRNO(fuse().Setattr(node_, set), EBADF);
  EXPECT_EQ(ReadHost("file"), "0123456789");
}

TEST_F(AttributesTest, TimesAreSetToTheNanosecond) {
  fuse_setattr_in set{};
  set.valid = FATTR_ATIME | FATTR_MTIME;
  set.atime = 1'000'000'001;
  set.atimensec = 123'456'789;
  set.mtime = 1'500'000'002;
  set.mtimensec = 987'654'321;
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Setattr(node_, set));
  EXPECT_EQ(attributes.atime, 1'000'000'001u);
  EXPECT_EQ(attributes.mtimensec, 987'654'321u);
  const struct stat host = StatHost("file");
  EXPECT_EQ(host.st_atim.tv_sec, 1'000'000'001);
  EXPECT_EQ(host.st_atim.tv_nsec, 123'456'789);
  EXPECT_EQ(host.st_mtim.tv_sec, 1'500'000'002);
  EXPECT_EQ(host.st_mtim.tv_nsec, 987'654'321);
}

TEST_F(AttributesTest, OneTimeIsSetWithoutTheOther) {
  const struct stat before = StatHost("file");
  fuse_setattr_in set{};
  set.valid = FATTR_MTIME;
  set.mtime = 1'500'000'002;
  ASSERT_OK(fuse().Setattr(node_, set));
  EXPECT_EQ(StatHost("file").st_mtim.tv_sec, 1'500'000'002);
  EXPECT_EQ(StatHost("file").st_atim.tv_sec, before.st_atim.tv_sec);
  EXPECT_EQ(StatHost("file").st_atim.tv_nsec, before.st_atim.tv_nsec);
}

TEST_F(AttributesTest, TimesNowAreTheHostsNow) {
  fuse_setattr_in set{};
  set.valid = FATTR_ATIME | FATTR_MTIME;
  set.atime = set.mtime = 1000;
  ASSERT_OK(fuse().Setattr(node_, set));
  const time_t before = time(nullptr);
  set.valid |= FATTR_ATIME_NOW | FATTR_MTIME_NOW;
  ASSERT_OK(fuse().Setattr(node_, set));
  EXPECT_GE(StatHost("file").st_mtim.tv_sec, before - 1);
  EXPECT_GE(StatHost("file").st_atim.tv_sec, before - 1);
}

TEST_F(AttributesTest, TimesBefore1970AreSigned) {
  fuse_setattr_in set{};
  set.valid = FATTR_MTIME;
  set.mtime = static_cast<uint64_t>(int64_t{-1000});
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Setattr(node_, set));
  EXPECT_EQ(StatHost("file").st_mtim.tv_sec, -1000);
  EXPECT_EQ(static_cast<int64_t>(attributes.mtime), -1000);
}

TEST_F(AttributesTest, NanosecondsOutOfRangeAreEinval) {
  fuse_setattr_in set{};
  set.valid = FATTR_MTIME;
  set.mtimensec = 1'000'000'000;
  EXPECT_ERRNO(fuse().Setattr(node_, set), EINVAL);
}

TEST_F(AttributesTest, NanosecondsThatMeanNowOnTheHostAreEinval) {
  POSTERN_ONLY("they pass UTIME_NOW on");
  fuse_setattr_in set{};
  set.valid = FATTR_MTIME;
  set.mtimensec = UTIME_NOW;
  EXPECT_ERRNO(fuse().Setattr(node_, set), EINVAL);
}

TEST_F(AttributesTest, SetattrOfNothingReturnsTheAttributes) {
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Setattr(node_, {}));
  EXPECT_EQ(attributes.ino, StatHost("file").st_ino);
}

TEST_F(AttributesTest, OwnerOfASymlinkIsItsOwn) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_CHOWN";
  ASSERT_EQ(symlink("file", Host("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out link, fuse().Lookup(kRoot, "link"));
  fuse_setattr_in set{};
  set.valid = FATTR_UID;
  set.uid = 1234;
  ASSERT_OK(fuse().Setattr(NodeOf(link), set));
  EXPECT_EQ(StatHost("link").st_uid, 1234u);
  EXPECT_EQ(StatHost("file").st_uid, geteuid());
}

TEST_F(AttributesTest, TimesOfASymlinkAreItsOwn) {
  ASSERT_EQ(symlink("file", Host("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out link, fuse().Lookup(kRoot, "link"));
  fuse_setattr_in set{};
  set.valid = FATTR_MTIME;
  set.mtime = 1'500'000'002;
  ASSERT_OK(fuse().Setattr(NodeOf(link), set));
  EXPECT_EQ(StatHost("link").st_mtim.tv_sec, 1'500'000'002);
  EXPECT_NE(StatHost("file").st_mtim.tv_sec, 1'500'000'002);
}

TEST_F(AttributesTest, StatfsAgreesWithTheHost) {
  struct statvfs host;
  ASSERT_EQ(statvfs(share_.c_str(), &host), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_kstatfs guest, fuse().Statfs(kRoot));
  EXPECT_EQ(guest.blocks, host.f_blocks);
  EXPECT_EQ(guest.files, host.f_files);
  EXPECT_EQ(guest.bsize, host.f_bsize);
  EXPECT_EQ(guest.frsize, host.f_frsize);
  EXPECT_EQ(guest.namelen, host.f_namemax);
  EXPECT_LE(guest.bavail, guest.bfree);
  EXPECT_LE(guest.bfree, guest.blocks);
}

TEST_F(AttributesTest, AccessLooksAtTheCallersBits) {
  WriteHost("private", "", 0600);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "private"));
  EXPECT_OK(fuse().Access(NodeOf(entry), R_OK | W_OK));
  EXPECT_ERRNO(fuse().Access(NodeOf(entry), X_OK), EACCES);  // No execute bit, even for root.
  fuse().set_credentials({.uid = GuestUid(1234), .gid = GuestGid(1234)});
  EXPECT_OK(fuse().Access(NodeOf(entry), F_OK));
  EXPECT_ERRNO(fuse().Access(NodeOf(entry), R_OK), EACCES);
  EXPECT_OK(fuse().Access(node_, R_OK));
  EXPECT_ERRNO(fuse().Access(node_, W_OK), EACCES);
}

}  // namespace
}  // namespace postern
