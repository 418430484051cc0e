// RENAME, RENAME2, LINK.
#include <linux/fs.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

class RenameTest : public ShareTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
    WriteHost("one", "content of one");
    WriteHost("two", "content of two");
    MakeHostDirectory("directory");
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "directory"));
    directory_ = NodeOf(entry);
  }

  NodeId directory_{0};
};

TEST_F(RenameTest, MovesToANewName) {
  ASSERT_OK(fuse().Rename(kRoot, "one", kRoot, "new"));
  EXPECT_FALSE(HostExists("one"));
  EXPECT_EQ(ReadHost("new"), "content of one");
}

TEST_F(RenameTest, MovesToAnotherDirectoryAndKeepsTheNode) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out before, fuse().Lookup(kRoot, "one"));
  ASSERT_OK(fuse().Rename2(kRoot, "one", directory_, "moved", 0));
  EXPECT_EQ(ReadHost("directory/moved"), "content of one");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out after, fuse().Lookup(directory_, "moved"));
  EXPECT_EQ(after.nodeid, before.nodeid);
}

TEST_F(RenameTest, ReplacesAnExistingFile) {
  ASSERT_OK(fuse().Rename(kRoot, "one", kRoot, "two"));
  EXPECT_FALSE(HostExists("one"));
  EXPECT_EQ(ReadHost("two"), "content of one");
}

TEST_F(RenameTest, NoreplaceRefusesAnExistingName) {
  EXPECT_ERRNO(fuse().Rename2(kRoot, "one", kRoot, "two", RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(ReadHost("one"), "content of one");
  EXPECT_EQ(ReadHost("two"), "content of two");
  EXPECT_OK(fuse().Rename2(kRoot, "one", kRoot, "free", RENAME_NOREPLACE));
  EXPECT_EQ(ReadHost("free"), "content of one");
}

TEST_F(RenameTest, ExchangeSwapsTheTwo) {
  ASSERT_OK(fuse().Rename2(kRoot, "one", kRoot, "two", RENAME_EXCHANGE));
  EXPECT_EQ(ReadHost("one"), "content of two");
  EXPECT_EQ(ReadHost("two"), "content of one");
  EXPECT_ERRNO(fuse().Rename2(kRoot, "one", kRoot, "missing", RENAME_EXCHANGE), ENOENT);
}

TEST_F(RenameTest, NoreplaceWithExchangeIsEinval) {
  EXPECT_ERRNO(fuse().Rename2(kRoot, "one", kRoot, "two", RENAME_NOREPLACE | RENAME_EXCHANGE),
               EINVAL);
}

TEST_F(RenameTest, UnknownFlagsAreEinvalAndMoveNothing) {
  EXPECT_ERRNO(fuse().Rename2(kRoot, "one", kRoot, "new", 1u << 5), EINVAL);
  EXPECT_ERRNO(fuse().Rename2(kRoot, "one", kRoot, "new", RENAME_NOREPLACE | 1u << 31), EINVAL);
  EXPECT_TRUE(HostExists("one"));
  EXPECT_FALSE(HostExists("new"));
}

TEST_F(RenameTest, MissingSourceIsEnoent) {
  EXPECT_ERRNO(fuse().Rename(kRoot, "missing", kRoot, "new"), ENOENT);
}

TEST_F(RenameTest, FileOverDirectoryIsEisdir) {
  EXPECT_ERRNO(fuse().Rename(kRoot, "one", kRoot, "directory"), EISDIR);
}

TEST_F(RenameTest, DirectoryOverFileIsEnotdir) {
  EXPECT_ERRNO(fuse().Rename(kRoot, "directory", kRoot, "one"), ENOTDIR);
}

TEST_F(RenameTest, DirectoryOverFullDirectoryIsEnotempty) {
  MakeHostDirectory("full");
  WriteHost("full/file", "");
  EXPECT_ERRNO(fuse().Rename(kRoot, "directory", kRoot, "full"), ENOTEMPTY);
}

TEST_F(RenameTest, DirectoryIntoItselfIsEinval) {
  EXPECT_ERRNO(fuse().Rename(kRoot, "directory", directory_, "below"), EINVAL);
}

TEST_F(RenameTest, StaleParentsAreEbadf) {
  EXPECT_ERRNO(fuse().Rename(NodeId(999'999), "one", kRoot, "new"), EBADF);
  EXPECT_ERRNO(fuse().Rename(kRoot, "one", NodeId(999'999), "new"), EBADF);
  EXPECT_TRUE(HostExists("one"));
}

TEST_F(RenameTest, LinkGivesASecondNameOfTheSameNode) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out one, fuse().Lookup(kRoot, "one"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out link, fuse().Link(NodeOf(one), directory_, "link"));
  EXPECT_EQ(link.nodeid, one.nodeid);
  EXPECT_EQ(link.attr.nlink, 2u);
  EXPECT_EQ(StatHost("directory/link").st_ino, StatHost("one").st_ino);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out found, fuse().Lookup(directory_, "link"));
  EXPECT_EQ(found.nodeid, one.nodeid);
}

TEST_F(RenameTest, LinkOverAnExistingNameIsEexist) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out one, fuse().Lookup(kRoot, "one"));
  EXPECT_ERRNO(fuse().Link(NodeOf(one), kRoot, "two"), EEXIST);
}

TEST_F(RenameTest, LinkOfADirectoryIsEperm) {
  EXPECT_ERRNO(fuse().Link(directory_, kRoot, "link"), EPERM);
}

TEST_F(RenameTest, LinkOfASymlinkLinksTheSymlink) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out symlink, fuse().Symlink(kRoot, "symlink", "one"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out link, fuse().Link(NodeOf(symlink), kRoot, "link"));
  EXPECT_EQ(link.nodeid, symlink.nodeid);
  EXPECT_EQ(StatHost("link").st_ino, StatHost("symlink").st_ino);
}

TEST_F(RenameTest, LinkToAStaleNodeIsEbadf) {
  EXPECT_ERRNO(fuse().Link(NodeId(999'999), kRoot, "link"), EBADF);
}

}  // namespace
}  // namespace postern
