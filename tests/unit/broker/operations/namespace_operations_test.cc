#include "broker/operations/namespace_operations.h"

#include <linux/fs.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "broker/operations/lookup.h"
#include "tests/unit/broker/filesystem_fixture.h"

namespace postern {
namespace {

class NamespaceOperationsTest : public FilesystemTest {
 protected:
  template <typename Message>
  static void Act(Message& message, uint32_t uid = 0, uint32_t gid = 0) {
    message.mutable_credentials()->set_uid(uid);
    message.mutable_credentials()->set_gid(gid);
  }
  static rpc::Request MakeDirectoryOf(const std::string& name, uint32_t mode = 0755,
                                      uint64_t parent = kRoot) {
    rpc::Request request;
    request.mutable_make_directory()->set_parent(parent);
    request.mutable_make_directory()->set_name(name);
    request.mutable_make_directory()->set_mode(mode);
    Act(*request.mutable_make_directory());
    return request;
  }
  static rpc::Request MakeNodeOf(const std::string& name, uint32_t mode) {
    rpc::Request request;
    request.mutable_make_node()->set_parent(kRoot);
    request.mutable_make_node()->set_name(name);
    request.mutable_make_node()->set_mode(mode);
    Act(*request.mutable_make_node());
    return request;
  }
  static rpc::Request SymlinkOf(const std::string& name, const std::string& target) {
    rpc::Request request;
    request.mutable_symlink()->set_parent(kRoot);
    request.mutable_symlink()->set_name(name);
    request.mutable_symlink()->set_target(target);
    Act(*request.mutable_symlink());
    return request;
  }
  static rpc::Request RenameOf(const std::string& from, const std::string& to, uint32_t flags = 0) {
    rpc::Request request;
    request.mutable_rename()->set_old_parent(kRoot);
    request.mutable_rename()->set_old_name(from);
    request.mutable_rename()->set_new_parent(kRoot);
    request.mutable_rename()->set_new_name(to);
    request.mutable_rename()->set_flags(flags);
    return request;
  }
  static rpc::Request UnlinkOf(const std::string& name, uint64_t parent = kRoot) {
    rpc::Request request;
    request.mutable_unlink()->set_parent(parent);
    request.mutable_unlink()->set_name(name);
    return request;
  }
  static rpc::Request RemoveDirectoryOf(const std::string& name) {
    rpc::Request request;
    request.mutable_remove_directory()->set_parent(kRoot);
    request.mutable_remove_directory()->set_name(name);
    return request;
  }
  static rpc::Request LinkOf(uint64_t node, const std::string& name) {
    rpc::Request request;
    request.mutable_link()->set_node_id(node);
    request.mutable_link()->set_new_parent(kRoot);
    request.mutable_link()->set_new_name(name);
    return request;
  }
  static rpc::Request ReadLinkOf(uint64_t node) {
    rpc::Request request;
    request.mutable_read_link()->set_node_id(node);
    return request;
  }
  void Forget(uint64_t node, uint64_t count) {
    rpc::Request request;
    auto* item = request.mutable_forget()->add_items();
    item->set_node_id(node);
    item->set_count(count);
    EXPECT_EQ(Run(request), 0);
  }
};

TEST_F(NamespaceOperationsTest, LookupAnswersTheEntry) {
  share_.Write("file", "12345");
  EXPECT_EQ(Run(LookupOf(kRoot, "file")), 0);
  const struct stat status = share_.Stat("file");
  const rpc::Attributes& attributes = reply_.entry().attributes();
  EXPECT_EQ(attributes.ino(), status.st_ino);
  EXPECT_EQ(attributes.size(), 5u);
  EXPECT_EQ(attributes.blocks(), static_cast<uint64_t>(status.st_blocks));
  EXPECT_EQ(attributes.mode(), status.st_mode);
  EXPECT_EQ(attributes.nlink(), 1u);
  EXPECT_EQ(attributes.uid(), status.st_uid);
  EXPECT_EQ(attributes.gid(), status.st_gid);
  EXPECT_EQ(attributes.mtime_seconds(), status.st_mtim.tv_sec);
  EXPECT_EQ(attributes.mtime_nanoseconds(), static_cast<uint32_t>(status.st_mtim.tv_nsec));
  EXPECT_EQ(attributes.block_size(), static_cast<uint32_t>(status.st_blksize));
  EXPECT_FALSE(reply_.entry().is_submount());
}

TEST_F(NamespaceOperationsTest, LookupOfAMissingNameIsEnoent) {
  EXPECT_EQ(Run(LookupOf(kRoot, "missing")), ENOENT);
}

TEST_F(NamespaceOperationsTest, SecondLookupOpensNothingAndCounts) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  const auto open = OpenDescriptors();
  EXPECT_EQ(Lookup("file"), node);
  EXPECT_EQ(OpenDescriptors(), open);
  EXPECT_EQ(Count(node), 2u);
}

TEST_F(NamespaceOperationsTest, BothNamesOfAHardLinkAreOneNode) {
  share_.Write("a");
  std::filesystem::create_hard_link(share_.Path("a"), share_.Path("b"));
  EXPECT_EQ(Lookup("a"), Lookup("b"));
}

TEST_F(NamespaceOperationsTest, DeletedFileStaysReachableUntilForgotten) {
  share_.Write("file", "text");
  const uint64_t node = Lookup("file");
  ASSERT_EQ(unlink(share_.Path("file").c_str()), 0);
  rpc::Request request;
  request.mutable_get_attributes()->set_node_id(node);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.attributes().nlink(), 0u);
  Forget(node, 1);
  EXPECT_EQ(Run(request), EBADF);
}

