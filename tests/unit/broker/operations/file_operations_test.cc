#include "broker/operations/file_operations.h"

#include <sys/sysmacros.h>

#include "tests/unit/broker/filesystem_fixture.h"

namespace postern {
namespace {

class FileOperationsTest : public FilesystemTest {
 protected:
  static rpc::Request OpenOf(uint64_t node, uint32_t flags) {
    rpc::Request request;
    request.mutable_open()->set_node_id(node);
    request.mutable_open()->set_flags(flags);
    return request;
  }
  static rpc::Request CreateOf(const std::string& name, uint32_t flags, uint32_t uid = 0,
                               uint32_t gid = 0) {
    rpc::Request request;
    request.mutable_create()->set_parent(kRoot);
    request.mutable_create()->set_name(name);
    request.mutable_create()->set_mode(0644);
    request.mutable_create()->set_flags(flags);
    request.mutable_create()->mutable_credentials()->set_uid(uid);
    request.mutable_create()->mutable_credentials()->set_gid(gid);
    return request;
  }
  static rpc::Request ReleaseOf(uint64_t node, uint64_t file) {
    rpc::Request request;
    request.mutable_release()->set_node_id(node);
    request.mutable_release()->set_open_file_id(file);
    return request;
  }
  // The open file's status flags, as the worker's copy of the descriptor has them.
  int StatusFlags() { return fcntl(context_->reply_file->fd(), F_GETFL); }
  void Opens(uint32_t wanted, int access, const char* name) {
    EXPECT_EQ(Run(OpenOf(Lookup(name), wanted)), 0);
    EXPECT_EQ(StatusFlags() & O_ACCMODE, access);
  }
};

TEST_F(FileOperationsTest, OpensForTheAccessAsked) {
  share_.Write("file", "text");
  Opens(O_RDONLY, O_RDONLY, "file");
  Opens(O_WRONLY, O_WRONLY, "file");
  Opens(O_RDWR, O_RDWR, "file");
  EXPECT_EQ(fcntl(context_->reply_file->fd(), F_GETFD), FD_CLOEXEC);
}

TEST_F(FileOperationsTest, OpenTruncates) {
  share_.Write("file", "text");
  EXPECT_EQ(Run(OpenOf(Lookup("file"), O_WRONLY | O_TRUNC)), 0);
  EXPECT_EQ(share_.Stat("file").st_size, 0);
  EXPECT_EQ(context_->reply_file->flags() & O_TRUNC, 0u) << "would be truncated again later";
}

TEST_F(FileOperationsTest, FlagsThatMakeNoSenseAreMasked) {
  share_.Write("file", "text");
  const uint32_t flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOCTTY | O_NOFOLLOW | O_DIRECT |
                         O_NOATIME | O_PATH | 0x80000000u;
  EXPECT_EQ(Run(OpenOf(Lookup("file"), flags)), 0);
  EXPECT_EQ(StatusFlags() & (O_ACCMODE | O_APPEND | O_DIRECT | O_NOATIME | O_PATH), O_RDWR);
  EXPECT_EQ(Run(OpenOf(Lookup("file"), O_ACCMODE)), EINVAL);
}

TEST_F(FileOperationsTest, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("/etc/passwd", share_.Path("link").c_str()), 0);
  EXPECT_EQ(Run(OpenOf(Lookup("fifo"), O_RDONLY)), EBADF);
  EXPECT_EQ(Run(OpenOf(Lookup("link"), O_RDONLY)), EBADF);
  EXPECT_EQ(Run(OpenOf(kRoot, O_RDWR)), EISDIR);
  EXPECT_EQ(Run(OpenOf(kRoot, O_RDONLY)), EISDIR);
  EXPECT_EQ(session_->open_files.size(), 0u);
}

TEST_F(FileOperationsTest, DeviceIsNotOpened) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(mknod(share_.Path("null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  EXPECT_EQ(Run(OpenOf(Lookup("null"), O_RDWR)), EBADF);
}

TEST_F(FileOperationsTest, OpenKillsSetUidOnTruncationOnlyIfAsked) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file", "text");
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 04777), 0);
  rpc::Request request = OpenOf(Lookup("file"), O_WRONLY | O_TRUNC);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 04777u);
  share_.Write("file", "text");
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 04777), 0);
  request.mutable_open()->set_kill_privileges(true);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07777, 0777u);
}

TEST_F(FileOperationsTest, ReleaseClosesOnce) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  const size_t used = filesystem_->budget().used();
  EXPECT_EQ(Run(OpenOf(node, O_RDONLY)), 0);
  const uint64_t file = reply_.opened().open_file_id();
  EXPECT_EQ(filesystem_->budget().used(), used + 1);
  EXPECT_EQ(Run(ReleaseOf(kRoot, file)), EBADF);
  EXPECT_EQ(Run(ReleaseOf(node, file)), 0);
  EXPECT_EQ(filesystem_->budget().used(), used);
  EXPECT_EQ(Run(ReleaseOf(node, file)), EBADF);
}

TEST_F(FileOperationsTest, OpenBeyondTheBudgetIsEnfile) {
  share_.Write("file");
  StartFilesystem(2);  // Inode, one open file.
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(OpenOf(node, O_RDONLY)), 0);
  EXPECT_EQ(Run(OpenOf(node, O_RDONLY)), ENFILE);
}

