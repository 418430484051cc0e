#include "broker/operations/attribute_operations.h"

#include <sys/statvfs.h>

#include "tests/unit/broker/filesystem_fixture.h"

namespace postern {
namespace {

class AttributeOperationsTest : public FilesystemTest {
 protected:
  static rpc::Request SetOf(uint64_t node) {
    rpc::Request request;
    request.mutable_set_attributes()->set_node_id(node);
    return request;
  }
  static rpc::Request AccessOf(uint64_t node, uint32_t mask, uint32_t uid, uint32_t gid) {
    rpc::Request request;
    request.mutable_access()->set_node_id(node);
    request.mutable_access()->set_mask(mask);
    request.mutable_access()->mutable_credentials()->set_uid(uid);
    request.mutable_access()->mutable_credentials()->set_gid(gid);
    return request;
  }
  // Opens for reading and writing, and returns the id.
  uint64_t Open(uint64_t node) {
    rpc::Request request;
    request.mutable_open()->set_node_id(node);
    request.mutable_open()->set_flags(O_RDWR);
    EXPECT_EQ(Run(request), 0);
    return reply_.opened().open_file_id();
  }
};

TEST_F(AttributeOperationsTest, GetAttributesOfTheRoot) {
  rpc::Request request;
  request.mutable_get_attributes()->set_node_id(kRoot);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.attributes().ino(), share_.Stat("").st_ino);
  request.mutable_get_attributes()->set_node_id(0);
  EXPECT_EQ(Run(request), EBADF);
}

TEST_F(AttributeOperationsTest, BirthTimeOnlyIfAsked) {
  share_.Write("file");
  struct statx status;
  ASSERT_EQ(statx(AT_FDCWD, share_.Path("file").c_str(), 0, STATX_BTIME, &status), 0);
  ASSERT_NE(status.stx_mask & STATX_BTIME, 0u) << "this filesystem doesn't know it";
  rpc::Request request;
  request.mutable_get_attributes()->set_node_id(Lookup("file"));
  EXPECT_FALSE(reply_.entry().attributes().has_birth_time());
  EXPECT_EQ(Run(request), 0);
  EXPECT_FALSE(reply_.attributes().has_birth_time());
  request.mutable_get_attributes()->set_with_birth_time(true);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.attributes().birth_time().seconds(), status.stx_btime.tv_sec);
  EXPECT_EQ(reply_.attributes().birth_time().nanoseconds(), status.stx_btime.tv_nsec);
}

TEST_F(AttributeOperationsTest, SetsTheModeOfFilesAndDirectories) {
  share_.Write("file");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_mode(06711);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.attributes().mode(), S_IFREG | 06711u);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 06711u);
  request.mutable_set_attributes()->set_node_id(kRoot);
  request.mutable_set_attributes()->set_mode(0700);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("").st_mode & 07777, 0700u);
}

TEST_F(AttributeOperationsTest, ModeZeroIsAMode) {
  share_.Write("file");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_mode(0);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 0u);
}

TEST_F(AttributeOperationsTest, ModeOfASymlinkDoesNotReachItsTarget) {
  share_.Write("file");
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  const mode_t mode = share_.Stat("file").st_mode;
  rpc::Request request = SetOf(Lookup("link"));
  request.mutable_set_attributes()->set_mode(0111);
  EXPECT_EQ(Run(request), EOPNOTSUPP);
  EXPECT_EQ(share_.Stat("file").st_mode, mode);
}

TEST_F(AttributeOperationsTest, SetsOwnerAndGroupEachByItself) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_uid(1234);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_uid, 1234u);
  EXPECT_EQ(share_.Stat("file").st_gid, 0u);
  request.mutable_set_attributes()->clear_uid();
  request.mutable_set_attributes()->set_gid(2345);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_uid, 1234u);
  EXPECT_EQ(share_.Stat("file").st_gid, 2345u);
  EXPECT_EQ(reply_.attributes().uid(), 1234u);
}

TEST_F(AttributeOperationsTest, OwnerOfASymlinkIsTheLinksOwn) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file");
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  rpc::Request request = SetOf(Lookup("link"));
  request.mutable_set_attributes()->set_uid(1234);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("link").st_uid, 1234u);
  EXPECT_EQ(share_.Stat("file").st_uid, 0u);
}

TEST_F(AttributeOperationsTest, OwnerNoneIsRefused) {
  share_.Write("file");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_uid(0xffffffff);
  EXPECT_EQ(Run(request), EINVAL);
}

TEST_F(AttributeOperationsTest, SetsTheSizeWithAndWithoutAnOpenFile) {
  share_.Write("file", "12345");
  const uint64_t node = Lookup("file");
  rpc::Request request = SetOf(node);
  request.mutable_set_attributes()->set_size(3);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Read("file"), "123");
  request.mutable_set_attributes()->set_open_file_id(Open(node));
  request.mutable_set_attributes()->set_size(1);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.attributes().size(), 1u);
  EXPECT_EQ(share_.Read("file"), "1");
}

TEST_F(AttributeOperationsTest, SizeOfTheOpenFileThatWasDeletedAndMadeReadOnly) {
  share_.Write("file", "12345");
  const uint64_t node = Lookup("file");
  rpc::Request request = SetOf(node);
  request.mutable_set_attributes()->set_open_file_id(Open(node));
  ASSERT_EQ(unlink(share_.Path("file").c_str()), 0);
  request.mutable_set_attributes()->set_mode(0400);
  request.mutable_set_attributes()->set_size(2);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.attributes().size(), 2u);
}