TEST_F(NamespaceOperationsTest, ReplacedFileGetsAnotherNode) {
  share_.Write("file");
  const uint64_t old = Lookup("file");
  share_.Write("other");
  std::filesystem::rename(share_.Path("other"), share_.Path("file"));
  EXPECT_NE(Lookup("file"), old);
}

TEST_F(NamespaceOperationsTest, LookupOfASymlinkIsTheLinkItself) {
  ASSERT_EQ(symlink("/etc/passwd", share_.Path("link").c_str()), 0);
  const uint64_t node = Lookup("link");
  EXPECT_TRUE(S_ISLNK(reply_.entry().attributes().mode()));
  EXPECT_EQ(Run(ReadLinkOf(node)), 0);
  EXPECT_EQ(reply_.link_target(), "/etc/passwd");
}

TEST_F(NamespaceOperationsTest, SymlinkIsNoParent) {
  ASSERT_EQ(symlink("/etc", share_.Path("link").c_str()), 0);
  const uint64_t node = Lookup("link");
  EXPECT_EQ(Run(LookupOf(node, "passwd")), ENOTDIR);
  EXPECT_EQ(Run(MakeDirectoryOf("made", 0755, node)), ENOTDIR);
  EXPECT_EQ(Run(UnlinkOf("passwd", node)), ENOTDIR);
}

TEST_F(NamespaceOperationsTest, NamesThatAreNotOneComponentAreRefusedEverywhere) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."),
                                  std::string("a/b"), std::string("/"), std::string("a\0b", 3)}) {
    EXPECT_EQ(Run(LookupOf(kRoot, name)), name == "." || name == ".." ? 0 : EINVAL);
    EXPECT_EQ(Run(MakeDirectoryOf(name)), EINVAL);
    EXPECT_EQ(Run(MakeNodeOf(name, S_IFREG)), EINVAL);
    EXPECT_EQ(Run(SymlinkOf(name, "x")), EINVAL);
    EXPECT_EQ(Run(UnlinkOf(name)), EINVAL);
    EXPECT_EQ(Run(RemoveDirectoryOf(name)), EINVAL);
    EXPECT_EQ(Run(RenameOf(name, "new")), EINVAL);
    EXPECT_EQ(Run(RenameOf("file", name)), EINVAL);
    EXPECT_EQ(Run(LinkOf(node, name)), EINVAL);
  }
  EXPECT_EQ(Run(LookupOf(kRoot, std::string(256, 'x'))), ENAMETOOLONG);
}