TEST_F(FileOperationsTest, CreateMakesAndOpensAndAnswersTheEntry) {
  EXPECT_EQ(Run(CreateOf("new", O_RDWR)), 0);
  EXPECT_EQ(reply_.created().entry().attributes().ino(), share_.Stat("new").st_ino);
  EXPECT_EQ(reply_.created().entry().attributes().mode(), S_IFREG | 0644u);
  EXPECT_EQ(StatusFlags() & O_ACCMODE, O_RDWR);
  EXPECT_EQ(pwrite(context_->reply_file->fd(), "text", 4, 0), 4);
  EXPECT_EQ(share_.Read("new"), "text");
  const uint64_t node = reply_.created().entry().node_id();
  const uint64_t file = reply_.created().opened().open_file_id();
  EXPECT_EQ(Count(node), 1u);
  EXPECT_EQ(Lookup("new"), node);
  EXPECT_EQ(Run(ReleaseOf(node, file)), 0);
}

TEST_F(FileOperationsTest, CreatedFileBelongsToTheRequestsUser) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(chmod(share_.Path().c_str(), 0777), 0);
  EXPECT_EQ(Run(CreateOf("new", O_RDWR, 1234, 2345)), 0);
  EXPECT_EQ(share_.Stat("new").st_uid, 1234u);
  EXPECT_EQ(share_.Stat("new").st_gid, 2345u);
  EXPECT_EQ(geteuid(), 0u);
}

TEST_F(FileOperationsTest, CreateIsDoneWhereTheGuestsKernelHasAllowedIt) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(chmod(share_.Path().c_str(), 0555), 0);
  EXPECT_EQ(Run(CreateOf("new", O_RDWR, 1234, 2345)), 0);
  EXPECT_EQ(share_.Stat("new").st_uid, 1234u);
}

TEST_F(FileOperationsTest, CreateOfAnExistingFileOpensIt) {
  share_.Write("file", "text");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(CreateOf("file", O_RDWR)), 0);
  EXPECT_EQ(reply_.created().entry().node_id(), node);
  EXPECT_EQ(reply_.created().entry().attributes().size(), 4u);
  EXPECT_EQ(share_.Read("file"), "text");
  EXPECT_EQ(Count(node), 2u);
}

TEST_F(FileOperationsTest, CreateOfAnExistingFileTruncatesAndSaysSo) {
  share_.Write("file", "text");
  EXPECT_EQ(Run(CreateOf("file", O_RDWR | O_TRUNC)), 0);
  EXPECT_EQ(reply_.created().entry().attributes().size(), 0u);
  EXPECT_EQ(share_.Read("file"), "");
}

TEST_F(FileOperationsTest, ExclusiveCreateOfAnExistingFileIsEexist) {
  share_.Write("file", "text");
  EXPECT_EQ(Run(CreateOf("file", O_RDWR | O_EXCL | O_TRUNC)), EEXIST);
  EXPECT_EQ(share_.Read("file"), "text");
}

TEST_F(FileOperationsTest, CreateThroughASymlinkMakesNothing) {
  ASSERT_EQ(symlink(share_.Path("target").c_str(), share_.Path("link").c_str()), 0);
  EXPECT_EQ(Run(CreateOf("link", O_RDWR)), EBADF);
  EXPECT_FALSE(share_.Exists("target"));
  EXPECT_EQ(session_->inodes.size(), 0u) << "the lookup's count wasn't taken back";
}

TEST_F(FileOperationsTest, CreateBeyondTheBudgetMakesNothing) {
  StartFilesystem(1);  // A new file takes two.
  EXPECT_EQ(Run(CreateOf("new", O_RDWR)), ENFILE);
  EXPECT_FALSE(share_.Exists("new"));
  EXPECT_EQ(filesystem_->budget().used(), 0u);
}

TEST_F(FileOperationsTest, CreateRefusesNamesThatAreNotOneComponent) {
  EXPECT_EQ(Run(CreateOf("../new", O_RDWR)), EINVAL);
  EXPECT_EQ(Run(CreateOf("..", O_RDWR)), EINVAL);
  EXPECT_EQ(Run(CreateOf("", O_RDWR)), EINVAL);
}

TEST_F(FileOperationsTest, CreateDoesNotPassDirectoryOrTemporaryFlags) {
  EXPECT_EQ(Run(CreateOf("new", O_RDWR | O_TMPFILE | O_PATH)), 0);
  EXPECT_TRUE(S_ISREG(share_.Stat("new").st_mode));
}

TEST_F(FileOperationsTest, SyncFilesystemTakesFilesAndDirectoriesOnly) {
  share_.Write("file");
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0600), 0);
  rpc::Request request;
  request.mutable_sync_filesystem()->set_node_id(kRoot);
  EXPECT_EQ(Run(request), 0);
  request.mutable_sync_filesystem()->set_node_id(Lookup("file"));
  EXPECT_EQ(Run(request), 0);
  request.mutable_sync_filesystem()->set_node_id(Lookup("fifo"));
  EXPECT_EQ(Run(request), EBADF);
}

}  // namespace
}  // namespace postern
