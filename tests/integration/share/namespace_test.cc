// Names: LOOKUP, CREATE, MKDIR, MKNOD, SYMLINK, READLINK, UNLINK, RMDIR.
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

class NamespaceTest : public ShareTest {};

TEST_F(NamespaceTest, LookupOfAHostFileReturnsItsAttributes) {
  WriteHost("file", "twelve bytes", 0640);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  const struct stat host = StatHost("file");
  EXPECT_GT(entry.nodeid, 1u);
  EXPECT_EQ(entry.attr.ino, host.st_ino);
  EXPECT_EQ(entry.attr.size, 12u);
  EXPECT_EQ(entry.attr.blocks, static_cast<uint64_t>(host.st_blocks));
  EXPECT_EQ(entry.attr.mode, host.st_mode);
  EXPECT_EQ(entry.attr.nlink, 1u);
  EXPECT_EQ(entry.attr.uid, host.st_uid);
  EXPECT_EQ(entry.attr.gid, host.st_gid);
  EXPECT_EQ(entry.attr.mtime, static_cast<uint64_t>(host.st_mtim.tv_sec));
  EXPECT_EQ(entry.attr.mtimensec, static_cast<uint32_t>(host.st_mtim.tv_nsec));
  EXPECT_EQ(entry.attr.ctime, static_cast<uint64_t>(host.st_ctim.tv_sec));
  EXPECT_EQ(entry.attr.blksize, static_cast<uint32_t>(host.st_blksize));
}

TEST_F(NamespaceTest, DefaultCachePolicyGivesOneSecond) {
  WriteHost("file", "");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  EXPECT_EQ(entry.entry_valid, 1u);
  EXPECT_EQ(entry.attr_valid, 1u);
}

TEST_F(NamespaceTest, LookupOfAMissingNameIsEnoent) {
  EXPECT_ERRNO(fuse().Lookup(kRoot, "missing"), ENOENT);
}

TEST_F(NamespaceTest, LookupBelowAFileIsEnotdir) {
  WriteHost("file", "");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  EXPECT_ERRNO(fuse().Lookup(NodeOf(entry), "below"), ENOTDIR);
}

TEST_F(NamespaceTest, LookupInASubdirectoryFindsTheRightFile) {
  MakeHostDirectory("directory");
  WriteHost("name", "outer");
  WriteHost("directory/name", "inner one");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Lookup(kRoot, "directory"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out inner, fuse().Lookup(NodeOf(directory), "name"));
  EXPECT_EQ(inner.attr.size, 9u);
  EXPECT_EQ(inner.attr.ino, StatHost("directory/name").st_ino);
}

TEST_F(NamespaceTest, NameOf255BytesPasses) {
  const std::string name(255, 'n');
  ASSERT_OK(fuse().Mkdir(kRoot, name));
  EXPECT_TRUE(HostExists(name));
  EXPECT_OK(fuse().Lookup(kRoot, name));
}

TEST_F(NamespaceTest, NameOf256BytesIsEnametoolong) {
  const std::string name(256, 'n');
  EXPECT_ERRNO(fuse().Lookup(kRoot, name), ENAMETOOLONG);
  EXPECT_ERRNO(fuse().Mkdir(kRoot, name), ENAMETOOLONG);
  EXPECT_ERRNO(fuse().Unlink(kRoot, name), ENAMETOOLONG);
}

TEST_F(NamespaceTest, NameOfAnyBytesPasses) {
  const std::string name = "\x01\xff\xc3(\n\\ \"*";
  ASSERT_OK(fuse().Create(kRoot, name, O_RDWR));
  EXPECT_TRUE(HostExists(name));
}

TEST_F(NamespaceTest, DotDotOfTheRootLeadsNowhere) {
  POSTERN_ONLY("they resolve it below their root");
  WriteHost("../outside", "secret");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out up, fuse().Lookup(kRoot, ".."));
  EXPECT_EQ(NodeOf(up), kRoot);
  EXPECT_ERRNO(fuse().Mkdir(kRoot, ".."), EINVAL);
  EXPECT_ERRNO(fuse().Rmdir(kRoot, ".."), EINVAL);
}