TEST_F(NamespaceOperationsTest, UnknownNodesAreBadEverywhere) {
  constexpr uint64_t kUnknown = 12345;
  EXPECT_EQ(Run(LookupOf(kUnknown, "x")), EBADF);
  EXPECT_EQ(Run(MakeDirectoryOf("x", 0755, kUnknown)), EBADF);
  EXPECT_EQ(Run(UnlinkOf("x", kUnknown)), EBADF);
  EXPECT_EQ(Run(LinkOf(kUnknown, "x")), EBADF);
  EXPECT_EQ(Run(ReadLinkOf(kUnknown)), EBADF);
  rpc::Request rename = RenameOf("x", "y");
  rename.mutable_rename()->set_new_parent(kUnknown);
  EXPECT_EQ(Run(rename), EBADF);
  Forget(kUnknown, 1);
}

TEST_F(NamespaceOperationsTest, FullBudgetIsEnfileAndKnownInodesGoOn) {
  StartFilesystem(2);
  share_.Write("one");
  share_.Write("two");
  share_.Write("three");
  const uint64_t one = Lookup("one");
  Lookup("three");
  EXPECT_EQ(Run(LookupOf(kRoot, "two")), ENFILE);
  EXPECT_EQ(ExpectFromLast(*context_), Expect::kNew);
  EXPECT_EQ(Lookup("one"), one);
  EXPECT_EQ(Lookup("one"), one);
  Forget(one, 3);
  EXPECT_EQ(Run(LookupOf(kRoot, "two")), 0);
}

TEST_F(NamespaceOperationsTest, MakeDirectoryMakesItWithTheModeAsSent) {
  EXPECT_EQ(Run(MakeDirectoryOf("dir", 01777)), 0);
  EXPECT_TRUE(S_ISDIR(reply_.entry().attributes().mode()));
  EXPECT_EQ(share_.Stat("dir").st_mode & 07777, 01777u);
  EXPECT_EQ(Count(reply_.entry().node_id()), 1u);
  EXPECT_EQ(Run(MakeDirectoryOf("dir")), EEXIST);
}

TEST_F(NamespaceOperationsTest, MakeDirectoryIgnoresTheUmaskThatTheGuestHasApplied) {
  rpc::Request request = MakeDirectoryOf("dir", 0777);
  request.mutable_make_directory()->set_umask(0777);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("dir").st_mode & 07777, 0777u);
}

TEST_F(NamespaceOperationsTest, ObjectsBelongToTheRequestsUser) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(chmod(share_.Path().c_str(), 0777), 0);
  rpc::Request directory = MakeDirectoryOf("dir");
  Act(*directory.mutable_make_directory(), 1234, 2345);
  rpc::Request node = MakeNodeOf("node", S_IFREG | 0644);
  Act(*node.mutable_make_node(), 1234, 2345);
  rpc::Request link = SymlinkOf("link", "target");
  Act(*link.mutable_symlink(), 1234, 2345);
  EXPECT_EQ(Run(directory), 0);
  EXPECT_EQ(Run(node), 0);
  EXPECT_EQ(Run(link), 0);
  for (const char* name : {"dir", "node", "link"}) {
    EXPECT_EQ(share_.Stat(name).st_uid, 1234u) << name;
    EXPECT_EQ(share_.Stat(name).st_gid, 2345u) << name;
  }
}

TEST_F(NamespaceOperationsTest, GuestIsTrustedWithPermissionsWhateverItSaysOfGroups) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(chmod(share_.Path().c_str(), 0555), 0);
  for (const bool supplementary_groups : {false, true}) {
    StartFilesystem(kDescriptors, supplementary_groups);
    const std::string name = supplementary_groups ? "with" : "without";
    rpc::Request request = MakeDirectoryOf(name);
    Act(*request.mutable_make_directory(), 1234, 2345);
    EXPECT_EQ(Run(request), 0);
    EXPECT_EQ(share_.Stat(name).st_uid, 1234u);
  }
}

