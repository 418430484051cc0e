// FORGET and BATCH_FORGET: which nodes live, and how long.
#include <unistd.h>

#include <chrono>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

class LookupCountTest : public ShareTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
    WriteHost("file", "content");
  }
};

TEST_F(LookupCountTest, KnownInodeKeepsItsNode) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out first, fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out second, fuse().Lookup(kRoot, "file"));
  EXPECT_EQ(first.nodeid, second.nodeid);
}

TEST_F(LookupCountTest, HardLinksShareANode) {
  ASSERT_EQ(link(Host("file").c_str(), Host("other").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out first, fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out second, fuse().Lookup(kRoot, "other"));
  EXPECT_EQ(first.nodeid, second.nodeid);
}

TEST_F(LookupCountTest, NodeDiesWithItsLastLookup) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK(fuse().Lookup(kRoot, "file"));
  ASSERT_OK(fuse().Forget(NodeOf(entry), 1));
  EXPECT_OK(fuse().Getattr(NodeOf(entry)));
  ASSERT_OK(fuse().Forget(NodeOf(entry), 1));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(entry)), EBADF);
}

TEST_F(LookupCountTest, ForgottenInodeGetsANewNode) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out before, fuse().Lookup(kRoot, "file"));
  ASSERT_OK(fuse().Forget(NodeOf(before), 1));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out after, fuse().Lookup(kRoot, "file"));
  EXPECT_NE(after.nodeid, before.nodeid);
  EXPECT_ERRNO(fuse().Getattr(NodeOf(before)), EBADF);
}

TEST_F(LookupCountTest, ForgettingTooMuchSaturates) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK(fuse().Forget(NodeOf(entry), ~uint64_t{0}));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(entry)), EBADF);
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(LookupCountTest, ForgetOfAnUnknownNodeIsIgnored) {
  ASSERT_OK(fuse().Forget(NodeId(999'999), 1));
  ASSERT_OK(fuse().Forget(NodeId(0), 1));
  EXPECT_OK(fuse().Getattr(kRoot));
}

TEST_F(LookupCountTest, RootCantBeForgotten) {
  POSTERN_ONLY("a guest can forget virtiofsd's root");
  ASSERT_OK(fuse().Forget(kRoot, 1'000'000));
  EXPECT_OK(fuse().Getattr(kRoot));
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(LookupCountTest, ForgetOnTheHiprioQueueCounts) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK(fuse_on(0).Forget(NodeOf(entry), 1));
  // Queues aren't ordered among each other.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  int error = 0;
  while (error == 0 && std::chrono::steady_clock::now() < deadline) {
    error = fuse().Getattr(NodeOf(entry)).errno_value();
  }
  EXPECT_EQ(error, EBADF);
}

TEST_F(LookupCountTest, BatchForgetCountsForEachNode) {
  WriteHost("second", "");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out first, fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out second, fuse().Lookup(kRoot, "second"));
  ASSERT_OK(fuse().Lookup(kRoot, "second"));
  const fuse_forget_one items[] = {{first.nodeid, 1}, {second.nodeid, 1}, {999'999, 1}};
  ASSERT_OK(fuse().BatchForget(items));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(first)), EBADF);
  EXPECT_OK(fuse().Getattr(NodeOf(second)));
}

TEST_F(LookupCountTest, CreateMkdirAndLinkCountOneEach) {
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created, fuse().Create(kRoot, "new", O_RDWR));
  ASSERT_OK(fuse().Link(NodeOf(created.entry), kRoot, "link"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Mkdir(kRoot, "directory"));
  ASSERT_OK(fuse().Release(NodeOf(created.entry), HandleOf(created.opened)));
  ASSERT_OK(fuse().Forget(NodeOf(created.entry), 1));
  EXPECT_OK(fuse().Getattr(NodeOf(created.entry)));
  ASSERT_OK(fuse().Forget(NodeOf(created.entry), 1));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(created.entry)), EBADF);
  ASSERT_OK(fuse().Forget(NodeOf(directory), 1));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(directory)), EBADF);
}