TEST_F(NamespaceTest, PathsInsteadOfNamesAreRefused) {
  POSTERN_ONLY("they resolve it below their root");
  MakeHostDirectory("directory");
  WriteHost("directory/file", "");
  WriteHost("../outside", "secret");
  EXPECT_ERRNO(fuse().Lookup(kRoot, "../outside"), EINVAL);
  EXPECT_ERRNO(fuse().Lookup(kRoot, "directory/file"), EINVAL);
  EXPECT_ERRNO(fuse().Lookup(kRoot, "/"), EINVAL);
  EXPECT_ERRNO(fuse().Lookup(kRoot, ""), EINVAL);
  EXPECT_ERRNO(fuse().Unlink(kRoot, "directory/file"), EINVAL);
  EXPECT_ERRNO(fuse().Create(kRoot, "directory/new", O_RDWR), EINVAL);
  EXPECT_ERRNO(fuse().Symlink(kRoot, "a/b", "target"), EINVAL);
  EXPECT_ERRNO(fuse().Mknod(kRoot, "a/b", S_IFREG | 0644), EINVAL);
  EXPECT_ERRNO(fuse().Rename(kRoot, "directory/file", kRoot, "new"), EINVAL);
  EXPECT_ERRNO(fuse().Rename(kRoot, "directory", kRoot, "../moved"), EINVAL);
  EXPECT_TRUE(HostExists("directory/file"));
  EXPECT_FALSE(HostExists("../moved"));
}

TEST_F(NamespaceTest, SymlinksAreNeverFollowed) {
  WriteHost("../outside", "secret");
  MakeHostDirectory("directory");
  ASSERT_EQ(symlink("../outside", Host("file_link").c_str()), 0);
  ASSERT_EQ(symlink("directory", Host("directory_link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(kRoot, "file_link"));
  EXPECT_TRUE(S_ISLNK(file.attr.mode));
  EXPECT_ERRNO(fuse().Open(NodeOf(file), O_RDONLY), EBADF);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Lookup(kRoot, "directory_link"));
  EXPECT_ERRNO(fuse().Lookup(NodeOf(directory), "x"), ENOTDIR);
}

TEST_F(NamespaceTest, CreateMakesTheFileAndOpensIt) {
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created, fuse().Create(kRoot, "new", O_RDWR, 0640));
  EXPECT_EQ(StatHost("new").st_mode, static_cast<mode_t>(S_IFREG | 0640));
  EXPECT_EQ(created.entry.attr.ino, StatHost("new").st_ino);
  ASSERT_OK_AND_ASSIGN(
      const size_t written,
      fuse().WriteString(NodeOf(created.entry), HandleOf(created.opened), 0, "text"));
  EXPECT_EQ(written, 4u);
  EXPECT_EQ(ReadHost("new"), "text");
}

TEST_F(NamespaceTest, CreateOfAnExistingFileOpensIt) {
  WriteHost("file", "content");
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created, fuse().Create(kRoot, "file", O_RDWR));
  EXPECT_EQ(created.entry.attr.ino, StatHost("file").st_ino);
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(NodeOf(created.entry), HandleOf(created.opened), 0, 100));
  EXPECT_EQ(text, "content");
}

TEST_F(NamespaceTest, CreateWithTruncOfAnExistingFileEmptiesIt) {
  WriteHost("file", "content");
  ASSERT_OK(fuse().Create(kRoot, "file", O_RDWR | O_TRUNC));
  EXPECT_EQ(ReadHost("file"), "");
}

TEST_F(NamespaceTest, CreateWithExclOfAnExistingFileIsEexist) {
  WriteHost("file", "content");
  EXPECT_ERRNO(fuse().Create(kRoot, "file", O_RDWR | O_EXCL), EEXIST);
  EXPECT_EQ(ReadHost("file"), "content");
}

TEST_F(NamespaceTest, MkdirMakesADirectory) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Mkdir(kRoot, "directory", 0750));
  EXPECT_EQ(StatHost("directory").st_mode, static_cast<mode_t>(S_IFDIR | 0750));
  EXPECT_TRUE(S_ISDIR(entry.attr.mode));
  EXPECT_OK(fuse().Mkdir(NodeOf(entry), "nested"));
  EXPECT_TRUE(HostExists("directory/nested"));
}

TEST_F(NamespaceTest, MakingWhatExistsIsEexist) {
  WriteHost("file", "");
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "file"), EEXIST);
  EXPECT_ERRNO(fuse().Mknod(kRoot, "file", S_IFREG | 0644), EEXIST);
  EXPECT_ERRNO(fuse().Symlink(kRoot, "file", "target"), EEXIST);
}

TEST_F(NamespaceTest, MakingBelowAFileIsEnotdir) {
  WriteHost("file", "");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(kRoot, "file"));
  EXPECT_ERRNO(fuse().Mkdir(NodeOf(file), "x"), ENOTDIR);
  EXPECT_ERRNO(fuse().Create(NodeOf(file), "x", O_RDWR), ENOTDIR);
  EXPECT_ERRNO(fuse().Symlink(NodeOf(file), "x", "target"), ENOTDIR);
}