TEST_F(NamespaceOperationsTest, IdNoneIsRefusedAndMakesNothing) {
  rpc::Request request = MakeDirectoryOf("dir");
  Act(*request.mutable_make_directory(), 0xffffffff, 0);
  EXPECT_EQ(Run(request), EINVAL);
  Act(*request.mutable_make_directory(), 0, 0xffffffff);
  EXPECT_EQ(Run(request), EINVAL);
  Act(*request.mutable_make_directory(), 0, 0);
  request.mutable_make_directory()->mutable_credentials()->add_supplementary_gids(0xffffffff);
  EXPECT_EQ(Run(request), EINVAL);
  EXPECT_FALSE(share_.Exists("dir"));
}

TEST_F(NamespaceOperationsTest, MakeNodeMakesEachType) {
  EXPECT_EQ(Run(MakeNodeOf("file", S_IFREG | 0600)), 0);
  EXPECT_TRUE(S_ISREG(share_.Stat("file").st_mode));
  EXPECT_EQ(Run(MakeNodeOf("fifo", S_IFIFO | 0600)), 0);
  EXPECT_TRUE(S_ISFIFO(share_.Stat("fifo").st_mode));
  EXPECT_EQ(Run(MakeNodeOf("socket", S_IFSOCK | 0600)), 0);
  EXPECT_TRUE(S_ISSOCK(share_.Stat("socket").st_mode));
}

TEST_F(NamespaceOperationsTest, MakeNodeMakesADeviceOfTheNumber) {
  POSTERN_SKIP_UNLESS_ROOT();
  rpc::Request request = MakeNodeOf("null", S_IFCHR | 0600);
  request.mutable_make_node()->set_rdev_major(1);
  request.mutable_make_node()->set_rdev_minor(0xabcde);
  ASSERT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("null").st_rdev, makedev(1, 0xabcde));
  EXPECT_EQ(reply_.entry().attributes().rdev_major(), 1u);
  EXPECT_EQ(reply_.entry().attributes().rdev_minor(), 0xabcdeu);
}

TEST_F(NamespaceOperationsTest, MakeNodeRefusesWhatIsNoNode) {
  EXPECT_EQ(Run(MakeNodeOf("dir", S_IFDIR | 0755)), EPERM);
  EXPECT_EQ(Run(MakeNodeOf("link", S_IFLNK | 0755)), EINVAL);
  rpc::Request request = MakeNodeOf("device", S_IFCHR);
  request.mutable_make_node()->set_rdev_major(0x1000);
  EXPECT_EQ(Run(request), EINVAL);
  request.mutable_make_node()->set_rdev_major(1);
  request.mutable_make_node()->set_rdev_minor(0x100000);
  EXPECT_EQ(Run(request), EINVAL);
}

TEST_F(NamespaceOperationsTest, SymlinkKeepsAnyTarget) {
  const std::string target = "../../" + std::string(4000, 'x');
  EXPECT_EQ(Run(SymlinkOf("link", target)), 0);
  EXPECT_EQ(Run(ReadLinkOf(reply_.entry().node_id())), 0);
  EXPECT_EQ(reply_.link_target(), target);
}

TEST_F(NamespaceOperationsTest, ReadLinkOfAnythingElseIsEinval) {
  share_.Write("file");
  EXPECT_EQ(Run(ReadLinkOf(Lookup("file"))), EINVAL);
  EXPECT_EQ(Run(ReadLinkOf(kRoot)), EINVAL);
}

TEST_F(NamespaceOperationsTest, UnlinkAndRemoveDirectoryTellFilesFromDirectories) {
  share_.Write("file");
  ASSERT_EQ(mkdir(share_.Path("dir").c_str(), 0755), 0);
  EXPECT_EQ(Run(UnlinkOf("dir")), EISDIR);
  EXPECT_EQ(Run(RemoveDirectoryOf("file")), ENOTDIR);
  EXPECT_EQ(Run(UnlinkOf("file")), 0);
  EXPECT_EQ(Run(RemoveDirectoryOf("dir")), 0);
  EXPECT_FALSE(share_.Exists("file"));
  EXPECT_FALSE(share_.Exists("dir"));
  EXPECT_EQ(Run(UnlinkOf("file")), ENOENT);
}