TEST_F(AttributeOperationsTest, SizeBeyondOffTIsEfbig) {
  share_.Write("file", "12345");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_size(UINT64_MAX);
  EXPECT_EQ(Run(request), EFBIG);
  EXPECT_EQ(share_.Read("file"), "12345");
}

TEST_F(AttributeOperationsTest, SizeOfAnythingButAFileIsRefusedWithoutOpeningIt) {
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0600), 0);
  rpc::Request request = SetOf(Lookup("fifo"));
  request.mutable_set_attributes()->set_size(0);
  EXPECT_EQ(Run(request), EBADF);
  request.mutable_set_attributes()->set_node_id(kRoot);
  EXPECT_EQ(Run(request), EISDIR);
}

TEST_F(AttributeOperationsTest, TruncationKillsSetUidOnlyIfAsked) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file", "12345");
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 06777), 0);
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_size(3);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 06777u);
  request.mutable_set_attributes()->set_size(2);
  request.mutable_set_attributes()->set_kill_privileges(true);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 0777u);
}

TEST_F(AttributeOperationsTest, SetsTimesBeforeTheEpochAndNow) {
  share_.Write("file");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->mutable_atime()->mutable_at()->set_seconds(-5);
  request.mutable_set_attributes()->mutable_atime()->mutable_at()->set_nanoseconds(7);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_atim.tv_sec, -5);
  EXPECT_EQ(share_.Stat("file").st_atim.tv_nsec, 7);
  EXPECT_GT(share_.Stat("file").st_mtim.tv_sec, 0) << "the time that wasn't given changed";
  request.mutable_set_attributes()->mutable_atime()->set_now(true);
  EXPECT_EQ(Run(request), 0);
  EXPECT_GT(share_.Stat("file").st_atim.tv_sec, 0);
}

TEST_F(AttributeOperationsTest, TimesOfASymlinkAreTheLinksOwn) {
  share_.Write("file");
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  rpc::Request request = SetOf(Lookup("link"));
  request.mutable_set_attributes()->mutable_mtime()->mutable_at()->set_seconds(77);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("link").st_mtim.tv_sec, 77);
  EXPECT_NE(share_.Stat("file").st_mtim.tv_sec, 77);
}

TEST_F(AttributeOperationsTest, ErrorLeavesTheEarlierStepsDone) {
  share_.Write("file");
  rpc::Request request = SetOf(Lookup("file"));
  request.mutable_set_attributes()->set_mode(0123);
  request.mutable_set_attributes()->set_size(UINT64_MAX);
  EXPECT_EQ(Run(request), EFBIG);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 0123u);
}

TEST_F(AttributeOperationsTest, OpenFileOfAnotherNodeIsBadAndChangesNothing) {
  share_.Write("a", "12345");
  share_.Write("b", "12345");
  rpc::Request request = SetOf(Lookup("a"));
  request.mutable_set_attributes()->set_open_file_id(Open(Lookup("b")));
  request.mutable_set_attributes()->set_size(0);
  request.mutable_set_attributes()->set_mode(0);
  EXPECT_EQ(Run(request), EBADF);
  EXPECT_EQ(share_.Read("a"), "12345");
  EXPECT_EQ(share_.Read("b"), "12345");
}

TEST_F(AttributeOperationsTest, AccessFollowsTheFirstClassThatMatches) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file");
  ASSERT_EQ(chown(share_.Path("file").c_str(), 10, 20), 0);
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 0421), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(AccessOf(node, R_OK, 10, 20)), 0);
  EXPECT_EQ(Run(AccessOf(node, W_OK, 10, 20)), EACCES);
  EXPECT_EQ(Run(AccessOf(node, W_OK, 11, 20)), 0);
  EXPECT_EQ(Run(AccessOf(node, X_OK, 11, 20)), EACCES);
  EXPECT_EQ(Run(AccessOf(node, X_OK, 11, 21)), 0);
  EXPECT_EQ(Run(AccessOf(node, R_OK | X_OK, 11, 21)), EACCES);
  EXPECT_EQ(Run(AccessOf(node, F_OK, 11, 21)), 0);
  rpc::Request in_group = AccessOf(node, W_OK, 11, 21);
  in_group.mutable_access()->mutable_credentials()->add_supplementary_gids(20);
  EXPECT_EQ(Run(in_group), 0);
}

TEST_F(AttributeOperationsTest, RootMayAllButExecuteWhatNobodyMay) {
  share_.Write("file");
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 0), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(AccessOf(node, R_OK | W_OK, 0, 0)), 0);
  EXPECT_EQ(Run(AccessOf(node, X_OK, 0, 0)), EACCES);
  EXPECT_EQ(Run(AccessOf(kRoot, X_OK, 0, 0)), 0);
}

TEST_F(AttributeOperationsTest, StatFilesystemIsTheHosts) {
  rpc::Request request;
  request.mutable_stat_filesystem()->set_node_id(kRoot);
  EXPECT_EQ(Run(request), 0);
  struct statvfs status;
  ASSERT_EQ(statvfs(share_.Path().c_str(), &status), 0);
  EXPECT_EQ(reply_.statistics().blocks(), status.f_blocks);
  EXPECT_EQ(reply_.statistics().block_size(), status.f_bsize);
  EXPECT_EQ(reply_.statistics().fragment_size(), status.f_frsize);
  EXPECT_EQ(reply_.statistics().files(), status.f_files);
  EXPECT_EQ(reply_.statistics().name_max(), status.f_namemax);
}

}  // namespace
}  // namespace postern