TEST_F(NamespaceTest, MknodMakesFilesFifosAndSockets) {
  EXPECT_OK(fuse().Mknod(kRoot, "file", S_IFREG | 0600));
  EXPECT_OK(fuse().Mknod(kRoot, "fifo", S_IFIFO | 0600));
  EXPECT_OK(fuse().Mknod(kRoot, "socket", S_IFSOCK | 0600));
  EXPECT_EQ(StatHost("file").st_mode, static_cast<mode_t>(S_IFREG | 0600));
  EXPECT_EQ(StatHost("fifo").st_mode, static_cast<mode_t>(S_IFIFO | 0600));
  EXPECT_EQ(StatHost("socket").st_mode, static_cast<mode_t>(S_IFSOCK | 0600));
}

TEST_F(NamespaceTest, MknodByRootMakesADevice) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_MKNOD";
  // FUSE's device numbers: the low 8 bits of the minor, the major, the rest of the minor
  // (new_encode_dev of Linux).
  const uint32_t rdev = (300 & 0xff) | (7u << 8) | (uint32_t{300 & ~0xff} << 12);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry,
                       fuse().Mknod(kRoot, "device", S_IFCHR | 0600, rdev));
  EXPECT_EQ(major(StatHost("device").st_rdev), 7u);
  EXPECT_EQ(minor(StatHost("device").st_rdev), 300u);
  EXPECT_EQ(entry.attr.rdev, rdev);
}

TEST_F(NamespaceTest, OpenOfAFifoOrDeviceIsEbadf) {
  // Opening them would let the guest reach the host's pipes and drivers.
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out fifo, fuse().Mknod(kRoot, "fifo", S_IFIFO | 0600));
  EXPECT_ERRNO(fuse().Open(NodeOf(fifo), O_RDONLY | O_NONBLOCK), EBADF);
}

TEST_F(NamespaceTest, SymlinkStoresItsTargetAsItIs) {
  const std::string target = "/nowhere/../" + std::string(3000, 'x');
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Symlink(kRoot, "link", target));
  EXPECT_TRUE(S_ISLNK(entry.attr.mode));
  ASSERT_OK_AND_ASSIGN(const std::string read, fuse().Readlink(NodeOf(entry)));
  EXPECT_EQ(read, target);
  char host[4096];
  const ssize_t size = readlink(Host("link").c_str(), host, sizeof(host));
  EXPECT_EQ(std::string(host, static_cast<size_t>(size)), target);
}

TEST_F(NamespaceTest, ReadlinkOfAFileFails) {
  WriteHost("file", "");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  // readlinkat(2) on a descriptor of something else: ENOENT; the path form says EINVAL.
  EXPECT_THAT(fuse().Readlink(NodeOf(entry)).errno_value(), testing::AnyOf(EINVAL, ENOENT));
}

TEST_F(NamespaceTest, UnlinkRemovesAFile) {
  WriteHost("file", "");
  ASSERT_OK(fuse().Unlink(kRoot, "file"));
  EXPECT_FALSE(HostExists("file"));
  EXPECT_ERRNO(fuse().Lookup(kRoot, "file"), ENOENT);
  EXPECT_ERRNO(fuse().Unlink(kRoot, "file"), ENOENT);
}

TEST_F(NamespaceTest, UnlinkRemovesASymlinkAndNotItsTarget) {
  WriteHost("file", "content");
  ASSERT_EQ(symlink("file", Host("link").c_str()), 0);
  ASSERT_OK(fuse().Unlink(kRoot, "link"));
  EXPECT_FALSE(HostExists("link"));
  EXPECT_EQ(ReadHost("file"), "content");
}

TEST_F(NamespaceTest, UnlinkOfADirectoryIsEisdir) {
  MakeHostDirectory("directory");
  EXPECT_ERRNO(fuse().Unlink(kRoot, "directory"), EISDIR);
  EXPECT_TRUE(HostExists("directory"));
}

TEST_F(NamespaceTest, RmdirRemovesAnEmptyDirectory) {
  MakeHostDirectory("directory");
  ASSERT_OK(fuse().Rmdir(kRoot, "directory"));
  EXPECT_FALSE(HostExists("directory"));
}

TEST_F(NamespaceTest, RmdirRefusesFilesAndFullDirectories) {
  WriteHost("file", "");
  MakeHostDirectory("directory");
  WriteHost("directory/file", "");
  EXPECT_ERRNO(fuse().Rmdir(kRoot, "file"), ENOTDIR);
  EXPECT_ERRNO(fuse().Rmdir(kRoot, "directory"), ENOTEMPTY);
  EXPECT_ERRNO(fuse().Rmdir(kRoot, "missing"), ENOENT);
}

TEST_F(NamespaceTest, WhatTheHostMakesLaterIsSeen) {
  EXPECT_ERRNO(fuse().Lookup(kRoot, "late"), ENOENT);
  WriteHost("late", "x");
  EXPECT_OK(fuse().Lookup(kRoot, "late"));
}

}  // namespace
}  // namespace postern