TEST_F(NamespaceOperationsTest, UnlinkTakesTheSymlinkNotItsTarget) {
  share_.Write("file");
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  EXPECT_EQ(Run(UnlinkOf("link")), 0);
  EXPECT_TRUE(share_.Exists("file"));
}

TEST_F(NamespaceOperationsTest, RenameReplacesAndKeepsTheNode) {
  share_.Write("a", "new");
  share_.Write("b", "old");
  const uint64_t node = Lookup("a");
  EXPECT_EQ(Run(RenameOf("a", "b")), 0);
  EXPECT_EQ(share_.Read("b"), "new");
  EXPECT_EQ(Lookup("b"), node);
}

TEST_F(NamespaceOperationsTest, RenameFlagsArePassedOn) {
  share_.Write("a", "1");
  share_.Write("b", "2");
  EXPECT_EQ(Run(RenameOf("a", "b", RENAME_NOREPLACE)), EEXIST);
  EXPECT_EQ(Run(RenameOf("a", "b", RENAME_EXCHANGE)), 0);
  EXPECT_EQ(share_.Read("a"), "2");
  EXPECT_EQ(share_.Read("b"), "1");
}

TEST_F(NamespaceOperationsTest, UnknownRenameFlagsAreEinval) {
  share_.Write("a", "1");
  EXPECT_EQ(Run(RenameOf("a", "b", 0x80000000u)), EINVAL);
  EXPECT_EQ(Run(RenameOf("a", "b", RENAME_NOREPLACE | 8)), EINVAL);
  EXPECT_TRUE(share_.Exists("a"));
}

TEST_F(NamespaceOperationsTest, LinkAnswersTheSameNode) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(LinkOf(node, "second")), 0);
  EXPECT_EQ(reply_.entry().node_id(), node);
  EXPECT_EQ(reply_.entry().attributes().nlink(), 2u);
  EXPECT_EQ(Count(node), 2u);
  EXPECT_EQ(Run(LinkOf(node, "second")), EEXIST);
}

TEST_F(NamespaceOperationsTest, LinkOfASymlinkLinksTheLinkItself) {
  share_.Write("file");
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  EXPECT_EQ(Run(LinkOf(Lookup("link"), "second")), 0);
  EXPECT_TRUE(S_ISLNK(share_.Stat("second").st_mode));
  EXPECT_EQ(share_.Stat("file").st_nlink, 1u);
}

TEST_F(NamespaceOperationsTest, LinkOfADirectoryIsRefused) {
  EXPECT_EQ(Run(MakeDirectoryOf("dir")), 0);
  EXPECT_EQ(Run(LinkOf(reply_.entry().node_id(), "second")), EPERM);
}

TEST_F(NamespaceOperationsTest, DirectoryOnAnotherMountIsASubmount) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(mkdir(share_.Path("mount").c_str(), 0755), 0);
  if (mount("tmpfs", share_.Path("mount").c_str(), "tmpfs", 0, "size=64k") < 0) {
    GTEST_SKIP() << "may not mount";
  }
  share_.Write("mount/file");
  const uint64_t node = Lookup("mount");
  const bool directory = reply_.entry().is_submount();
  Lookup("file", node);
  const bool file = reply_.entry().is_submount();
  Forget(reply_.entry().node_id(), 1);
  session_->inodes.Forget(NodeId(node), 1);
  EXPECT_EQ(umount(share_.Path("mount").c_str()), 0);
  EXPECT_TRUE(directory);
  EXPECT_FALSE(file);
}

TEST_F(NamespaceOperationsTest, ForgetOfSeveralItemsForgetsEach) {
  share_.Write("a");
  share_.Write("b");
  const uint64_t a = Lookup("a");
  const uint64_t b = Lookup("b");
  Lookup("b");
  rpc::Request request;
  for (const uint64_t node : {a, b}) {
    auto* item = request.mutable_forget()->add_items();
    item->set_node_id(node);
    item->set_count(1);
  }
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(Count(a), 0u);
  EXPECT_EQ(Count(b), 1u);
}

}  // namespace
}  // namespace postern