TEST_F(LookupCountTest, FailedRequestsCountNothing) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  EXPECT_ERRNO(fuse().Create(kRoot, "file", O_RDWR | O_EXCL), EEXIST);
  EXPECT_ERRNO(fuse().Link(NodeOf(entry), kRoot, "file"), EEXIST);
  ASSERT_OK(fuse().Forget(NodeOf(entry), 1));
  EXPECT_ERRNO(fuse().Getattr(NodeOf(entry)), EBADF);
}

TEST_F(LookupCountTest, ReplacedFileGetsAnotherNodeWhileTheOldOneLives) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out old, fuse().Lookup(kRoot, "file"));
  // A deleted file lives on as an open one; a file handle alone doesn't keep it.
  ASSERT_OK(fuse().Open(NodeOf(old), O_RDONLY));
  ASSERT_EQ(unlink(Host("file").c_str()), 0);
  WriteHost("file", "another");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out replaced, fuse().Lookup(kRoot, "file"));
  EXPECT_NE(replaced.nodeid, old.nodeid);
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(NodeOf(old)));
  EXPECT_EQ(attributes.nlink, 0u);
  EXPECT_EQ(attributes.ino, old.attr.ino);
}

TEST_F(LookupCountTest, ReaddirplusCountsEachEntryButTheDots) {
  MakeHostDirectory("directory");
  WriteHost("directory/inner", "");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Lookup(kRoot, "directory"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(NodeOf(directory)));
  ASSERT_OK_AND_ASSIGN(const auto entries,
                       fuse().Readdirplus(NodeOf(directory), HandleOf(opened), 0));
  ASSERT_EQ(entries.size(), 3u);
  uint64_t inner = 0;
  for (const vmm::DirectoryEntry& entry : entries) {
    if (entry.name == "inner") {
      inner = entry.entry.nodeid;
    } else {
      EXPECT_EQ(entry.entry.nodeid, 0u) << entry.name;
    }
  }
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(NodeId(inner)));
  EXPECT_EQ(attributes.ino, StatHost("directory/inner").st_ino);
  ASSERT_OK(fuse().Forget(NodeId(inner), 1));
  EXPECT_ERRNO(fuse().Getattr(NodeId(inner)), EBADF);
}

TEST_F(LookupCountTest, StaleNodeIsEbadfEverywhere) {
  const NodeId stale(999'999);
  const vmm::FuseHandle handle(0);
  EXPECT_ERRNO(fuse().Lookup(stale, "file"), EBADF);
  EXPECT_ERRNO(fuse().Getattr(stale), EBADF);
  EXPECT_ERRNO(fuse().Setattr(stale, {}), EBADF);
  EXPECT_ERRNO(fuse().Readlink(stale), EBADF);
  EXPECT_ERRNO(fuse().Symlink(stale, "a", "b"), EBADF);
  EXPECT_ERRNO(fuse().Mknod(stale, "a", S_IFREG | 0644), EBADF);
  EXPECT_ERRNO(fuse().Mkdir(stale, "a"), EBADF);
  EXPECT_ERRNO(fuse().Unlink(stale, "a"), EBADF);
  EXPECT_ERRNO(fuse().Rmdir(stale, "a"), EBADF);
  EXPECT_ERRNO(fuse().Open(stale, O_RDONLY), EBADF);
  EXPECT_ERRNO(fuse().Create(stale, "a", O_RDWR), EBADF);
  EXPECT_ERRNO(fuse().Read(stale, handle, 0, fuse().buffer().Part(0, 512)), EBADF);
  EXPECT_ERRNO(fuse().Opendir(stale), EBADF);
  EXPECT_ERRNO(fuse().Statfs(stale), EBADF);
  EXPECT_ERRNO(fuse().Access(stale, R_OK), EBADF);
  EXPECT_ERRNO(fuse().Syncfs(stale), EBADF);
}

}  // namespace
}  // namespace postern
